//! What goes in and out of every protocol on one device.
//!
//! At any moment a protocol has exactly one of: a command outstanding, a time to wait for, or its end.

use arrayvec::ArrayVec;

use crate::codec::Sense;
use crate::codec::pr::{KeysView, PrOut, ReadReservation};
use crate::codec::quorum::{Formatted, Head, Record};
use crate::device::ResetScope;
use crate::time::Instant;

/// One command a protocol asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Command {
    /// PERSISTENT RESERVE IN, READ KEYS; the whole list, re-read if cut.
    ReadKeys,
    /// PERSISTENT RESERVE IN, READ RESERVATION.
    ReadReservation,
    /// PERSISTENT RESERVE OUT. Sent once; repeated by the runtime after a unit attention only.
    Out(PrOut),
    /// READ of a formatted quorum device's head.
    ReadHead(Formatted),
    /// WRITE of one unit of a formatted quorum device, past every cache. Repeated after a unit attention
    /// only.
    WriteRecord(Formatted, Record),
    /// TEST UNIT READY: whether another's SPC-2 reservation is in force. Unit attentions are consumed.
    TestUnitReady,
    /// RESERVE(6) of the whole unit. Sent once, never repeated by the runtime: a unit attention in its
    /// place is [`Reply::Attention`].
    Reserve6,
    /// RELEASE(6). Sent once; repeated by the runtime after a unit attention only.
    Release6,
    /// A reset of that scope and no larger one.
    Reset(ResetScope),
}

/// What came back, unit attentions already consumed but for [`Command::Reserve6`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply<'a> {
    /// The whole answer to [`Command::ReadKeys`].
    Keys(KeysView<'a>),
    /// The answer to [`Command::ReadReservation`].
    Reservation(ReadReservation),
    /// The answer to [`Command::ReadHead`].
    Head(Head),
    /// A command without an answer of its own ended GOOD.
    Good,
    /// A unit attention came in place of a [`Command::Reserve6`], which was not executed: a reset may
    /// have taken the reservation.
    Attention(Sense),
    /// RESERVATION CONFLICT: not executed.
    Conflict,
    /// The target or this host refused it: not executed.
    Refused(NoAnswer),
    /// No trustworthy answer: it may have been executed, or may yet be.
    Unknown(NoAnswer),
}

impl Reply<'_> {
    /// Why this is not the answer that was asked for.
    #[must_use]
    pub const fn why(self) -> NoAnswer {
        match self {
            Self::Refused(why) | Self::Unknown(why) => why,
            Self::Conflict => NoAnswer::Barred,
            // A reply to another command than was sent says nothing about this one.
            Self::Good | Self::Attention(_) | Self::Keys(_) | Self::Reservation(_) | Self::Head(_) => {
                NoAnswer::Malformed
            }
        }
    }
}

/// Why there is no answer, kept for the operator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NoAnswer {
    /// The target said why.
    Sense(Sense),
    /// BUSY, TASK SET FULL or ACA ACTIVE beyond the retries; holds the status byte.
    Busy(u8),
    /// The target or another nexus aborted it.
    Aborted,
    /// Refused on this host, by errno.
    Local(i32),
    /// The transport failed: host byte, driver byte, errno.
    Transport(u16, u16, i32),
    /// Still outstanding at its deadline.
    Outstanding,
    /// Every thread of this nexus is stuck.
    DeviceLost,
    /// The bytes that came back make no sense.
    Malformed,
    /// The status said one thing and reading back another.
    Contradiction,
    /// A reservation of another initiator bars this nexus from asking.
    Barred,
    /// More unit attentions, or more truncated answers, than the retries allowed.
    Restless,
}

/// What a protocol is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// The time waited for has come (or passed).
    Wake,
    /// The command asked for has ended.
    Reply(Reply<'a>),
    /// The operator wants a clean end: give the device back.
    Release,
}

/// The one thing to do next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Next<E> {
    /// Send this; at `deadline` the outcome is Unknown.
    Issue {
        /// The command.
        command: Command,
        /// When its outcome becomes Unknown.
        deadline: Instant,
    },
    /// Nothing until then.
    Wait(Instant),
    /// It is over.
    End(E),
}

/// What to do next, and what there is to tell meanwhile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step<N, E> {
    /// The one thing to do.
    pub next: Next<E>,
    /// What happened, in order.
    pub notes: ArrayVec<N, 4>,
}

impl<N, E> Step<N, E> {
    /// Only this to do, nothing to tell.
    #[must_use]
    pub fn new(next: Next<E>) -> Self {
        Self { next, notes: ArrayVec::new_const() }
    }

    /// Adds a note. Each branch of a protocol adds two at most, so there is always room.
    pub(super) fn note(mut self, n: N) -> Self {
        let _ = self.notes.try_push(n);
        self
    }

    /// Puts `n` before the notes already there.
    pub(super) fn after(mut self, n: N) -> Self {
        let _ = self.notes.try_insert(0, n);
        self
    }
}
