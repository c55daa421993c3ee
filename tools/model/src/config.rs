//! Who is there at the beginning, and how much may go wrong.
//!
//! One unit of time is one nanosecond of the protocols' clock; only the ratios matter to them.

use std::time::Duration;

use arbitrate::codec::pr::Aptpl;
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

    /// The same in [`FINE`] parts.
    #[must_use]
    pub const fn fine(self) -> Self {
        Self {
            tick: self.tick * FINE,
            budget: self.budget * FINE,
            margin: self.margin * FINE,
            window: self.window * FINE,
        }
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

/// How fast a node's clock runs: `ticks` of its own in `units` of true time. Systems with such clocks count
/// in [`FINE`] parts of a unit, so that nothing is rounded; a node acts at the first whole unit of true time
/// at which something is due by its own clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Of its own.
    pub ticks: u64,
    /// Of true time; above 0.
    pub units: u64,
}

impl Rate {
    /// A clock that is right.
    pub const TRUE: Self = Self { ticks: 1, units: 1 };

    const fn at(self, now: u64) -> u64 {
        now * self.ticks / self.units
    }
}

/// Parts of a unit of time where clocks run at different speeds.
pub const FINE: u64 = 660;

/// What becomes of the reservations when the target loses power.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Power {
    /// No APTPL: all is forgotten, and nobody was promised anything else.
    Forgets,
    /// APTPL: reservations stay, PRGENERATION does not.
    Keeps,
    /// APTPL, and the memory fails: the target knows and refuses nearly everything (SPC-4 5.12.5.3).
    Fails,
    /// It claims APTPL and forgets.
    Lies,
}

/// What a formatted device says at the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Head {
    /// It is not formatted.
    Unformatted,
    /// The holder's tenure; nobody's where nobody holds.
    Tenure,
    /// Node 0 held it, released it and marked that.
    Released,
}

/// Whether blocks written past the cache survive a loss of power.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cache {
    /// They do.
    Honest,
    /// FUA is ignored: blocks are as they were at the beginning.
    Lies,
}

/// Whether the target tells unit attentions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attentions {
    /// Dropped where they arise: as if the command that met one came a moment later.
    Dropped,
    /// Each eats a command, and the retry policy says what comes then.
    Told,
}

/// When a changing command is sent again by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeats {
    /// After a unit attention only, as the programs do.
    AfterAttention,
    /// Once more after it brought no answer, as a driver might.
    Unanswered,
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
    /// LOGICAL UNIT RESET, by whomever.
    pub reset: u8,
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
    /// The nodes' clocks; those not named are right.
    pub clocks: Vec<Rate>,
    /// What a right clock shows after one unit of time.
    pub unit: u64,
    /// What a loss of power does.
    pub power: Power,
    /// Whether the device is formatted, and what it says.
    pub head: Head,
    /// What becomes of its blocks.
    pub cache: Cache,
    /// What becomes of unit attentions.
    pub attentions: Attentions,
    /// When a changing command is repeated by itself.
    pub repeats: Repeats,
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
            clocks: Vec::new(),
            unit: 1,
            power: Power::Forgets,
            head: Head::Unformatted,
            cache: Cache::Honest,
            attentions: Attentions::Dropped,
            repeats: Repeats::AfterAttention,
        }
    }

    /// What a node asks of its registration.
    #[must_use]
    pub const fn aptpl(&self) -> Aptpl {
        match self.power {
            Power::Forgets => Aptpl::No,
            Power::Keeps | Power::Fails | Power::Lies => Aptpl::Yes,
        }
    }

    /// What the clock of node `n` shows at a true time.
    #[must_use]
    pub fn clock(&self, n: usize, now: u8) -> u64 {
        self.clocks.get(n).copied().unwrap_or(Rate::TRUE).at(u64::from(now) * self.unit)
    }
}
