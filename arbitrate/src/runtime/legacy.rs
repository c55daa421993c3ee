//! A whole challenge of legacy mode on one device, and its protocols as drivers see them.
//!
//! Must never call a device owned before it was held for a window.

use std::time::Duration;

use crate::device::ResetScope;
use crate::protocol::{
    Event, FedWatchdog, Lease, LegacyChallenger, LegacyDefenceEnd, LegacyDefenceNote, LegacyDefenceSetup,
    LegacyDefender, LegacyEnd, LegacyNote, LegacySetup, Rules, Step, Timing,
};
use crate::runtime::drive::{self, Machine};
use crate::runtime::executor::Executor;
use crate::runtime::pacer::Pacer;
use crate::time::Instant;

impl Machine for LegacyChallenger {
    type Note = LegacyNote;
    type End = LegacyEnd;
    fn start(&mut self, now: Instant) -> Step<LegacyNote, LegacyEnd> {
        Self::start(self, now)
    }
    fn handle(&mut self, event: Event<'_>, now: Instant) -> Step<LegacyNote, LegacyEnd> {
        Self::handle(self, event, now)
    }
}

impl Machine for LegacyDefender {
    type Note = LegacyDefenceNote;
    type End = LegacyDefenceEnd;
    fn start(&mut self, now: Instant) -> Step<LegacyDefenceNote, LegacyDefenceEnd> {
        Self::start(self, now)
    }
    fn handle(&mut self, event: Event<'_>, now: Instant) -> Step<LegacyDefenceNote, LegacyDefenceEnd> {
        Self::handle(self, event, now)
    }
}

/// What a contest is about.
#[derive(Clone, Debug)]
pub struct LegacyContest {
    /// What is reset where another holds the disk.
    pub scope: ResetScope,
    /// The timing.
    pub timing: Timing,
    /// How long a command that only looks may take before its outcome is Unknown.
    pub command_timeout: Duration,
    /// The same for the reset.
    pub reset_timeout: Duration,
}

/// How a contest ended.
#[derive(Debug)]
pub enum LegacyContestEnd {
    /// Held for a window: the first lease.
    Owned {
        /// The lease.
        lease: Lease,
        /// Since when the reservation has been held.
        held_since: Instant,
    },
    /// Not won.
    Not(LegacyEnd),
}

impl LegacyContest {
    /// Challenges. `tell` hears every note at once, on this thread.
    pub fn run(
        &self,
        on: &mut Executor<'_>,
        pacer: &mut dyn Pacer,
        tell: &mut dyn FnMut(Instant, &LegacyNote),
    ) -> LegacyContestEnd {
        let mut challenger = LegacyChallenger::new(LegacySetup {
            scope: self.scope,
            timing: self.timing,
            command_timeout: self.command_timeout,
            reset_timeout: self.reset_timeout,
            rules: Rules::default(),
        });
        match drive::run(&mut challenger, on, pacer, tell) {
            LegacyEnd::Won { lease, held_since } => LegacyContestEnd::Owned { lease, held_since },
            end => LegacyContestEnd::Not(end),
        }
    }

    /// The defence that goes on with a lease until then.
    #[must_use]
    pub fn defender(&self, until: Instant, watchdog: Option<FedWatchdog>, now: Instant) -> LegacyDefender {
        let setup = LegacyDefenceSetup { until, timing: self.timing, watchdog, rules: Rules::default() };
        LegacyDefender::new(setup, now)
    }
}
