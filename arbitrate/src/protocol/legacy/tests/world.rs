//! Three nodes, one disk, one seed: everything may be late, lost, frozen, reset or swallowed.
//!
//! Virtual time; no two runs of a seed differ. A node that ends begins a new life on the same nexus after
//! a while, so that commands of an old life hit a new one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::super::*;
use super::bed::{Told, classic, execute, setup};
use crate::device::sim::{LogicalUnit, NexusId};
use crate::protocol::wire::{Command, Event, Next, NoAnswer, Reply};
use crate::protocol::{Lease, Rules};
use crate::time::Instant;

const NODES: usize = 3;
/// Virtual seconds of one run.
const LONG: u64 = 150;

/// What a run came to.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Tally {
    pub(super) wins: u32,
    pub(super) defended: u32,
    pub(super) deposed: u32,
    pub(super) expired: u32,
    pub(super) released: u32,
    pub(super) resets: u32,
}

/// Two leases at once.
#[derive(Debug)]
pub(super) struct Overlap {
    pub(super) at: Instant,
    pub(super) leases: Vec<(usize, Lease)>,
    pub(super) log: Vec<String>,
}

enum Actor {
    Idle,
    Challenger(LegacyChallenger),
    Defender(LegacyDefender),
}

struct Node {
    actor: Actor,
    /// Counts what was asked for: an answer to anything else goes nowhere.
    turn: u64,
    frozen_until: Instant,
    /// Unit attentions the host may take for itself in this challenge.
    swallows: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum What {
    Start(usize),
    Wake(usize, u64),
    Deadline(usize, u64),
    /// Index of the command.
    Execute(usize, u64, usize),
    /// Index of the answer.
    Answer(usize, u64, usize),
    Reset,
    Freeze(usize),
    Stop(usize),
}

pub(super) struct World {
    unit: LogicalUnit,
    now: Instant,
    queue: BinaryHeap<Reverse<(Instant, u64, What)>>,
    nodes: Vec<Node>,
    commands: Vec<(Command, Option<Duration>)>,
    answers: Vec<Told>,
    random: u64,
    count: u64,
    rules: Rules,
    tally: Tally,
    log: Vec<String>,
}

/// Runs one seed.
pub(super) fn run(seed: u64, rules: Rules) -> Result<Tally, Overlap> {
    let node = || Node { actor: Actor::Idle, turn: 0, frozen_until: Instant::default(), swallows: 0 };
    let mut w = World {
        unit: LogicalUnit::default(),
        now: Instant::default(),
        queue: BinaryHeap::new(),
        nodes: (0..NODES).map(|_| node()).collect(),
        commands: Vec::new(),
        answers: Vec::new(),
        random: seed,
        count: 0,
        rules,
        tally: Tally::default(),
        log: Vec::new(),
    };
    w.unit.introduce(NexusId(2));
    for n in 0..NODES {
        let begin = w.below(20_000);
        w.push(begin, What::Start(n));
    }
    let first = w.below(20_000);
    w.push(first, What::Reset);
    let end = Instant::default() + Duration::from_secs(LONG);
    while let Some(Reverse((at, _, what))) = w.queue.pop() {
        if at > end {
            break;
        }
        w.now = at;
        w.step(what);
        let leases = w.leases();
        if leases.len() > 1 {
            return Err(Overlap { at, leases, log: w.log });
        }
    }
    Ok(w.tally)
}

impl World {
    /// The next pseudo-random number (splitmix64).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Up to that many milliseconds.
    fn below(&mut self, ms: u64) -> Duration {
        Duration::from_micros(self.draw() % (ms * 1000 + 1))
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.draw() % 100 < percent
    }

    fn push(&mut self, after: Duration, what: What) {
        self.count += 1;
        self.queue.push(Reverse((self.now + after, self.count, what)));
    }

    fn leases(&self) -> Vec<(usize, Lease)> {
        let lease = |n: &Node| match &n.actor {
            Actor::Defender(d) => d.lease(self.now),
            Actor::Idle | Actor::Challenger(_) => None,
        };
        self.nodes.iter().enumerate().filter_map(|(i, n)| Some((i, lease(n)?))).collect()
    }

    fn say(&mut self, n: usize, what: &str) {
        let s = self.now.since(Instant::default()).as_secs_f64();
        self.log.push(format!("{s:>8.3} n{n} {what}"));
    }

    fn step(&mut self, what: What) {
        match what {
            What::Execute(n, turn, i) => self.execute(n, turn, i),
            What::Reset => {
                self.reset(NODES);
                // Resets come in bursts.
                let next = if self.chance(40) { self.below(4_000) } else { self.below(30_000) };
                self.push(next, What::Reset);
            }
            What::Freeze(n) => {
                let nap = self.below(20_000);
                self.nodes[n].frozen_until = self.now + nap;
                self.say(n, &format!("frozen for {nap:?}"));
            }
            What::Start(n)
            | What::Wake(n, _)
            | What::Deadline(n, _)
            | What::Answer(n, ..)
            | What::Stop(n) => {
                let thaw = self.nodes[n].frozen_until;
                if self.now < thaw {
                    // Happens when it wakes; the program then looks at the clock.
                    self.push(thaw.since(self.now), what);
                } else {
                    self.tell(n, what);
                }
            }
        }
    }

    /// A reset by `by`, told to everybody; a host may take the attention for itself.
    fn reset(&mut self, by: usize) {
        self.tally.resets += 1;
        self.unit.reset();
        self.say(by, "a RESET is executed");
        for n in 0..NODES {
            let (may, costs) = match self.nodes[n].actor {
                Actor::Defender(_) => (true, 0),
                Actor::Challenger(_) | Actor::Idle => (self.nodes[n].swallows > 0, 1),
            };
            if may && self.chance(30) {
                self.nodes[n].swallows = self.nodes[n].swallows.saturating_sub(costs);
                while self.unit.request_sense(NexusId(u8::try_from(n).unwrap())).is_some() {}
                self.say(n, "its host swallows the unit attention");
            }
        }
    }

    fn execute(&mut self, n: usize, turn: u64, i: usize) {
        let (command, answer_after) = self.commands[i];
        let told = if let Command::Reset(_) = command {
            self.reset(n);
            Told::Good
        } else {
            let told = execute(&mut self.unit, NexusId(u8::try_from(n).unwrap()), command);
            self.say(n, &format!("{command:?} is executed: {:?}", told.reply()));
            told
        };
        if let Some(after) = answer_after {
            self.answers.push(told);
            let i = self.answers.len() - 1;
            self.push(after, What::Answer(n, turn, i));
        }
    }

    fn tell(&mut self, n: usize, what: What) {
        let current = self.nodes[n].turn;
        match what {
            What::Start(_) => self.start(n),
            What::Wake(_, turn) if turn == current => self.handle(n, Event::Wake),
            What::Deadline(_, turn) if turn == current => {
                self.say(n, "no answer by the deadline");
                self.handle(n, Event::Reply(Reply::Unknown(NoAnswer::Outstanding)));
            }
            What::Answer(_, turn, i) if turn == current => {
                // Taken out, so that it can be lent while the node changes.
                let told = std::mem::replace(&mut self.answers[i], Told::Good);
                self.handle(n, Event::Reply(told.reply()));
            }
            What::Stop(_) if matches!(self.nodes[n].actor, Actor::Defender(_)) => {
                self.say(n, "is asked to stop");
                self.handle(n, Event::Release);
            }
            _ => {}
        }
    }

    fn start(&mut self, n: usize) {
        self.say(n, "begins a challenge");
        let mut c = LegacyChallenger::new(setup(self.rules));
        let step = c.start(self.now);
        self.nodes[n].actor = Actor::Challenger(c);
        self.nodes[n].swallows = 1;
        self.follow_challenge(n, step.next);
    }

    fn handle(&mut self, n: usize, event: Event<'_>) {
        self.nodes[n].turn += 1;
        let now = self.now;
        match &mut self.nodes[n].actor {
            Actor::Idle => {}
            Actor::Challenger(c) => {
                let next = c.handle(event, now).next;
                self.follow_challenge(n, next);
            }
            Actor::Defender(d) => {
                let next = d.handle(event, now).next;
                self.follow_defence(n, next);
            }
        }
    }

    fn follow_challenge(&mut self, n: usize, next: Next<LegacyEnd>) {
        let end = match next {
            Next::End(end) => end,
            other => return self.follow(n, other),
        };
        self.say(n, &format!("{end:?}"));
        match end {
            LegacyEnd::Won { lease, .. } => {
                self.tally.wins += 1;
                let setup = LegacyDefenceSetup {
                    until: lease.until,
                    timing: classic(),
                    watchdog: None,
                    rules: self.rules,
                };
                let mut d = LegacyDefender::new(setup, self.now);
                let next = d.start(self.now).next;
                self.nodes[n].actor = Actor::Defender(d);
                if self.chance(60) {
                    let after = self.below(60_000);
                    self.push(after, What::Freeze(n));
                }
                if self.chance(30) {
                    let after = self.below(60_000);
                    self.push(after, What::Stop(n));
                }
                self.follow_defence(n, next);
            }
            end => {
                self.tally.defended += u32::from(matches!(end, LegacyEnd::Defended { .. }));
                self.over(n);
            }
        }
    }

    fn follow_defence(&mut self, n: usize, next: Next<LegacyDefenceEnd>) {
        let end = match next {
            Next::End(end) => end,
            other => return self.follow(n, other),
        };
        self.say(n, &format!("{end:?}"));
        match end {
            LegacyDefenceEnd::Deposed { .. } => self.tally.deposed += 1,
            LegacyDefenceEnd::Expired { .. } => self.tally.expired += 1,
            LegacyDefenceEnd::Released | LegacyDefenceEnd::ReleaseUnproven => self.tally.released += 1,
        }
        self.over(n);
    }

    fn over(&mut self, n: usize) {
        self.nodes[n].actor = Actor::Idle;
        let pause = self.below(10_000);
        self.push(pause, What::Start(n));
    }

    fn follow<E>(&mut self, n: usize, next: Next<E>) {
        let turn = self.nodes[n].turn;
        match next {
            Next::End(_) => {}
            Next::Wait(until) => self.push(until.since(self.now), What::Wake(n, turn)),
            Next::Issue { command, deadline } => {
                self.push(deadline.since(self.now), What::Deadline(n, turn));
                let (delay, answer) = match self.draw() % 100 {
                    // Lost on the way there.
                    0..3 => return,
                    // Lost on the way back.
                    3..6 => (self.below(40), None),
                    // Stuck somewhere, executed when nobody thinks of it any more.
                    6..10 => (self.below(25_000), Some(Duration::from_millis(1))),
                    _ => (self.below(40), Some(self.below(40))),
                };
                self.commands.push((command, answer));
                let i = self.commands.len() - 1;
                self.push(delay, What::Execute(n, turn, i));
            }
        }
    }
}
