//! Answers of targets and transports, in words. Must never say more than the answer does.

use std::fmt;

use super::TransportError;
use super::classify::Class;

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Good => f.write_str("GOOD"),
            Self::Conflict => f.write_str("RESERVATION CONFLICT"),
            Self::UnitAttention(s) => write!(f, "{s}, again and again: the command was not executed"),
            Self::NotReady(s) | Self::Illegal(s) | Self::Failed(s) => write!(f, "CHECK CONDITION, {s}"),
            Self::Busy(s) => s.fmt(f),
            Self::TaskAborted => f.write_str("the command was aborted (TASK ABORTED or ABORTED COMMAND)"),
            Self::NotSent(libc::ETIMEDOUT) => {
                f.write_str("not sent: the device was occupied until the deadline")
            }
            Self::NotSent(e) => write!(f, "not sent: {}", errno(e)),
            Self::TransportLost(t) => t.fmt(f),
            Self::Outstanding => f.write_str("no answer by the deadline; the command is still outstanding"),
            Self::DeviceLost => f.write_str("the device is lost: four commands are stuck in it"),
            Self::Malformed => f.write_str("the answer makes no sense"),
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, driver, errno: e } = *self;
        if e != 0 {
            return write!(f, "the transport failed: {}", errno(e));
        }
        let name = HOST.get(usize::from(host)).copied().unwrap_or("unknown host status");
        write!(f, "the transport failed: {name} (host {host:#04x}, driver {driver:#04x})")
    }
}

/// An errno, in words.
pub(crate) fn errno(e: i32) -> nix::errno::Errno {
    nix::errno::Errno::from_raw(e)
}

/// Linux host bytes by name (include/scsi/scsi_status.h).
const HOST: [&str; 20] = [
    "DID_OK",
    "DID_NO_CONNECT",
    "DID_BUS_BUSY",
    "DID_TIME_OUT",
    "DID_BAD_TARGET",
    "DID_ABORT",
    "DID_PARITY",
    "DID_ERROR",
    "DID_RESET",
    "DID_BAD_INTR",
    "DID_PASSTHROUGH",
    "DID_SOFT_ERROR",
    "DID_IMM_RETRY",
    "DID_REQUEUE",
    "DID_TRANSPORT_DISRUPTED",
    "DID_TRANSPORT_FAILFAST",
    "DID_TARGET_FAILURE",
    "DID_NEXUS_FAILURE",
    "DID_ALLOC_FAILURE",
    "DID_MEDIUM_ERROR",
];
