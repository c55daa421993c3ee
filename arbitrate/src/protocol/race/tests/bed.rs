//! Three units, some nodes, and a clock: every command takes its time, and may be lost on its way.
//!
//! Driven by the actions a race returns and by nothing else. Checks after every event that at most one
//! node owns, that at most one lease is valid per device, and that devices are seized in order.

use std::time::Duration;

use super::*;
use crate::codec::pr::{Abort, Aptpl, KeysView, OutAction, PrOut, Preempt, ReadReservation};
use crate::device::sim::pr::Reservations;
use crate::device::sim::{Answer, NexusId};
use crate::key::{Incarnation, NodeNumber, Stance};
use crate::protocol::keys::Lives;
use crate::protocol::testbed::{CLUSTER, KIND, at, flagged, settled};
use crate::protocol::timing::Profile;
use crate::protocol::wire::{Command, NoAnswer, Reply};

pub(super) const DEVICES: usize = 3;
pub(super) const WINDOW: Duration = Duration::from_secs(7);
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(3);

/// What becomes of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Answered,
    /// Executed, the answer lost.
    AnswerLost,
    /// Never executed.
    Lost,
    /// Executed after its deadline.
    Late,
}

enum Owned {
    Keys(Vec<u8>),
    Reservation(ReadReservation),
    Good,
    Conflict,
    Refused(NoAnswer),
}

struct Op {
    command: Command,
    deadline: Instant,
    execute_at: Option<Instant>,
    reply_at: Option<Instant>,
    result: Option<Owned>,
}

#[derive(Default)]
struct Place {
    next: Option<SeatNext>,
    op: Option<Op>,
    find_at: Option<Instant>,
    /// Whether it was silent past a deadline in this life: it has lost its turn.
    silent: bool,
    life: u32,
}

pub(super) struct Node {
    pub(super) race: Option<Race>,
    pub(super) notes: Vec<(Instant, RaceNote)>,
    pub(super) paused_until: Instant,
    places: Vec<Place>,
    seed: u64,
}

/// A PR OUT that arrives when nobody waits for it any more.
struct Orphan {
    node: usize,
    device: usize,
    out: PrOut,
    at: Instant,
}

pub(super) struct Bed {
    pub(super) now: Instant,
    pub(super) units: Vec<Reservations>,
    pub(super) nodes: Vec<Node>,
    /// Whether a node's path to a device is cut.
    pub(super) cut: Vec<[bool; DEVICES]>,
    /// Whether a node has no thread left for a device: nothing is sent any more.
    pub(super) stuck: [bool; DEVICES],
    /// What every command to a device takes besides.
    pub(super) slow: [Duration; DEVICES],
    /// How late a device's thread wakes.
    pub(super) drowsy: [Duration; DEVICES],
    /// Whether a device falls silent as soon as it was found.
    pub(super) falls_silent: bool,
    /// Of a thousand commands, how many meet each of the fates that are none.
    pub(super) bad_luck: u64,
    pub(super) log: Vec<String>,
    orphans: Vec<Orphan>,
    pub(super) dice: u64,
    pub(super) rules: Rules,
    pub(super) watchdog: Option<Duration>,
    pub(super) attempts: u8,
    /// The most nodes that ever owned at one instant.
    pub(super) owners: usize,
    /// Devices seized out of their order.
    pub(super) disorder: usize,
}

#[derive(Clone, Copy)]
enum Due {
    Execute(usize, usize),
    Reply(usize, usize),
    Wake(usize, usize),
    Find(usize, usize),
    Race(usize),
    Orphan(usize),
}

impl Bed {
    pub(super) fn new(nodes: usize, seed: u64) -> Self {
        let node = |n| Node {
            race: None,
            notes: Vec::new(),
            paused_until: Instant::default(),
            places: (0..DEVICES).map(|_| Place::default()).collect(),
            seed: seed.wrapping_mul(31) + n,
        };
        Self {
            now: at(0.0),
            units: (0..DEVICES).map(|_| Reservations::default()).collect(),
            nodes: (0..nodes as u64).map(node).collect(),
            cut: vec![[false; DEVICES]; nodes],
            stuck: [false; DEVICES],
            slow: [Duration::ZERO; DEVICES],
            drowsy: [Duration::ZERO; DEVICES],
            falls_silent: false,
            bad_luck: 0,
            log: Vec::new(),
            orphans: Vec::new(),
            dice: seed,
            rules: Rules::SOUND,
            watchdog: None,
            attempts: 3,
            owners: 0,
            disorder: 0,
        }
    }

    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    pub(super) fn setup(&self, n: usize, weight: u8) -> RaceSetup {
        RaceSetup {
            configured: Configured::new(DEVICES).unwrap(),
            timing: Timing::profile(Profile::Classic),
            weight: Weight::new(weight).unwrap(),
            seed: self.nodes[n].seed,
            attempts: self.attempts,
            watchdog: self.watchdog,
            rules: self.rules,
        }
    }

    /// Node `n` begins to race.
    pub(super) fn start(&mut self, n: usize, weight: u8) {
        let setup = self.setup(n, weight);
        self.nodes[n].race = Some(Race::new(setup));
        self.tell(n, RaceEvent::Wake);
    }

    /// Node `n` goes on with a race made beforehand.
    pub(super) fn resume(&mut self, n: usize) {
        for d in 0..DEVICES {
            let next = self.race(n).next(d);
            self.act(n, d, next);
        }
        self.tell(n, RaceEvent::Wake);
    }

    /// Whether node `n` read unit `d` in the moment before it seized it.
    #[cfg(feature = "teeth")]
    pub(super) fn read_before_seizing(&self, n: usize, d: usize) -> bool {
        let seized = format!("{n} PREEMPT AND ABORT {d}");
        let at = self.log.iter().position(|l| *l == seized).unwrap();
        let freed = self.log[..at].iter().rposition(|l| *l == format!("{n} REGISTER {}", d - 1)).unwrap();
        self.log[freed..at].iter().any(|l| *l == format!("{n} READ RESERVATION {d}"))
    }

    /// Node `n` forgets everything; what it had sent may yet arrive.
    pub(super) fn crash(&mut self, n: usize) {
        self.nodes[n].race = None;
        for d in 0..DEVICES {
            let p = &mut self.nodes[n].places[d];
            let op = p.op.take();
            *p = Place { life: p.life, ..Place::default() };
            if let Some(Op { command: Command::Out(out), execute_at: Some(at), result: None, .. }) = op {
                self.orphans.push(Orphan { node: n, device: d, out, at });
            }
        }
    }

    /// An unseen owner of all units: node 9, whose nexus is its own.
    pub(super) fn owned_by_the_dead(&mut self) {
        for u in &mut self.units {
            let key = settled(9, 1);
            assert_eq!(u.pr_out(NexusId(9), &PrOut::register(Key::default(), key, Aptpl::No)), Answer::Good);
            assert_eq!(u.pr_out(NexusId(9), &PrOut::reserve(key, KIND)), Answer::Good);
        }
    }

    /// Somebody else takes unit `d` from whoever holds it.
    pub(super) fn steal(&mut self, d: usize) {
        let thief = settled(8, 1);
        let holder = self.holder(d).unwrap();
        let u = &mut self.units[d];
        assert_eq!(u.pr_out(NexusId(8), &PrOut::register(Key::default(), thief, Aptpl::No)), Answer::Good);
        let p = Preempt { own: thief, victim: holder, kind: KIND, abort: Abort::Yes };
        assert_eq!(u.pr_out(NexusId(8), &PrOut::preempt(p)), Answer::Good);
    }

    pub(super) fn holder(&self, d: usize) -> Option<Key> {
        self.units[d].read_reservation().holder.map(|h| h.key)
    }

    /// Which node holds each unit's reservation, by its place in `nodes`.
    pub(super) fn holders(&self) -> [Option<usize>; DEVICES] {
        std::array::from_fn(|d| {
            let p = self.holder(d)?.parts_in(CLUSTER)?;
            Some(usize::from(p.node.get()) - 1)
        })
    }

    pub(super) fn race(&self, n: usize) -> &Race {
        self.nodes[n].race.as_ref().unwrap()
    }

    pub(super) fn owner(&self) -> Option<usize> {
        (0..self.nodes.len()).find(|n| self.owns(*n))
    }

    pub(super) fn owns(&self, n: usize) -> bool {
        self.nodes[n].race.as_ref().is_some_and(|r| r.owns(self.now).is_some())
    }

    /// The instant node `n` first told a note like this.
    pub(super) fn told(&self, n: usize, like: impl Fn(&RaceNote) -> bool) -> Option<Instant> {
        self.nodes[n].notes.iter().find(|(_, note)| like(note)).map(|(t, _)| *t)
    }

    pub(super) fn tell(&mut self, n: usize, event: RaceEvent<'_>) {
        let now = self.now;
        let Some(race) = &mut self.nodes[n].race else { return };
        let step = race.handle(event, now);
        self.nodes[n].notes.extend(step.notes.iter().map(|note| (now, *note)));
        for (d, next) in step.actions {
            self.act(n, d, next);
        }
        self.check(n);
    }

    fn act(&mut self, n: usize, d: usize, next: SeatNext) {
        assert!(self.nodes[n].places[d].op.is_none(), "a command is outstanding on {d}");
        self.nodes[n].places[d].next = Some(next);
        match next {
            SeatNext::Find => {
                let after = Duration::from_micros(1000 + self.roll(20_000));
                self.nodes[n].places[d].find_at = Some(self.now + after);
            }
            SeatNext::Issue { command, deadline } => self.issue(n, d, command, deadline),
            SeatNext::Wait(_) | SeatNext::Idle => {}
        }
    }

    fn issue(&mut self, n: usize, d: usize, command: Command, deadline: Instant) {
        if let Command::Out(out) = command {
            self.log.push(format!("{n} {} {d}", out.action.name()));
            let flagged = out.list.own.parts_in(CLUSTER).is_some_and(|p| p.stance == Stance::Challenging);
            if flagged && matches!(out.action, OutAction::Reserve | OutAction::PreemptAndAbort) {
                let undecided = |i: &usize| {
                    self.race(n).standing(*i) == Standing::Challenging && !self.nodes[n].places[*i].silent
                };
                self.disorder += (0..d).filter(undecided).count();
            }
        }
        if command == Command::ReadReservation {
            self.log.push(format!("{n} READ RESERVATION {d}"));
        }
        let fate = match (self.cut[n][d], self.bad_luck) {
            (true, _) => Fate::Lost,
            (false, 0) => Fate::Answered,
            (false, p) => match self.roll(1000) {
                r if r < p => Fate::AnswerLost,
                r if r < 2 * p => Fate::Lost,
                r if r < 3 * p => Fate::Late,
                _ => Fate::Answered,
            },
        };
        let takes = self.slow[d] + Duration::from_micros(500 + self.roll(20_000));
        let arrival = self.now + takes / 2;
        let (execute_at, reply_at) = match fate {
            Fate::Answered => (Some(arrival), Some(self.now + takes)),
            Fate::AnswerLost => (Some(arrival), None),
            Fate::Lost => (None, None),
            Fate::Late => (None, None),
        };
        if self.stuck[d] {
            let result = Some(Owned::Refused(NoAnswer::DeviceLost));
            let reply_at = Some(self.now + takes);
            self.nodes[n].places[d].silent = true;
            self.nodes[n].places[d].op = Some(Op { command, deadline, execute_at: None, reply_at, result });
            return;
        }
        if let (Fate::Late, Command::Out(out)) = (fate, command) {
            let at = deadline + Duration::from_millis(self.roll(5000));
            self.orphans.push(Orphan { node: n, device: d, out, at });
        }
        self.nodes[n].places[d].op = Some(Op { command, deadline, execute_at, reply_at, result: None });
    }

    fn execute(&mut self, n: usize, d: usize, command: Command) -> Owned {
        let u = &mut self.units[d];
        match command {
            Command::ReadKeys => Owned::Keys(KeysView::emit(u.generation(), &u.keys().collect::<Vec<_>>())),
            Command::ReadReservation => Owned::Reservation(u.read_reservation()),
            Command::Out(out) => match u.pr_out(NexusId(nexus(n)), &out) {
                Answer::Good => Owned::Good,
                Answer::Conflict => Owned::Conflict,
                Answer::Check(s) => Owned::Refused(NoAnswer::Sense(s)),
            },
            other => panic!("not of the race over unformatted devices: {other:?}"),
        }
    }

    /// Does the next thing due, if it is before `until`.
    fn step(&mut self, until: Instant) -> bool {
        let Some((when, due)) = self.next_due() else { return false };
        if when >= until {
            return false;
        }
        self.now = self.now.max(when);
        match due {
            Due::Orphan(i) => {
                let o = self.orphans.remove(i);
                let _ = self.execute(o.node, o.device, Command::Out(o.out));
            }
            Due::Execute(n, d) => {
                let op = self.nodes[n].places[d].op.as_mut().unwrap();
                let command = op.command;
                op.execute_at = None;
                let result = self.execute(n, d, command);
                self.nodes[n].places[d].op.as_mut().unwrap().result = Some(result);
            }
            Due::Reply(n, d) => self.reply(n, d),
            Due::Wake(n, d) => self.tell(n, RaceEvent::Device(d, Event::Wake)),
            Due::Find(n, d) => self.find(n, d),
            Due::Race(n) => self.tell(n, RaceEvent::Wake),
        }
        true
    }

    fn reply(&mut self, n: usize, d: usize) {
        let p = &mut self.nodes[n].places[d];
        let op = p.op.take().unwrap();
        let in_time = op.reply_at.is_some_and(|_| self.now < op.deadline);
        p.silent |= !in_time;
        let result = op.result.filter(|_| in_time);
        let reply = match &result {
            None => Reply::Unknown(NoAnswer::Outstanding),
            Some(Owned::Keys(b)) => Reply::Keys(KeysView::parse(b).unwrap()),
            Some(Owned::Reservation(r)) => Reply::Reservation(*r),
            Some(Owned::Good) => Reply::Good,
            Some(Owned::Conflict) => Reply::Conflict,
            Some(Owned::Refused(why)) => Reply::Refused(*why),
        };
        self.tell(n, RaceEvent::Device(d, Event::Reply(reply)));
    }

    /// What the runtime does where a fresh life is wanted.
    fn find(&mut self, n: usize, d: usize) {
        self.nodes[n].places[d].find_at = None;
        let orphaned = self.orphans.iter().any(|o| (o.node, o.device) == (n, d));
        if self.cut[n][d] || orphaned {
            return self.tell(n, RaceEvent::Missing(d));
        }
        self.cut[n][d] |= self.falls_silent;
        let p = &mut self.nodes[n].places[d];
        p.life += 1;
        p.silent = false;
        let life = p.life;
        let number = nexus(n);
        let ghosts: Vec<Key> = (1..life).flat_map(|l| [flagged(number, l), settled(number, l)]).collect();
        let setup = ChallengeSetup {
            lives: Lives::new(CLUSTER, NodeNumber::new(u32::from(number)).unwrap(), &ghosts),
            incarnation: Incarnation::new(life).unwrap(),
            nexus_ghost: self.units[d].key_of(NexusId(number)),
            kind: KIND,
            aptpl: Aptpl::No,
            timing: Timing::profile(Profile::Classic),
            command_timeout: COMMAND_TIMEOUT,
            mark: None,
            rules: self.rules,
        };
        self.tell(n, RaceEvent::Found(d, setup));
    }

    fn next_due(&self) -> Option<(Instant, Due)> {
        let mut all: Vec<(Instant, Due)> =
            self.orphans.iter().enumerate().map(|(i, o)| (o.at, Due::Orphan(i))).collect();
        for (n, node) in self.nodes.iter().enumerate() {
            let awake = |t: Instant| t.max(node.paused_until);
            for (d, p) in node.places.iter().enumerate() {
                match (&p.op, p.find_at, p.next) {
                    (Some(Op { execute_at: Some(at), .. }), ..) => all.push((*at, Due::Execute(n, d))),
                    (Some(op), ..) => all.push((awake(op.reply_at.unwrap_or(op.deadline)), Due::Reply(n, d))),
                    (None, Some(at), _) => all.push((awake(at), Due::Find(n, d))),
                    (None, None, Some(SeatNext::Wait(at))) => {
                        all.push((awake(at) + self.drowsy[d], Due::Wake(n, d)));
                    }
                    _ => {}
                }
            }
            if let Some(t) = node.race.as_ref().and_then(|r| r.due(self.now)) {
                all.push((awake(t), Due::Race(n)));
            }
        }
        all.into_iter().map(|(t, d)| (t.max(self.now), d)).min_by_key(|(t, _)| *t)
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, d: Duration) {
        let until = self.now + d;
        for _ in 0..200_000 {
            if !self.step(until) {
                self.now = until;
                return;
            }
        }
        panic!("no end of events at {:?}", self.now);
    }

    /// Lets time pass until `done`, at most `d`; whether it came to that.
    pub(super) fn run_until(&mut self, d: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let until = self.now + d;
        while !done(self) {
            if !self.step(until) {
                return false;
            }
        }
        true
    }

    fn check(&mut self, n: usize) {
        let races = || self.nodes.iter().filter_map(|n| n.race.as_ref());
        let owners = races().filter(|r| r.owns(self.now).is_some()).count();
        self.owners = self.owners.max(owners);
        let majorities = races().filter(|r| r.leases(self.now) > DEVICES / 2).count();
        self.owners = self.owners.max(majorities);
        for d in 0..DEVICES {
            let leases = races().filter(|r| r.lease(d, self.now).is_some()).count();
            assert!(
                leases <= 1 || self.rules != Rules::SOUND,
                "{leases} leases on device {d} at {:?}, seed {}, node {n}",
                self.now,
                self.nodes[0].seed
            );
        }
    }
}

fn nexus(n: usize) -> u8 {
    u8::try_from(n).unwrap() + 1
}
