//! How a fence of one logical unit ends.

use crate::codec::pr::{Holder, ReservationType};
use crate::key::Key;
use crate::protocol::wire::NoAnswer;

/// The end of a fence.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FenceEnd {
    /// Read back: no key of the victim is registered, and a reservation keeps it out.
    Confirmed(How),
    /// A rule forbids it, or the target refused: the victim is not proven to be kept out.
    Refused(FenceRefusal),
    /// What was sent may have been executed, or may yet be; reading did not settle it.
    Unknown {
        /// What is open.
        doubt: FenceDoubt,
        /// What came back last.
        why: NoAnswer,
    },
}

/// What a confirmed fence did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum How {
    /// It removed a registration or took a reservation.
    Done,
    /// The victim was kept out before: nothing was changed, and nothing of the victim's was aborted.
    AlreadySo,
}

/// Why a fence is not made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FenceRefusal {
    /// The victim is this node.
    Myself,
    /// Key 0 is nobody's.
    KeyZero,
    /// No key was named.
    Nobody,
    /// No such number of paths.
    Paths(usize),
    /// An SPC-2 reservation of another initiator bars even reading.
    LegacyReservation,
    /// The reservation is held by somebody who was not expected to.
    OtherHolder(Holder),
    /// The victim is registered, and this node is not: it cannot remove anybody.
    NotRegistered,
    /// No reservation is in force and this node is not registered to take one: everybody may write.
    NotProtected {
        /// How many registrations there are.
        registrations: u32,
    },
    /// The reservation in force lets the victim read, which was not to be.
    WeakType(ReservationType),
    /// More keys of the victim than [`super::MAX_VICTIMS`].
    TooManyKeys,
    /// The target refused a command.
    Target(NoAnswer),
    /// RESERVATION CONFLICT although the own key is registered: not by this path.
    Conflict,
    /// The target says it is done, time and again, and this key is still, or again, registered.
    StillThere(Key),
}

/// What stays open after an Unknown end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FenceDoubt {
    /// The device could not be read, and nothing was sent that could change it.
    Unread,
    /// Something was sent, and the device can no longer be read.
    Blind,
    /// A PREEMPT AND ABORT may yet be executed.
    Preempt,
    /// A RESERVE may yet be executed.
    Reserve,
    /// The victim is kept out, read back; whether its queued commands have ended is open.
    Commands,
    /// This path shows something else than the first one.
    PathDiffers(usize),
    /// This path gave no answer.
    PathSilent(usize),
    /// Whoever sends did not come back in time.
    Overdue,
}

/// What reading back on a further path showed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PathProof {
    /// The same.
    Same,
    /// The victim is not kept out, as seen by it.
    Differs,
    /// It gave no answer.
    Silent(NoAnswer),
}
