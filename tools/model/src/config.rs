//! Who is there at the beginning, and how much may go wrong.
//!
//! One unit of time is one nanosecond of the protocols' clock; only the ratios matter to them.

use std::time::Duration;

use arbitrate::protocol::{Rules, Timing, TimingError, TimingSpec};

/// Timing in units of model time.
#[derive(Clone, Copy, Debug)]
pub struct Units {
    /// The tick.
    pub tick: u64,
    /// The tick's budget, and how long a challenger waits for one command.
    pub budget: u64,
    /// The margin.
    pub margin: u64,
    /// The window.
    pub window: u64,
}

/// The smallest timing that keeps the rules.
pub const SMALLEST: Units = Units { tick: 1, budget: 1, margin: 1, window: 4 };

/// The smallest timing in which a tick that brought no answer leaves time for another.
pub const ROOMY: Units = Units { tick: 2, budget: 1, margin: 1, window: 6 };

impl Units {
    /// As the protocols take it.
    ///
    /// # Errors
    /// [`TimingError`] where the values break a rule.
    pub fn timing(self) -> Result<Timing, TimingError> {
        Timing::new(self.spec())
    }

    /// As the protocols take it, unchecked.
    #[must_use]
    pub const fn unchecked(self) -> Timing {
        Timing::unchecked(self.spec())
    }

    const fn spec(self) -> TimingSpec {
        TimingSpec {
            tick: Duration::from_nanos(self.tick),
            tick_budget: Duration::from_nanos(self.budget),
            margin: Duration::from_nanos(self.margin),
            window: Duration::from_nanos(self.window),
            watchdog: None,
        }
    }
}

/// What a node is at the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Holds the reservation; its first tick is due.
    Holder,
    /// Holds the reservation and is dead.
    DeadHolder,
    /// Challenges at any moment up to [`Config::begin_by`].
    Contender,
}

/// How often each thing may happen in one run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Credits {
    /// A node with something to do lets one unit pass, or takes one unit to handle an answer.
    pub late: u8,
    /// A command whose caller is told Unknown at its deadline, and which may be executed later.
    pub delay: u8,
    /// A command that is executed and whose answer never comes.
    pub lose: u8,
    /// A node stands still, as long as it likes.
    pub pause: u8,
    /// A node dies; it may come back.
    pub crash: u8,
    /// A node that lost begins again under a fresh incarnation.
    pub again: u8,
    /// The operator sends CLEAR.
    pub clear: u8,
    /// The target loses power, and with it its memory.
    pub power: u8,
    /// The operator wants a clean end.
    pub release: u8,
    /// Writes of applications.
    pub write: u8,
    /// Faults of all kinds together (`again` and `write` are none).
    pub total: u8,
}

/// One system to explore.
#[derive(Clone, Debug)]
pub struct Config {
    /// The nodes.
    pub nodes: Vec<Start>,
    /// The timing of who holds.
    pub timing: Timing,
    /// The timing of who challenges; another one only where that is what is shown.
    pub challengers: Timing,
    /// How long a challenger waits for one command.
    pub command_timeout: u64,
    /// The rules the protocols keep.
    pub rules: Rules,
    /// What may go wrong.
    pub credits: Credits,
    /// When exploration ends.
    pub horizon: u8,
    /// Contenders begin no later.
    pub begin_by: u8,
    /// How many late, delayed or lost commands a defender survives that has to survive.
    pub tolerance: u8,
    /// Whether a node that begins again first waits for its own writes to end.
    pub drains: bool,
    /// Whether the target really aborts what PREEMPT AND ABORT names.
    pub aborts: bool,
}

impl Config {
    /// These nodes with this timing, every rule kept, nothing going wrong, for `horizon` units.
    #[must_use]
    pub fn new(nodes: &[Start], units: Units, horizon: u8) -> Self {
        let timing = units.unchecked();
        Self {
            nodes: nodes.to_vec(),
            timing,
            challengers: timing,
            command_timeout: units.budget,
            rules: Rules::SOUND,
            credits: Credits::default(),
            horizon,
            begin_by: horizon,
            tolerance: 0,
            drains: true,
            aborts: true,
        }
    }
}
