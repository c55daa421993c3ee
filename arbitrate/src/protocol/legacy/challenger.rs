//! The challenger of legacy mode: breaks the reservation, waits, reserves, and owns the disk only after it
//! has held it for a whole window.
//!
//! ```text
//!   READ KEYS ──registrations──► Refused: persistent reservations rule this disk
//!     │ none, not supported, or barred by an SPC-2 reservation
//!   TEST UNIT READY ──conflict──► RESET ──refused──► Refused
//!     │ free                        │ done, or Unknown
//!     │                           TEST UNIT READY ──conflict──► Defended, or Unknown with the reset
//!     │                             │ free
//!   Window ◄────────────────────────┘  counted from the end of this TEST UNIT READY
//!     │        ▲
//!     │        ├── unit attention in place of the first RESERVE: look again, another window
//!     │        └── no answer to it: another window
//!   RESERVE(6) ──conflict──► Defended
//!     │ GOOD
//!   Hold: RESERVE(6) every tick ──conflict──► Defended
//!     │        ▲
//!     │        └── unit attention, or a tick without success: the hold begins anew
//!   a whole window held ──► Won, with the lease of the last RESERVE
//! ```
//!
//! It probes by TEST UNIT READY and never by RESERVE: a RESERVE sent while another challenge is under way
//! would take the disk from the live owner in the moment between the other's reset and the owner's next
//! tick.
//!
//! Invariant: it believes nothing before `hold + window`. Must never send a second reset, and none where
//! nobody holds the disk.

use std::time::Duration;

use super::end::{Found, Hold, Left, LegacyDoubt, LegacyEnd, LegacyNote, LegacyRefusal, Met, Stray, Strays};
use crate::codec::{Sense, SenseKey};
use crate::device::ResetScope;
use crate::protocol::defender::Lease;
use crate::protocol::rules::{Rule, Rules};
use crate::protocol::timing::Timing;
use crate::protocol::wire::{Command, Event, Next, NoAnswer, Reply, Step};
use crate::time::Instant;

mod hold;

type Out = Step<LegacyNote, LegacyEnd>;

/// Windows waited at the most, where resets of others or answers that never came begin them anew.
const WINDOWS: u8 = 3;
/// How many windows the hold may take, with all its new beginnings.
const HOLD_WINDOWS: u32 = 3;

/// What a challenge starts from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LegacySetup {
    /// What is reset where another holds the disk.
    pub scope: ResetScope,
    /// The timing.
    pub timing: Timing,
    /// How long a command that only looks may take before its outcome is Unknown.
    pub command_timeout: Duration,
    /// The same for the reset: Linux gives each of its steps 10 s and more.
    pub reset_timeout: Duration,
    /// Every rule, outside of tests.
    pub rules: Rules,
}

/// One challenge for one device.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LegacyChallenger {
    setup: LegacySetup,
    phase: Phase,
    reset: Reset,
    windows: u8,
    hold: Hold,
    /// When the hold must be over, whatever happens; set at the end of each window.
    give_up: Option<Instant>,
    strays: Strays,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    New,
    /// A command that only looks is outstanding; unanswered, it is sent again until `until`.
    Looking {
        look: Look,
        until: Instant,
    },
    Pausing {
        look: Look,
        until: Instant,
        resume: Instant,
    },
    Resetting,
    Window {
        end: Instant,
    },
    Holding(hold::Tick),
    HoldPause {
        due: Instant,
    },
    Releasing {
        why: hold::GivenUp,
        tries: u8,
    },
    ReleasePause {
        why: hold::GivenUp,
        tries: u8,
        resume: Instant,
    },
    Over,
}

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Look {
    /// READ KEYS: whether persistent reservations rule the disk.
    Registrations,
    /// TEST UNIT READY, before anything was changed.
    Probe,
    /// TEST UNIT READY, after a reset.
    Reset,
    /// READ KEYS after a conflict: whether a registration was the cause.
    WhoseConflict(Met),
}

/// What became of the own reset.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Reset {
    NotSent,
    Done,
    Open(NoAnswer),
}

impl LegacyChallenger {
    /// A challenge that has not begun.
    #[must_use]
    pub fn new(setup: LegacySetup) -> Self {
        Self {
            setup,
            phase: Phase::New,
            reset: Reset::NotSent,
            windows: 0,
            hold: Hold::Never,
            give_up: None,
            strays: Strays::default(),
        }
    }

    /// How far the hold has come.
    #[must_use]
    pub const fn hold(&self) -> Hold {
        self.hold
    }

    /// Begins, at `now`.
    pub fn start(&mut self, now: Instant) -> Out {
        self.look(Look::Registrations, now)
    }

    /// Takes what happened and says what to do next. [`Event::Release`] stands for [`Event::Wake`]
    /// and withdraws the challenge where it still can be.
    pub fn handle(&mut self, event: Event<'_>, now: Instant) -> Out {
        match (self.phase, event) {
            (Phase::Looking { look, until }, Event::Reply(r)) => self.on_look(look, until, r, now),
            (Phase::Resetting, Event::Reply(r)) => self.on_reset(r, now),
            (Phase::Holding(tick), Event::Reply(r)) => self.on_hold(tick, r, now),
            (Phase::Releasing { why, tries }, Event::Reply(r)) => self.on_released(why, tries, r, now),
            (Phase::Window { .. } | Phase::Pausing { .. }, Event::Release) => {
                self.refused(LegacyRefusal::Cancelled, now)
            }
            (Phase::HoldPause { .. }, Event::Release) => self.give_back(hold::GivenUp::Cancelled, now),
            _ => self.wake(now),
        }
    }

    fn wake(&mut self, now: Instant) -> Out {
        match self.phase {
            Phase::Pausing { look, until, resume } if now >= resume => self.ask(look, until, now),
            Phase::Window { end } if now >= end => self.begin_hold(now),
            Phase::HoldPause { due } if now >= due => self.hold_tick(due, now),
            Phase::ReleasePause { why, tries, resume } if now >= resume => self.release(why, tries, now),
            Phase::Pausing { resume: t, .. }
            | Phase::Window { end: t }
            | Phase::HoldPause { due: t }
            | Phase::ReleasePause { resume: t, .. } => Step::new(Next::Wait(t)),
            // A command is outstanding or all is over: nothing can be due.
            Phase::New
            | Phase::Looking { .. }
            | Phase::Resetting
            | Phase::Holding(_)
            | Phase::Releasing { .. }
            | Phase::Over => Step::new(Next::Wait(now + self.setup.timing.tick())),
        }
    }

    fn look(&mut self, look: Look, now: Instant) -> Out {
        self.ask(look, now + self.setup.timing.window(), now)
    }

    fn ask(&mut self, look: Look, until: Instant, now: Instant) -> Out {
        self.phase = Phase::Looking { look, until };
        let command = match look {
            Look::Registrations | Look::WhoseConflict(_) => Command::ReadKeys,
            Look::Probe | Look::Reset => Command::TestUnitReady,
        };
        Step::new(Next::Issue { command, deadline: now + self.setup.command_timeout })
    }

    fn on_look(&mut self, look: Look, until: Instant, r: Reply<'_>, now: Instant) -> Out {
        match (look, r) {
            (Look::Registrations | Look::WhoseConflict(_), Reply::Keys(v)) if !v.is_empty() => {
                let count = u32::try_from(v.len()).unwrap_or(u32::MAX);
                self.refused(LegacyRefusal::Registrations(count), now)
            }
            (Look::WhoseConflict(met), _) => {
                self.end(LegacyEnd::Defended { met, stray: self.strays.at(now) })
            }
            // A target without persistent reservations says so by ILLEGAL REQUEST; an SPC-2 reservation
            // bars PERSISTENT RESERVE IN.
            (Look::Registrations, Reply::Keys(_) | Reply::Conflict | Reply::Good) => {
                self.look(Look::Probe, now)
            }
            (Look::Registrations, Reply::Refused(NoAnswer::Sense(s)))
                if s.key == SenseKey::ILLEGAL_REQUEST =>
            {
                self.look(Look::Probe, now)
            }
            (Look::Probe | Look::Reset, Reply::Good) => {
                self.open_window(now).after(LegacyNote::Looked(Found::Free))
            }
            (Look::Probe, Reply::Conflict) => self.send_reset(now).after(LegacyNote::Looked(Found::Reserved)),
            (Look::Reset, Reply::Conflict) => {
                self.still_reserved(now).after(LegacyNote::Looked(Found::Reserved))
            }
            (_, Reply::Unknown(why) | Reply::Refused(why)) => self.look_again(look, until, why, now),
            (_, _) => self.look_again(look, until, NoAnswer::Malformed, now),
        }
    }

    /// Looks again in a moment, or gives up.
    fn look_again(&mut self, look: Look, until: Instant, why: NoAnswer, now: Instant) -> Out {
        if now >= until {
            return match (self.strays.at(now), self.reset) {
                (Stray::Possible, _) => self.give_back(hold::GivenUp::Unanswered(why), now),
                (Stray::None, Reset::NotSent) => self.end(LegacyEnd::Unreachable(why)),
                (Stray::None, _) => self.end(LegacyEnd::Unknown { doubt: LegacyDoubt::Blind, why }),
            };
        }
        let resume = (now + self.setup.timing.tick_budget()).min(until);
        self.phase = Phase::Pausing { look, until, resume };
        Step::new(Next::Wait(resume)).note(LegacyNote::Unanswered(why))
    }

    fn send_reset(&mut self, now: Instant) -> Out {
        self.phase = Phase::Resetting;
        let command = Command::Reset(self.setup.scope);
        Step::new(Next::Issue { command, deadline: now + self.setup.reset_timeout })
            .note(LegacyNote::Resetting(self.setup.scope))
    }

    /// However it ended, a look says whether the reservation is gone.
    fn on_reset(&mut self, r: Reply<'_>, now: Instant) -> Out {
        self.reset = match r {
            Reply::Good => Reset::Done,
            Reply::Refused(why) => return self.refused(LegacyRefusal::Reset(why), now),
            Reply::Unknown(why) => Reset::Open(why),
            _ => Reset::Open(NoAnswer::Malformed),
        };
        let next = self.look(Look::Reset, now);
        match self.reset {
            Reset::Open(why) => next.after(LegacyNote::Unanswered(why)),
            Reset::NotSent | Reset::Done => next,
        }
    }

    /// Another's reservation, right after the own reset or a new look for others'.
    fn still_reserved(&mut self, now: Instant) -> Out {
        match self.reset {
            Reset::Open(why) if self.windows == 0 => {
                self.end(LegacyEnd::Unknown { doubt: LegacyDoubt::Reset, why })
            }
            Reset::Done if self.windows == 0 => self.conflict(Met::AfterReset, now),
            _ => self.conflict(Met::AfterWindow, now),
        }
    }

    fn conflict(&mut self, met: Met, now: Instant) -> Out {
        self.hold = Hold::Never;
        self.look(Look::WhoseConflict(met), now)
    }

    fn open_window(&mut self, now: Instant) -> Out {
        self.windows += 1;
        let wait = self.setup.rules.keep(Rule::LegacyWindow);
        let end = if wait { now + self.setup.timing.window() } else { now };
        self.phase = Phase::Window { end };
        Step::new(Next::Wait(end)).note(LegacyNote::Waiting { window_end: end })
    }

    fn refused(&mut self, why: LegacyRefusal, now: Instant) -> Out {
        let left = match (self.strays.at(now), self.hold, self.reset) {
            (Stray::Possible, ..) | (_, Hold::Broken | Hold::Since(_), _) => Left::MayHold,
            (Stray::None, Hold::Never, Reset::NotSent) => Left::Nothing,
            (Stray::None, Hold::Never, Reset::Done | Reset::Open(_)) => Left::Reset,
        };
        self.end(LegacyEnd::Refused { why, left })
    }

    fn end(&mut self, end: LegacyEnd) -> Out {
        self.phase = Phase::Over;
        Step::new(Next::End(end))
    }
}
