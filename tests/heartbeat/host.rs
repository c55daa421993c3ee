//! One simulated host: a node, its receive queue, and the ways in which it does not run.

use std::time::Duration;

use arbitrate::key::{ClusterId, Incarnation};
use arbitrate::time::Instant;
use palisade::heartbeat::auth::{Key, Keys};
use palisade::heartbeat::detect::Rules;
use palisade::heartbeat::node::{Node, Setup, Told};
use palisade::heartbeat::wire::{Flags, LEN, Member, Pace};

use crate::dice::Dice;
use crate::network::MS;
use crate::world::Broken;

pub(crate) const INTERVAL: u64 = 10 * MS;
pub(crate) const MULTIPLIER: u64 = 3;
/// How much later than due a host may run before it calls itself stalled.
pub(crate) const TOLERANCE: u64 = 7 * MS;
pub(crate) const DEAD: u64 = 120 * MS;

/// In which a host does not run. In a pause of the whole machine, what arrives waits outside and is
/// stamped only afterwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    pub(crate) begins: u64,
    pub(crate) ends: u64,
    pub(crate) whole_machine: bool,
}

pub(crate) struct Datagram {
    pub(crate) link: usize,
    pub(crate) bytes: [u8; LEN],
    /// When the kernel stamped it.
    pub(crate) stamp: u64,
}

pub(crate) struct Host {
    pub(crate) node: Node,
    pub(crate) queue: Vec<Datagram>,
    pub(crate) stops: Vec<Stop>,
    pub(crate) dies: Option<u64>,
    pub(crate) leaves: Option<u64>,
    /// Parts in a million by which its clock is fast.
    drift: i64,
    boot: u64,
}

pub(crate) fn number(host: usize) -> Member {
    Member::new(u16::try_from(host + 1).unwrap()).unwrap()
}

impl Host {
    pub(crate) fn new(
        dice: &mut Dice,
        host: usize,
        hosts: usize,
        links: usize,
        end: u64,
        broken: Broken,
    ) -> Self {
        let pace = Pace::new(10_000, 1_000, 3).unwrap();
        let never = Duration::from_secs(3600);
        let jitter_factor = if dice.per_mille(300) { 4 } else { 0 };
        let rules = Rules {
            dead: Duration::from_nanos(DEAD),
            rise: 2,
            jitter_factor,
            ceiling: Duration::from_millis(60),
        };
        let me = Setup {
            cluster: ClusterId::of_name("world"),
            number: number(host),
            incarnation: Incarnation::new(1).unwrap(),
            pace,
            tolerance: if broken == Broken::BlamesForItsOwnStalls {
                never
            } else {
                Duration::from_nanos(TOLERANCE)
            },
            rules,
            links,
        };
        let others: Vec<Member> = (0..hosts).filter(|o| *o != host).map(number).collect();
        let boot = dice.between(MS, 1_000_000 * MS);
        let keys = Keys::new(Key::derive(1, b"world"), []).unwrap();
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&dice.next().to_be_bytes());
        let node = Node::new(me, keys, &others, seed, Instant::from_nanos(boot), Duration::ZERO);
        let stops = stops(dice, end);
        let drift = i64::try_from(dice.between(0, 400)).unwrap() - 200;
        Self { node, queue: Vec::new(), stops, dies: None, leaves: None, drift, boot }
    }

    /// What its clock shows at `t`.
    pub(crate) fn clock(&self, t: u64) -> Instant {
        let drifted = i64::try_from(t).unwrap() / 1_000_000 * self.drift;
        Instant::from_nanos((self.boot + t).saturating_add_signed(drifted))
    }

    /// When a thread that should run at `t` runs.
    pub(crate) fn runs(&self, mut t: u64) -> u64 {
        while let Some(s) = self.stops.iter().find(|s| (s.begins..s.ends).contains(&t)) {
            t = s.ends;
        }
        t
    }

    /// When the kernel stamps what arrives at `t`.
    pub(crate) fn stamps(&self, mut t: u64, dice: &mut Dice) -> u64 {
        while let Some(s) = self.stops.iter().find(|s| s.whole_machine && (s.begins..s.ends).contains(&t)) {
            t = s.ends + dice.between(0, 3 * MS);
        }
        t
    }

    /// Whether the whole machine is paused at `t`, for longer than may fall between two ticks unnoticed.
    pub(crate) fn notices_a_pause_at(&self, t: u64) -> bool {
        let long = |s: &Stop| s.ends - s.begins > INTERVAL + TOLERANCE + MS;
        self.stops.iter().any(|s| s.whole_machine && (s.begins..s.ends).contains(&t) && long(s))
    }

    pub(crate) fn alive(&self, t: u64) -> bool {
        self.dies.is_none_or(|d| t < d) && self.leaves.is_none_or(|l| t <= l)
    }

    pub(crate) fn say_goodbye(&mut self) {
        let flags = Flags { goodbye: true, ..Flags::default() };
        self.node.tell(Told {
            flags,
            epoch: arbitrate::codec::quorum::Epoch(0),
            log_position: 0,
            slot_sequence: 0,
        });
    }
}

/// Stops in their order, 20 ms apart: between two a machine gets to hear what waited outside.
fn stops(dice: &mut Dice, end: u64) -> Vec<Stop> {
    let mut all: Vec<Stop> = (0..dice.between(0, 6))
        .map(|_| {
            let begins = dice.between(0, end);
            let longest = if dice.per_mille(300) { 700 * MS } else { 60 * MS };
            Stop { begins, ends: begins + dice.between(MS, longest), whole_machine: dice.per_mille(500) }
        })
        .collect();
    all.sort_by_key(|s| s.begins);
    let mut free = 0;
    all.retain(|s| {
        let apart = s.begins >= free;
        free = free.max(s.ends + 20 * MS);
        apart
    });
    all
}
