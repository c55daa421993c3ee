//! How a defence ends, and what it tells on the way.

use crate::codec::pr::Holder;
use crate::codec::quorum::Tenure;
use crate::key::Key;
use crate::protocol::wire::NoAnswer;
use crate::time::Instant;

/// The right to believe that one owns the device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Lease {
    /// Issue of the READ KEYS that gave it.
    pub from: Instant,
    /// Its end, exclusive.
    pub until: Instant,
}

/// The end of a defence.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DefenceEnd {
    /// The device says that another owns it, or that this node's registration is gone.
    Deposed {
        /// How that was seen.
        how: Deposition,
    },
    /// Nothing confirmed the reservation in time; who owns the device now is open.
    Expired {
        /// The last lease.
        last: Option<Lease>,
    },
    /// Given back, and read back: the key is gone.
    Released,
    /// Given back, but the device did not confirm that the key is gone.
    ReleaseUnproven,
}

/// How a deposition was seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Deposition {
    /// The own key is no longer registered.
    KeyGone,
    /// The reservation is another's, or nobody's.
    AnotherHolder(Option<Holder>),
}

/// Why a tick confirmed nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Miss {
    /// No usable answer.
    Unanswered(NoAnswer),
    /// The target refused to be read.
    Refused(NoAnswer),
    /// The budget was used up by a defence.
    OutOfTime,
}

/// What happened, for log, status and watchdog.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DefenceNote {
    /// A tick confirmed the reservation. The watchdog is fed once, now, if it is before `feed_before`.
    Confirmed {
        /// The lease it gave.
        lease: Lease,
        /// The last moment to feed the watchdog, exclusive.
        feed_before: Instant,
    },
    /// Another's challenge was found and is being preempted.
    Challenged {
        /// The flagged key.
        by: Key,
    },
    /// A tick confirmed nothing.
    Missed {
        /// Why.
        why: Miss,
        /// When it is over unless a tick confirms before.
        stop_at: Instant,
    },
    /// The clean end has begun.
    Releasing,
    /// Read back: the device is marked as cleanly released; who comes next waits no window.
    Marked(Tenure),
    /// The mark could not be written and read back: who comes next waits the window.
    NotMarked(Tenure),
}
