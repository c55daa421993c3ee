//! How challenges and defences of legacy mode end, and what they tell on the way.

use std::time::Duration;

use crate::codec::Sense;
use crate::device::ResetScope;
use crate::protocol::defender::{Lease, Miss};
use crate::protocol::wire::NoAnswer;
use crate::time::Instant;

/// The end of a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LegacyEnd {
    /// Held for a whole window.
    Won {
        /// The first lease, given by the last RESERVE(6) of the hold.
        lease: Lease,
        /// Since when the reservation has been held without a break.
        held_since: Instant,
    },
    /// RESERVATION CONFLICT: another initiator holds the disk.
    Defended {
        /// When that was met.
        met: Met,
        /// What may yet come of a RESERVE(6) without an answer.
        stray: Stray,
    },
    /// A rule forbids it, or the target refused.
    Refused {
        /// Why.
        why: LegacyRefusal,
        /// What is left of the challenge.
        left: Left,
    },
    /// The device gave no usable answer, and nothing was sent that could change it.
    Unreachable(NoAnswer),
    /// What was sent may have been executed, or may yet be; looking did not settle it.
    Unknown {
        /// What is open.
        doubt: LegacyDoubt,
        /// What came back last.
        why: NoAnswer,
    },
}

/// When a challenger met the reservation of another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Met {
    /// Right after its reset: an owner was quick, or the reset leaves reservations alone.
    AfterReset,
    /// At the end of the window: an owner reserved again, or somebody was first.
    AfterWindow,
    /// While it held the disk itself: a reset opened the way for another.
    WhileHolding,
}

/// Whether a RESERVE(6) without an answer may yet be executed and make this nexus the holder unasked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stray {
    /// None may.
    None,
    /// One may.
    Possible,
}

/// What is left at the disk after an end that is not a victory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Left {
    /// Nothing was sent that changes anything.
    Nothing,
    /// A reset was sent; nothing was reserved.
    Reset,
    /// The reservation was given back: RELEASE(6) ended GOOD.
    Released,
    /// This nexus may hold the reservation, or may yet come to.
    MayHold,
}

/// Why a challenge is not made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LegacyRefusal {
    /// So many keys are registered: persistent reservations rule this disk (SPC-2 5.5.1).
    Registrations(u32),
    /// The reset was refused: the scope is not offered, or this process may not.
    Reset(NoAnswer),
    /// The target refused a command.
    Target(NoAnswer),
    /// Resets of others, time and again.
    Restless,
    /// The operator withdrew it.
    Cancelled,
}

/// What stays open after a [`LegacyEnd::Unknown`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LegacyDoubt {
    /// Whether the reset was done, or yet will be; the reservation stands.
    Reset,
    /// A reset was sent and the disk can no longer be looked at.
    Blind,
    /// Whether this nexus holds the reservation, or yet will.
    Seizure,
}

/// What TEST UNIT READY found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Found {
    /// No reservation, or this very nexus's own.
    Free,
    /// Another initiator's reservation.
    Reserved,
}

/// How far the hold of a challenger has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Hold {
    /// No RESERVE(6) of this challenge has succeeded since the window ended.
    Never,
    /// One did, but it may have been lost since.
    Broken,
    /// Held without a break since then: the end of the first RESERVE(6) that succeeded.
    Since(Instant),
}

/// What happens in a challenge, for the timeline.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LegacyNote {
    /// The device was looked at.
    Looked(Found),
    /// A reset is being sent.
    Resetting(ResetScope),
    /// The window runs.
    Waiting {
        /// When it ends.
        window_end: Instant,
    },
    /// The first RESERVE(6) is being sent.
    Reserving,
    /// A RESERVE(6) succeeded: the disk is held, and not owned yet.
    Holding {
        /// Since when.
        since: Instant,
        /// When it will be owned.
        until: Instant,
    },
    /// A unit attention came in place of RESERVE(6): somebody's reset, or the target's own.
    Attention(Sense),
    /// The hold begins anew.
    HoldBroken,
    /// The reservation is being given back.
    Releasing,
    /// A command brought no usable answer.
    Unanswered(NoAnswer),
}

/// The end of a defence.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LegacyDefenceEnd {
    /// RESERVATION CONFLICT: another initiator holds the disk, or somebody registered a key on it.
    Deposed {
        /// What may yet come of a RESERVE(6) without an answer.
        stray: Stray,
    },
    /// No RESERVE(6) succeeded in time; who holds the disk now is open.
    Expired {
        /// The last lease.
        last: Option<Lease>,
        /// What may yet come of a RESERVE(6) without an answer.
        stray: Stray,
    },
    /// RELEASE(6) ended GOOD: this nexus holds nothing. The strongest evidence there is: nothing reads
    /// an SPC-2 reservation back, and GOOD is only said where this nexus's is ended or there was none.
    Released,
    /// RELEASE(6) brought no answer, or an earlier RESERVE(6) may yet be executed.
    ReleaseUnproven,
}

/// What happens in a defence, for log, status and watchdog.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LegacyDefenceNote {
    /// A RESERVE(6) succeeded. The watchdog is fed once, now, if it is before `feed_before`.
    Confirmed {
        /// The lease it gave.
        lease: Lease,
        /// The last moment to feed the watchdog, exclusive.
        feed_before: Instant,
    },
    /// A unit attention came in place of RESERVE(6), which is sent again at once (the defence).
    Attention(Sense),
    /// A tick confirmed nothing.
    Missed {
        /// Why.
        why: Miss,
        /// When it is over unless a tick confirms before.
        stop_at: Instant,
    },
    /// The clean end has begun.
    Releasing,
}

/// How long a RESERVE(6) without an answer may yet be executed: more than the initiator's own error
/// handling takes (Linux: 30 s, then abort and resets of growing scope, 10 to 30 s each), at whose end
/// the command is aborted or its session gone.
const STRAY_LIFE: Duration = Duration::from_secs(300);

/// The RESERVE(6) commands of one life that got no answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Strays {
    last: Option<Instant>,
}

impl Strays {
    /// A RESERVE(6) ended Unknown at `now`: one that was aborted, or answered in a way that makes no
    /// sense, is over; one that was not answered may yet be executed.
    pub(super) fn add(&mut self, why: NoAnswer, now: Instant) {
        if matches!(why, NoAnswer::Outstanding | NoAnswer::Transport(..)) {
            self.last = Some(now);
        }
    }

    /// What may yet come of them.
    pub(super) fn at(self, now: Instant) -> Stray {
        match self.last {
            Some(last) if now.since(last) < STRAY_LIFE => Stray::Possible,
            _ => Stray::None,
        }
    }
}
