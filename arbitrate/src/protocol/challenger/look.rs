//! Looking at the device: READ KEYS, then READ RESERVATION, retried until answered or given up.

use super::{ChallengeEnd, ChallengeNote, Challenger, Doubt, Out, Phase, Refusal};
use crate::codec::pr::{Generation, Holder, KeysView};
use crate::key::Key;
use crate::protocol::challenger::Cleanup;
use crate::protocol::keys::Owner;
use crate::protocol::wire::{Command, Next, NoAnswer, Reply, Step};
use crate::time::Instant;

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Purpose {
    /// Before anything is changed.
    Survey,
    /// Is the ghost gone?
    GhostGone,
    /// After a REGISTER that ended GOOD.
    Observe,
    /// After a REGISTER whose outcome is open.
    Registered,
    /// After the window.
    Recheck,
    /// After PREEMPT AND ABORT or RESERVE.
    Verify,
    /// After the flag was taken off.
    FlagOff,
    /// After the own key was unregistered.
    StoodDown,
}

/// A look under way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Looking {
    pub(super) purpose: Purpose,
    /// What READ KEYS showed, once it did.
    keys: Option<KeysSeen>,
    /// When to give up.
    pub(super) until: Instant,
    /// When to ask again, while pausing.
    pub(super) resume: Instant,
    /// How the command before this look ended.
    pub(super) ended: Ended,
    /// When the REGISTER was issued.
    pub(super) registered: Instant,
}

/// How the changing command before a look ended, as far as its status says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Ended {
    /// GOOD, or no command came before.
    Good,
    /// RESERVATION CONFLICT: not executed.
    Conflict,
    /// Refused: not executed.
    Refused(NoAnswer),
    /// It may have been executed, or may yet be.
    Open(NoAnswer),
}

impl Ended {
    pub(super) fn of(r: Reply<'_>) -> Self {
        match r {
            Reply::Good => Self::Good,
            Reply::Conflict => Self::Conflict,
            Reply::Refused(why) => Self::Refused(why),
            Reply::Unknown(why) => Self::Open(why),
            // A reply to another command than was sent says nothing about this one.
            Reply::Keys(_) | Reply::Reservation(_) | Reply::Attention(_) | Reply::Head(_) => {
                Self::Open(NoAnswer::Malformed)
            }
        }
    }

    pub(super) fn why(self) -> NoAnswer {
        match self {
            Self::Refused(why) | Self::Open(why) => why,
            Self::Good | Self::Conflict => NoAnswer::Contradiction,
        }
    }
}

/// The part of READ KEYS that matters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct KeysSeen {
    pub(super) generation: Generation,
    pub(super) count: u32,
    pub(super) own_flagged: bool,
    pub(super) ghost_on_nexus: bool,
    pub(super) foreign: Option<Key>,
    pub(super) impostor: Option<Key>,
}

/// Keys and holder; two commands, not one snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sight {
    pub(super) keys: KeysSeen,
    pub(super) holder: Option<Holder>,
}

impl Challenger {
    pub(super) fn look(&mut self, purpose: Purpose, now: Instant) -> Out {
        self.look_after(purpose, Ended::Good, now, now)
    }

    pub(super) fn look_after(
        &mut self,
        purpose: Purpose,
        ended: Ended,
        registered: Instant,
        now: Instant,
    ) -> Out {
        let until = now + self.setup.timing.window();
        self.ask(Looking { purpose, keys: None, until, resume: now, ended, registered }, now)
    }

    /// Begins to look, with READ KEYS.
    pub(super) fn ask(&mut self, l: Looking, now: Instant) -> Out {
        self.phase = Phase::Looking(Looking { keys: None, ..l });
        self.issue(Command::ReadKeys, now)
    }

    fn issue(&self, command: Command, now: Instant) -> Out {
        Step::new(Next::Issue { command, deadline: now + self.setup.command_timeout })
    }

    pub(super) fn on_look(&mut self, l: Looking, r: Reply<'_>, now: Instant) -> Out {
        match (l.keys, r) {
            (None, Reply::Keys(v)) => {
                let keys = Some(self.digest(v));
                self.phase = Phase::Looking(Looking { keys, ..l });
                self.issue(Command::ReadReservation, now)
            }
            (Some(keys), Reply::Reservation(r)) => self.on_sight(l, Sight { keys, holder: r.holder }, now),
            (_, Reply::Conflict) => self.blind(l, Refusal::LegacyReservation),
            (_, Reply::Refused(why)) if l.purpose == Purpose::Survey => self.blind(l, Refusal::Target(why)),
            (_, Reply::Unknown(why) | Reply::Refused(why)) => self.unanswered(l, why, now),
            // A reply to another command than was sent.
            (
                _,
                Reply::Good | Reply::Keys(_) | Reply::Reservation(_) | Reply::Attention(_) | Reply::Head(_),
            ) => self.unanswered(l, NoAnswer::Malformed, now),
        }
    }

    fn unanswered(&mut self, l: Looking, why: NoAnswer, now: Instant) -> Out {
        let next = if now >= l.until { self.give_up(l, why) } else { self.pause_at_most(l, now) };
        next.after(ChallengeNote::Unanswered(why))
    }

    /// Looks again in a moment, or gives up.
    pub(super) fn pause(&mut self, l: Looking, now: Instant) -> Out {
        if now >= l.until {
            return self.give_up(l, l.ended.why());
        }
        self.pause_at_most(l, now)
    }

    fn pause_at_most(&mut self, l: Looking, now: Instant) -> Out {
        let resume = (now + self.setup.timing.tick_budget()).min(l.until);
        self.phase = Phase::Pausing(Looking { resume, ..l });
        Step::new(Next::Wait(resume))
    }

    fn give_up(&mut self, l: Looking, why: NoAnswer) -> Out {
        let doubt = match l.purpose {
            Purpose::Survey => return self.end(ChallengeEnd::Unreachable(why)),
            Purpose::StoodDown => return self.finish_withdrawal(Cleanup::Unproven),
            Purpose::GhostGone => Doubt::GhostRemoval,
            Purpose::Registered => Doubt::Registration,
            Purpose::Observe | Purpose::Recheck => Doubt::Blind,
            Purpose::Verify => Doubt::Seizure,
            Purpose::FlagOff => Doubt::FlagStays,
        };
        self.end(ChallengeEnd::Unknown { doubt, why })
    }

    /// The target refuses to be read: before anything was changed that is a refusal, later it leaves
    /// open what became of the own key.
    fn blind(&mut self, l: Looking, why: Refusal) -> Out {
        if l.purpose == Purpose::Survey {
            return self.end(ChallengeEnd::Refused { why, cleanup: Cleanup::NotNeeded });
        }
        self.give_up(l, NoAnswer::Barred)
    }

    fn digest(&self, v: KeysView<'_>) -> KeysSeen {
        let mut seen = KeysSeen {
            generation: v.generation(),
            count: u32::try_from(v.len()).unwrap_or(u32::MAX),
            own_flagged: false,
            ghost_on_nexus: false,
            foreign: None,
            impostor: None,
        };
        for k in v.iter() {
            if k == self.flagged {
                seen.own_flagged = true;
                continue;
            }
            seen.ghost_on_nexus |= Some(k) == self.setup.nexus_ghost;
            match self.setup.lives.owner(k) {
                Owner::Foreign => seen.foreign = seen.foreign.or(Some(k)),
                Owner::Impostor if k != self.settled => seen.impostor = seen.impostor.or(Some(k)),
                Owner::Impostor | Owner::Ghost | Owner::Peer(..) => {}
            }
        }
        seen
    }
}
