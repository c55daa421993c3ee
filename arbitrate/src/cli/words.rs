//! Answers of targets and transports, in words.

use arbitrate::codec::{Sense, Status};
use arbitrate::device::classify::{Class, classify};
use arbitrate::protocol::NoAnswer;
use arbitrate::runtime::executor::Sent;

use super::exit::Exit;

/// Why a protocol got no answer.
pub(crate) fn no_answer(why: NoAnswer) -> String {
    match why {
        NoAnswer::Sense(s) => format!("CHECK CONDITION, {s}"),
        NoAnswer::Busy(s) => format!("{}, retries used up", Status(s)),
        NoAnswer::Aborted => "the command was aborted (TASK ABORTED or ABORTED COMMAND)".into(),
        NoAnswer::Local(e) => format!("refused on this host: {}", errno(e)),
        NoAnswer::Transport(host, driver, e) => transport(host, driver, e),
        NoAnswer::Outstanding => "no answer by the deadline; the command is still outstanding".into(),
        NoAnswer::DeviceLost => "the device is lost: four commands are stuck in it".into(),
        NoAnswer::Malformed => "the answer makes no sense".into(),
        NoAnswer::Contradiction => "the target said it was done, but reading back shows otherwise".into(),
        NoAnswer::Barred => "RESERVATION CONFLICT: another initiator's SPC-2 reservation bars reading".into(),
        NoAnswer::Restless => "unit attentions or changing answers without end".into(),
    }
}

/// What a class means, and the exit code for a command that `changes` something or does not.
pub(crate) fn class(class: &Class, changes: bool) -> (Exit, String) {
    // Whatever may have been executed leaves the state open.
    let open = |exit: Exit| if changes { Exit::Unknown } else { exit };
    match *class {
        Class::Good => (Exit::Confirmed, "GOOD".into()),
        Class::Conflict => (Exit::Conflict, "RESERVATION CONFLICT".into()),
        Class::UnitAttention(s) => {
            (Exit::Busy, format!("{s}, again and again: the command was not executed"))
        }
        Class::NotReady(s) => (Exit::Busy, format!("CHECK CONDITION, {s}")),
        Class::Busy(s) => (Exit::Busy, s.to_string()),
        Class::TaskAborted => (open(Exit::Aborted), no_answer(NoAnswer::Aborted)),
        Class::Illegal(s) if (s.asc, s.ascq) == (0x20, 0) => {
            (Exit::UnsupportedCommand, format!("CHECK CONDITION, {s}"))
        }
        Class::Illegal(s) => (Exit::IllegalRequest, format!("CHECK CONDITION, {s}")),
        Class::Failed(s) if is_lost(s) => (Exit::ReservationLost, format!("CHECK CONDITION, {s}")),
        Class::Failed(s) => (open(Exit::Refused), format!("CHECK CONDITION, {s}")),
        Class::NotSent(libc::ETIMEDOUT) => {
            (Exit::Timeout, "not sent: the device was occupied until the deadline".into())
        }
        Class::NotSent(e) => (Exit::Transport, format!("not sent: {}", errno(e))),
        Class::TransportLost(t) => (open(Exit::Transport), transport(t.host, t.driver, t.errno)),
        Class::Outstanding => (open(Exit::Timeout), no_answer(NoAnswer::Outstanding)),
        Class::DeviceLost => (Exit::Transport, no_answer(NoAnswer::DeviceLost)),
        Class::Malformed => (open(Exit::Transport), no_answer(NoAnswer::Malformed)),
    }
}

/// PERSISTENT RESERVATION INFORMATION LOST (SPC-4 5.12.5.3.2): a target that says so executes nothing.
pub(crate) fn is_lost(s: Sense) -> bool {
    (s.asc, s.ascq) == (0x44, 1)
}

fn errno(e: i32) -> String {
    nix::errno::Errno::from_raw(e).to_string()
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

fn transport(host: u16, driver: u16, e: i32) -> String {
    if e != 0 {
        return format!("the transport failed: {}", errno(e));
    }
    let name = HOST.get(usize::from(host)).copied().unwrap_or("unknown host status");
    format!("the transport failed: {name} (host {host:#04x}, driver {driver:#04x})")
}

/// One command as --verbose shows it: command, key, answer, time.
pub(crate) fn sent(device: &str, s: &Sent) -> String {
    let name = arbitrate::codec::opcode::name(&s.cdb);
    let own = u64::from_be_bytes(*s.list.first_chunk::<8>().unwrap_or(&[0; 8]));
    let other = s.list.get(8..16).and_then(|b| b.first_chunk::<8>()).map_or(0, |b| u64::from_be_bytes(*b));
    let keys =
        if own == 0 && other == 0 { String::new() } else { format!(" own {own:016x} other {other:016x}") };
    let (_, answer) = class(&classify(&s.completion), false);
    format!("{device}: {name} [{:?}]{keys}: {answer} ({} us)", s.cdb, s.completion.took.as_micros())
}

/// Why a read brought nothing, with the exit code of a command that changes nothing.
pub(crate) fn unread(why: NoAnswer) -> (Exit, String) {
    let exit = match why {
        NoAnswer::Sense(s) if (s.asc, s.ascq) == (0x20, 0) => Exit::UnsupportedCommand,
        NoAnswer::Sense(s) if s.key == arbitrate::codec::SenseKey::ILLEGAL_REQUEST => Exit::IllegalRequest,
        NoAnswer::Sense(s) if is_lost(s) => Exit::ReservationLost,
        NoAnswer::Sense(_) | NoAnswer::Busy(_) | NoAnswer::Restless => Exit::Busy,
        NoAnswer::Barred => Exit::Conflict,
        NoAnswer::Aborted => Exit::Aborted,
        NoAnswer::Outstanding | NoAnswer::Local(libc::ETIMEDOUT) => Exit::Timeout,
        NoAnswer::Local(_)
        | NoAnswer::Transport(..)
        | NoAnswer::DeviceLost
        | NoAnswer::Malformed
        | NoAnswer::Contradiction => Exit::Transport,
    };
    (exit, no_answer(why))
}
