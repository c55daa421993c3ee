//! Everything at one instant.

use std::sync::Arc;

use arbitrate::codec::pr::{Aptpl, PrOut};
use arbitrate::key::{Incarnation, Key, NodeNumber, Stance};
use arbitrate::protocol::{
    ChallengeSetup, Command, Configured, DefenceSetup, FirstLease, Lives, Race, RaceEnd, RaceSetup, SeatNext,
    Standing, Weight,
};
use arbitrate::time::Instant;

use super::{Config, Credits, DEVICES, Start};
use crate::config::Attentions;
use crate::node::{CLUSTER, KIND, key, nexus};
use crate::target::Target;

/// What a node waits for on one device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Link {
    /// Nothing.
    Idle,
    /// To find it.
    Find,
    /// A time.
    Wait(Instant),
    /// A command that has not reached the device.
    Sent(Command, Instant),
    /// A command that will bring no answer before its deadline.
    Silent(Instant),
}

/// One node.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    /// Its race, once it has begun.
    pub race: Option<Arc<Race>>,
    /// What it waits for.
    pub links: [Link; DEVICES],
    /// Its life on each device.
    pub lives: [u8; DEVICES],
    /// Which devices it does not reach.
    pub cut: [bool; DEVICES],
    /// It stands still.
    pub paused: bool,
    /// It was paused, or an answer to it was late or lost.
    pub harmed: bool,
    /// It has owned, its devices in reach.
    pub owned: bool,
    /// The race was woken at this instant and had nothing to do.
    pub woken: bool,
    /// A device was lost in this attempt.
    pub fallen: bool,
    /// This attempt is being given up.
    pub stood_down: bool,
    /// Which devices left a command of this life unanswered. Later answers do not undo that: leave that was given
    /// meanwhile to the next device stands.
    pub unheard: [bool; DEVICES],
    /// It is dead.
    pub dead: bool,
}

/// A property broken by a step rather than by a state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Breach {
    /// A device was seized while one before it was neither decided nor silent.
    OutOfOrder,
    /// A device was seized in an attempt that had lost another.
    AfterLoss,
    /// A node that had stood down went on to defend a device.
    Kept,
}

/// Everything.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// The time.
    pub now: u8,
    /// The devices.
    pub targets: [Arc<Target>; DEVICES],
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Commands given up by their callers: node, device, command.
    pub fabric: Vec<(usize, usize, PrOut)>,
    /// What may still go wrong.
    pub credits: Credits,
    /// What was broken on the way here.
    pub breach: Option<Breach>,
}

impl From<SeatNext> for Link {
    fn from(n: SeatNext) -> Self {
        match n {
            SeatNext::Issue { command, deadline } => Self::Sent(command, deadline),
            SeatNext::Wait(t) => Self::Wait(t),
            SeatNext::Find => Self::Find,
            SeatNext::Idle => Self::Idle,
        }
    }
}

impl Link {
    /// Whether something is due.
    #[must_use]
    pub fn due(self, now: Instant) -> bool {
        match self {
            Self::Idle => false,
            Self::Find | Self::Sent(..) => true,
            Self::Wait(t) | Self::Silent(t) => now >= t,
        }
    }
}

impl Node {
    fn new(dead: bool) -> Self {
        Self {
            race: None,
            links: [Link::Idle; DEVICES],
            lives: [if dead { 1 } else { 0 }; DEVICES],
            cut: [false; DEVICES],
            paused: false,
            harmed: false,
            owned: false,
            woken: false,
            fallen: false,
            stood_down: false,
            unheard: [false; DEVICES],
            dead,
        }
    }

    /// Drops what no property asks for any more, so that fewer states differ.
    pub(super) fn forget(&mut self) {
        let Some(race) = &self.race else { return };
        self.fallen &= !self.owned;
        self.stood_down &= race.end().is_none();
        for (d, unheard) in self.unheard.iter_mut().enumerate() {
            *unheard &= race.standing(d) == Standing::Challenging;
        }
    }

    /// Whether it owns.
    #[must_use]
    pub fn owns(&self, now: Instant) -> bool {
        self.race.as_ref().is_some_and(|r| r.owns(now).is_some())
    }

    /// How many leases it has.
    #[must_use]
    pub fn leases(&self, now: Instant) -> usize {
        self.race.as_ref().map_or(0, |r| r.leases(now))
    }

    /// Whether it owns still, or has reason not to.
    #[must_use]
    pub fn is_excused(&self, now: Instant) -> bool {
        let out_of_reach = self.cut.iter().filter(|c| **c).count();
        !self.owned || self.harmed || out_of_reach > DEVICES / 2 || self.owns(now)
    }

    /// Whether it gave up against another.
    #[must_use]
    pub fn is_beaten(&self) -> bool {
        matches!(self.race.as_ref().and_then(|r| r.end()), Some(RaceEnd::Defended | RaceEnd::Outrun))
    }

    /// The first device on which something is due.
    #[must_use]
    pub fn due_device(&self, now: Instant) -> Option<usize> {
        self.links.iter().position(|l| l.due(now))
    }

    /// Whether the race as a whole wants to be woken.
    #[must_use]
    pub fn due_race(&self, now: Instant) -> bool {
        let due = |r: &Race| r.end().is_none() && r.due(now).is_some_and(|t| t <= now);
        !self.woken && self.race.as_deref().is_some_and(due)
    }
}

impl State {
    /// The beginning.
    #[must_use]
    pub fn begin(c: &Config) -> Self {
        let fresh = || Arc::new(Target::new(Attentions::Dropped, nexus(c.nodes.len())));
        let mut s = Self {
            now: 0,
            targets: std::array::from_fn(|_| fresh()),
            nodes: Vec::new(),
            fabric: Vec::new(),
            credits: c.credits,
            breach: None,
        };
        for (n, start) in c.nodes.iter().enumerate() {
            let mut node = Node::new(*start == Start::DeadOwner);
            if *start != Start::Contender {
                let k = key(n, 1, Stance::Settled);
                for t in &mut s.targets {
                    let t = Arc::make_mut(t);
                    let _ = t.pr_out(nexus(n), &PrOut::register(Key::default(), k, Aptpl::No));
                    let _ = t.pr_out(nexus(n), &PrOut::reserve(k, KIND));
                }
                node.lives = [1; DEVICES];
            }
            if *start == Start::Owner {
                let held: Vec<_> = (0..DEVICES).map(|d| (d, defence(c, n))).collect();
                let race = setup(c, n).map(|setup| Race::taking_over(setup, &held, s.time()));
                if let Some(race) = race {
                    node.links = std::array::from_fn(|d| race.next(d).into());
                    node.race = Some(Arc::new(race));
                }
            }
            for (_, d) in c.cut.iter().filter(|(who, _)| *who == n) {
                node.cut[*d] = true;
            }
            s.nodes.push(node);
        }
        s
    }

    /// The time.
    #[must_use]
    pub fn time(&self) -> Instant {
        Instant::from_nanos(u64::from(self.now))
    }

    /// Who owns.
    pub fn owners(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len()).filter(|n| self.nodes[*n].owns(self.time()))
    }

    /// How many leases on device `d` are valid.
    #[must_use]
    pub fn leases_on(&self, d: usize) -> usize {
        let lease = |n: &Node| n.race.as_ref().and_then(|r| r.lease(d, self.time()));
        self.nodes.iter().filter_map(lease).count()
    }
}

/// What node `n` races with.
pub(super) fn setup(c: &Config, n: usize) -> Option<RaceSetup> {
    Some(RaceSetup {
        configured: Configured::new(DEVICES).ok()?,
        timing: c.timing,
        weight: Weight::HEAVIEST,
        seed: n as u64,
        attempts: c.attempts,
        watchdog: None,
        rules: c.rules,
    })
}

fn defence(c: &Config, n: usize) -> DefenceSetup {
    DefenceSetup {
        key: key(n, 1, Stance::Settled),
        cluster: CLUSTER,
        kind: KIND,
        aptpl: Aptpl::No,
        timing: c.timing,
        watchdog: None,
        tenure: None,
        first: FirstLease::FromTick,
        rules: c.rules,
    }
}

/// A challenge of node `n` by its life `life`, which finds `registered` on its nexus.
pub(super) fn challenge(c: &Config, n: usize, life: u8, registered: Option<Key>) -> Option<ChallengeSetup> {
    let node = NodeNumber::new(u32::try_from(n + 1).ok()?).ok()?;
    let ghosts: Vec<_> =
        (1..life).flat_map(|l| [key(n, l, Stance::Challenging), key(n, l, Stance::Settled)]).collect();
    Some(ChallengeSetup {
        nexus_ghost: registered.filter(|k| ghosts.contains(k)),
        lives: Lives::new(CLUSTER, node, &ghosts),
        incarnation: Incarnation::new(u32::from(life)).ok()?,
        kind: KIND,
        aptpl: Aptpl::No,
        timing: c.timing,
        command_timeout: std::time::Duration::from_nanos(c.command_timeout),
        mark: None,
        rules: c.rules,
    })
}
