//! A logical unit as seen by one I_T nexus: execute a command, learn what came back.
//!
//! Four layers of failure are kept apart: the errno of the call, host and driver status, SCSI status,
//! sense. Nothing here decides who owns a disk; [`classify`] says what an answer means and nothing more.

pub mod classify;
pub mod multipath;
pub mod open;
pub mod record;
pub mod retry;
pub mod sg;
pub mod sim;
pub(crate) mod words;

use std::time::Duration;

use crate::codec::{Cdb, Status};
use crate::time::Instant;

/// The most data one command moves, either way: the largest PR IN allocation length, rounded up.
pub const MAX_TRANSFER: usize = 65_536;

/// One logical unit through one I_T nexus.
pub trait ScsiDevice: Send {
    /// What the operator calls it.
    fn name(&self) -> &str;

    /// Sends one command and waits for its end, at most until `request.deadline`.
    ///
    /// Never returns later than shortly after the deadline; a command still outstanding then ends as
    /// [`Delivery::Outstanding`] and goes on by itself. Allocates nothing after the device was opened.
    fn execute(&mut self, request: Request<'_>) -> Completion;

    /// Resets, by the scope asked for and no other unless `escalate` says so.
    ///
    /// # Errors
    /// [`ResetError`] where the transport does not offer the scope or the reset did not end in time.
    fn reset(&mut self, scope: ResetScope, escalate: Escalate, deadline: Instant) -> Result<(), ResetError>;

    /// Handles of the same nexus that send on the calling thread and know no deadline, one for each
    /// thread of a [`crate::runtime::crew`]; none where a command cannot get stuck.
    fn unguarded(&self) -> Vec<Box<dyn ScsiDevice>> {
        Vec::new()
    }

    /// The TransportID (SPC-4 7.6.4) this nexus has at the target, raw, where the system tells it.
    fn own_transport_id(&self) -> Option<Vec<u8>>;
}

/// One command to execute.
#[derive(Debug)]
pub struct Request<'a> {
    /// The command.
    pub cdb: Cdb,
    /// Its data.
    pub data: Data<'a>,
    /// When the caller stops waiting.
    pub deadline: Instant,
}

/// The data phase of a command; at most [`MAX_TRANSFER`] bytes.
#[derive(Debug)]
pub enum Data<'a> {
    /// None.
    None,
    /// From the device into this buffer.
    In(&'a mut [u8]),
    /// From this buffer to the device.
    Out(&'a [u8]),
}

/// How far a command came and what the target said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Completion {
    /// Which layer the answer came from.
    pub delivery: Delivery,
    /// Sense bytes as received; empty where there were none.
    pub sense: SenseBytes,
    /// Bytes of the data buffer that were not transferred.
    pub residual: u32,
    /// From issue to end.
    pub took: Duration,
}

/// Which layer ended a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// The target answered with this status.
    Answered(Status),
    /// The call was refused locally: nothing was sent. Holds the errno.
    NotSent(i32),
    /// The transport failed; the command may have been executed.
    Lost(TransportError),
    /// The deadline passed with the command outstanding; it may yet be executed.
    Outstanding,
    /// Every thread of this nexus is stuck in an outstanding command; nothing was sent.
    DeviceLost,
}

/// What the transport below SCSI reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransportError {
    /// Linux host byte (DID_*), 0 if fine.
    pub host: u16,
    /// Linux driver byte, 0 if fine.
    pub driver: u16,
    /// errno of a call that failed after the command may have left; 0 if none.
    pub errno: i32,
}

/// Up to 64 bytes of sense data, inline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SenseBytes {
    bytes: [u8; 64],
    len: u8,
}

/// What a reset covers (SAM-5 7; Linux SG_SCSI_RESET).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ResetScope {
    /// LOGICAL UNIT RESET.
    LogicalUnit,
    /// I_T nexus or target reset.
    Target,
    /// Bus reset.
    Bus,
    /// Host adapter reset.
    Host,
}

/// Whether a failed reset may grow to the next larger one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Escalate {
    /// It may.
    Yes,
    /// It must not.
    No,
}

/// Why a reset was not proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResetError {
    /// The driver or emulator does not offer this scope.
    #[error("this transport offers no reset of that scope")]
    Unsupported,
    /// The kernel refused or failed it.
    #[error("the reset failed: errno {0}")]
    Failed(i32),
    /// It had not ended when the deadline passed; it may yet happen.
    #[error("the reset had not ended at its deadline; it may yet happen")]
    Outstanding,
}

impl SenseBytes {
    /// None.
    pub const EMPTY: Self = Self { bytes: [0; 64], len: 0 };

    /// The first 64 of `b`.
    #[must_use]
    pub fn new(b: &[u8]) -> Self {
        let n = b.len().min(64);
        let mut bytes = [0; 64];
        bytes[..n].copy_from_slice(&b[..n]);
        #[allow(clippy::cast_possible_truncation, reason = "at most 64")]
        Self { bytes, len: n as u8 }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl std::fmt::Debug for SenseBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl Completion {
    /// An answer without sense.
    #[must_use]
    pub const fn answered(status: Status, residual: u32, took: Duration) -> Self {
        Self { delivery: Delivery::Answered(status), sense: SenseBytes::EMPTY, residual, took }
    }

    /// A command that got no answer.
    #[must_use]
    pub const fn unanswered(delivery: Delivery, took: Duration) -> Self {
        Self { delivery, sense: SenseBytes::EMPTY, residual: 0, took }
    }
}
