//! Why a protocol got no answer, in words. Must never say more than the answer does.

use std::fmt;

use super::NoAnswer;
use crate::codec::Status;
use crate::device::TransportError;
use crate::device::classify::Class;
use crate::device::words::errno;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Sense(s) => write!(f, "CHECK CONDITION, {s}"),
            Self::Busy(s) => write!(f, "{}, retries used up", Status(s)),
            Self::Aborted => Class::TaskAborted.fmt(f),
            Self::Local(e) => write!(f, "refused on this host: {}", errno(e)),
            Self::Transport(host, driver, errno) => TransportError { host, driver, errno }.fmt(f),
            Self::Outstanding => Class::Outstanding.fmt(f),
            Self::DeviceLost => Class::DeviceLost.fmt(f),
            Self::Malformed => Class::Malformed.fmt(f),
            Self::Contradiction => {
                f.write_str("the target said it was done, but reading back shows otherwise")
            }
            Self::Barred => {
                f.write_str("RESERVATION CONFLICT: another initiator's SPC-2 reservation bars reading")
            }
            Self::Restless => f.write_str("unit attentions or changing answers without end"),
        }
    }
}
