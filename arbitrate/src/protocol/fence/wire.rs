//! What goes in and out of a fence on one logical unit with several paths.

use crate::codec::pr::{FullStatusView, KeysView, PrOut, ReadReservation};
use crate::protocol::wire::{NoAnswer, Reply};
use crate::time::Instant;

use super::end::FenceEnd;

/// One command a fence asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FenceCommand {
    /// PERSISTENT RESERVE IN, READ FULL STATUS, whole.
    ReadFullStatus,
    /// PERSISTENT RESERVE IN, READ KEYS, whole.
    ReadKeys,
    /// PERSISTENT RESERVE IN, READ RESERVATION.
    ReadReservation,
    /// PERSISTENT RESERVE OUT. Sent once; repeated by the runtime after a unit attention only.
    Out(PrOut),
    /// LOGICAL UNIT RESET.
    ResetUnit,
}

/// What came back, unit attentions already consumed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FenceReply<'a> {
    /// The whole answer to [`FenceCommand::ReadFullStatus`].
    FullStatus(FullStatusView<'a>),
    /// The whole answer to [`FenceCommand::ReadKeys`].
    Keys(KeysView<'a>),
    /// The answer to [`FenceCommand::ReadReservation`].
    Reservation(ReadReservation),
    /// A changing command ended GOOD.
    Good,
    /// RESERVATION CONFLICT: not executed.
    Conflict,
    /// The target or this host refused it: not executed.
    Refused(NoAnswer),
    /// No trustworthy answer: it may have been executed, or may yet be.
    Unknown(NoAnswer),
}

/// What a fence is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FenceEvent<'a> {
    /// The time waited for has come (or passed).
    Wake,
    /// The command asked for has ended.
    Reply(FenceReply<'a>),
}

/// The one thing to do next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FenceNext {
    /// Send this by that path; at `deadline` the outcome is Unknown.
    Issue {
        /// Which path, from 0.
        path: usize,
        /// The command.
        command: FenceCommand,
        /// When its outcome becomes Unknown.
        deadline: Instant,
    },
    /// Nothing until then.
    Wait(Instant),
    /// It is over.
    End(FenceEnd),
}

impl<'a> From<Reply<'a>> for FenceReply<'a> {
    fn from(r: Reply<'a>) -> Self {
        match r {
            Reply::Keys(v) => Self::Keys(v),
            Reply::Reservation(r) => Self::Reservation(r),
            Reply::Good => Self::Good,
            Reply::Conflict => Self::Conflict,
            Reply::Refused(why) => Self::Refused(why),
            Reply::Unknown(why) => Self::Unknown(why),
            // No fence asks for it: an answer to another command than was sent says nothing.
            Reply::Head(_) | Reply::Attention(_) => Self::Unknown(NoAnswer::Malformed),
        }
    }
}
