//! A race of nodes over three quorum devices, explored state by state.
//!
//! The nodes run [`arbitrate::protocol::Race`], which runs a challenger or a defender per device; the
//! devices are the embedded unit's. Within one instant a node does what is due on its devices in their
//! order, one command a step, and every order of the *nodes'* steps is tried: what a node does on one
//! device does not change another, and answers that come in another order are what the faults are for.

mod state;
mod step;

use arbitrate::protocol::{Rules, Timing};
use stateright::{Model, Property};

use crate::config::Units;
pub use state::{Breach, Link, Node, State};
pub use step::Action;

/// How many devices there are.
pub const DEVICES: usize = 3;

/// What a node is at the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Holds all devices; its first ticks are due.
    Owner,
    /// Holds all devices and is dead.
    DeadOwner,
    /// Begins its race at any moment up to [`Config::begin_by`].
    Contender,
}

/// How often each thing may happen in one run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Credits {
    /// A command whose caller is told Unknown at its deadline, and which may be executed later.
    pub delay: u8,
    /// A command that is executed and whose answer never comes.
    pub lose: u8,
    /// A node stands still, as long as it likes.
    pub pause: u8,
    /// A node no longer reaches a device. It may again.
    pub cut: u8,
    /// Faults of all kinds together.
    pub total: u8,
}

/// One system to explore.
#[derive(Clone, Debug)]
pub struct Config {
    /// The nodes.
    pub nodes: Vec<Start>,
    /// The timing of all.
    pub timing: Timing,
    /// How long one command may take.
    pub command_timeout: u64,
    /// The rules kept.
    pub rules: Rules,
    /// What may go wrong.
    pub credits: Credits,
    /// Which nodes do not reach which devices from the beginning.
    pub cut: Vec<(usize, usize)>,
    /// When exploration ends.
    pub horizon: u8,
    /// Contenders begin no later.
    pub begin_by: u8,
    /// Attempts a race makes.
    pub attempts: u8,
    /// Faults befall this node alone; nodes that begin alike are as good as one another.
    pub befalls: Option<usize>,
}

impl Config {
    /// These nodes, every rule kept, nothing going wrong.
    #[must_use]
    pub fn new(nodes: &[Start], units: Units, begin_by: u8, horizon: u8) -> Self {
        Self {
            nodes: nodes.to_vec(),
            timing: units.unchecked(),
            command_timeout: units.budget,
            rules: Rules::SOUND,
            credits: Credits::default(),
            cut: Vec::new(),
            horizon,
            begin_by,
            attempts: 1,
            befalls: None,
        }
    }
}

/// Never two owners.
pub const ONE_OWNER: &str = "at most one node owns at any instant";
/// Never two leases on a device.
pub const ONE_LEASE: &str = "at most one valid lease on each device";
/// A live owner stays, with a minority of its devices out of reach.
pub const LIVE_STAYS: &str = "an owner that reaches a majority in time stays";
/// One device after the other.
pub const IN_ORDER: &str = "devices are seized in their order";
/// No more is taken after a loss.
pub const STANDS_DOWN: &str = "nothing is seized after a device was lost";
/// Nothing is kept by who rests or gave up.
pub const GIVES_BACK: &str = "who stood down defends nothing";
/// A newcomer owns.
pub const OWNS: &str = "a newcomer owns";
/// A contender gives up against an owner.
pub const BEATEN: &str = "a contender is beaten";
/// Somebody owns beside a device it does not hold.
pub const MAJORITY: &str = "somebody owns with two devices of three";

/// One system, as the checker takes it.
#[derive(Clone, Debug)]
pub struct System(pub Config);

impl Model for System {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::begin(&self.0)]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        step::enabled(&self.0, s, out);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        next.take(&self.0, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_OWNER, |_, s: &State| s.owners().count() <= 1),
            Property::always(ONE_LEASE, |_, s: &State| (0..DEVICES).all(|d| s.leases_on(d) <= 1)),
            Property::always(LIVE_STAYS, |_, s: &State| s.nodes.iter().all(|n| n.is_excused(s.time()))),
            Property::always(IN_ORDER, |_, s: &State| s.breach != Some(Breach::OutOfOrder)),
            Property::always(STANDS_DOWN, |_, s: &State| s.breach != Some(Breach::AfterLoss)),
            Property::always(GIVES_BACK, |_, s: &State| s.breach != Some(Breach::Kept)),
            Property::sometimes(OWNS, |m: &Self, s: &State| {
                s.owners().any(|n| m.0.nodes[n] == Start::Contender)
            }),
            Property::sometimes(BEATEN, |_, s: &State| s.nodes.iter().any(Node::is_beaten)),
            Property::sometimes(MAJORITY, |_, s: &State| {
                s.owners().any(|n| s.nodes[n].leases(s.time()) == DEVICES - 1)
            }),
        ]
    }
}
