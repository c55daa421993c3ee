//! The one place that says what a completion means.
//!
//! A transport error, a timeout, a malformed answer is never read as an answer of the target
//! (design section 3).

use super::{Completion, Delivery, TransportError};
use crate::codec::{Sense, SenseKey, Status};

/// What a completion means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Executed.
    Good,
    /// A reservation forbade it; not executed.
    Conflict,
    /// Something happened since this nexus's last command; not executed, and gone once told.
    UnitAttention(Sense),
    /// The logical unit is not ready; not executed.
    NotReady(Sense),
    /// BUSY, TASK SET FULL or ACA ACTIVE; not executed.
    Busy(Status),
    /// Aborted, by another nexus or by the target; it may have been executed in part.
    TaskAborted,
    /// The target says the request is wrong; not executed.
    Illegal(Sense),
    /// Another CHECK CONDITION: the medium, the hardware, a deferred error.
    Failed(Sense),
    /// Refused locally; not sent. Holds the errno.
    NotSent(i32),
    /// The transport failed; it may have been executed.
    TransportLost(TransportError),
    /// Outstanding at its deadline; it may yet be executed.
    Outstanding,
    /// No thread left for this nexus; not sent.
    DeviceLost,
    /// A status or sense the standard does not define; it may have been executed.
    Malformed,
}

/// Classifies.
#[must_use]
pub fn classify(c: &Completion) -> Class {
    match c.delivery {
        Delivery::Answered(Status::GOOD | Status::CONDITION_MET) => Class::Good,
        Delivery::Answered(Status::RESERVATION_CONFLICT) => Class::Conflict,
        Delivery::Answered(s @ (Status::BUSY | Status::TASK_SET_FULL | Status::ACA_ACTIVE)) => Class::Busy(s),
        Delivery::Answered(Status::TASK_ABORTED) => Class::TaskAborted,
        Delivery::Answered(Status::CHECK_CONDITION) => match Sense::parse(c.sense.as_slice()) {
            Ok(s) => by_sense(s),
            Err(_) => Class::Malformed,
        },
        Delivery::Answered(_) => Class::Malformed,
        Delivery::NotSent(errno) => Class::NotSent(errno),
        Delivery::Lost(t) => Class::TransportLost(t),
        Delivery::Outstanding => Class::Outstanding,
        Delivery::DeviceLost => Class::DeviceLost,
    }
}

fn by_sense(s: Sense) -> Class {
    // Deferred sense speaks of an earlier command: this one's fate is open (SPC-4 4.5.7).
    if s.deferred {
        return Class::Failed(s);
    }
    match s.key {
        SenseKey::NO_SENSE | SenseKey::RECOVERED_ERROR => Class::Good,
        SenseKey::NOT_READY => Class::NotReady(s),
        SenseKey::ILLEGAL_REQUEST => Class::Illegal(s),
        SenseKey::UNIT_ATTENTION => Class::UnitAttention(s),
        SenseKey::ABORTED_COMMAND => Class::TaskAborted,
        _ => Class::Failed(s),
    }
}
