//! Answers of targets and transports, in exit codes.

use arbitrate::codec::Sense;
use arbitrate::device::classify::{Class, classify};
use arbitrate::protocol::NoAnswer;
use arbitrate::runtime::executor::Sent;

use super::exit::Exit;

/// So many of something: `1 command`, `2 commands`.
pub(crate) fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// Why a protocol got no answer.
pub(crate) fn no_answer(why: NoAnswer) -> String {
    why.to_string()
}

/// What a class means, and the exit code for a command that `changes` something or does not.
pub(crate) fn class(class: &Class, changes: bool) -> (Exit, String) {
    // Whatever may have been executed leaves the state open.
    let open = |exit: Exit| if changes { Exit::Unknown } else { exit };
    let exit = match *class {
        Class::Good => Exit::Confirmed,
        Class::Conflict => Exit::Conflict,
        Class::UnitAttention(_) | Class::NotReady(_) | Class::Busy(_) => Exit::Busy,
        Class::TaskAborted => open(Exit::Aborted),
        Class::Illegal(s) if (s.asc, s.ascq) == (0x20, 0) => Exit::UnsupportedCommand,
        Class::Illegal(_) => Exit::IllegalRequest,
        Class::Failed(s) if is_lost(s) => Exit::ReservationLost,
        Class::Failed(_) => open(Exit::Refused),
        Class::NotSent(libc::ETIMEDOUT) => Exit::Timeout,
        Class::NotSent(_) | Class::DeviceLost => Exit::Transport,
        Class::TransportLost(_) | Class::Malformed => open(Exit::Transport),
        Class::Outstanding => open(Exit::Timeout),
    };
    (exit, class.to_string())
}

/// PERSISTENT RESERVATION INFORMATION LOST (SPC-4 5.12.5.3.2): a target that says so executes nothing.
pub(crate) fn is_lost(s: Sense) -> bool {
    (s.asc, s.ascq) == (0x44, 1)
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
    (exit, why.to_string())
}
