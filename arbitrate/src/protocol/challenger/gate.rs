//! Leave to seize: a challenge that is one of several waits for its turn (design section 6, several
//! quorum devices).
//!
//! Invariant: what a challenge believed before it was held back is read again before it seizes. Must
//! never seize without leave.

use super::look::Purpose;
use super::{Challenger, Out, Phase, Write, cancelled};
use crate::protocol::challenger::{ChallengeNote, ChallengeSetup};
use crate::protocol::rules::Rule;
use crate::protocol::wire::{Next, Step};
use crate::time::Instant;

/// Whether a challenge may seize.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Leave {
    /// It may, as soon as the window is over: the only challenge there is.
    Given,
    /// Not yet.
    Awaited,
    /// Never: it withdraws as soon as it can.
    Refused,
}

impl Challenger {
    /// The same challenge, one of several: once its window is over and nobody defended it waits until
    /// [`Challenger::proceed`] gives it leave.
    #[must_use]
    pub fn gated(mut self) -> Self {
        self.leave = Leave::Awaited;
        self
    }

    /// Whether it waits for leave.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. })
    }

    /// Whether it was given leave to seize, or never needed it.
    #[must_use]
    pub fn has_leave(&self) -> bool {
        self.leave == Leave::Given
    }

    /// Gives leave; only to one that [is ready](Challenger::is_ready). Whatever time has passed since
    /// it became ready, keys and holder are read again before the device is seized.
    pub fn proceed(&mut self, now: Instant) -> Out {
        match self.phase {
            Phase::Ready { since } => {
                self.leave = Leave::Given;
                if since == now || !self.setup.rules.keep(Rule::ReadAgainAfterHold) {
                    return self.write(Write::Seize, now);
                }
                self.look(Purpose::Recheck, now)
            }
            _ => self.wake(now),
        }
    }

    /// Takes leave back for good: the challenge is withdrawn now, or as soon as what is under way has
    /// ended. `None` in the second case. What was seized by then ends as a victory, to be given back.
    pub fn recall(&mut self, now: Instant) -> Option<Out> {
        self.leave = Leave::Refused;
        self.cancel(now)
    }

    /// Withdraws where that can be done at once.
    pub(super) fn cancel(&mut self, now: Instant) -> Option<Out> {
        match self.phase {
            Phase::New => Some(self.end(cancelled())),
            Phase::Window | Phase::Ready { .. } => Some(self.withdraw(cancelled(), now)),
            Phase::Pausing(l) => match l.purpose {
                Purpose::Survey => Some(self.end(cancelled())),
                Purpose::Observe | Purpose::Recheck => Some(self.withdraw(cancelled(), now)),
                _ => None,
            },
            // The head is read once the reservation is held, or to spare the window: what follows tells.
            Phase::Looking(_)
            | Phase::Heading(_)
            | Phase::HeadPause(_)
            | Phase::Beginning(..)
            | Phase::Writing(_)
            | Phase::Over => None,
        }
    }

    /// The window is over, and nobody defended.
    pub(super) fn seize_or_wait(&mut self, now: Instant) -> Out {
        match self.leave {
            Leave::Given => self.write(Write::Seize, now),
            Leave::Awaited => {
                self.phase = Phase::Ready { since: now };
                Step::new(Next::Wait(now + self.setup.timing.tick())).note(ChallengeNote::Ready)
            }
            Leave::Refused => self.withdraw(cancelled(), now),
        }
    }

    /// What it was made from.
    pub(in crate::protocol) const fn setup(&self) -> &ChallengeSetup {
        &self.setup
    }
}
