//! Exit codes: the one table, for `main`, for `explain` and for the manual.
//!
//! Published and stable. Where a code of sg3_utils fits, it is that one.

/// How the command ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Exit {
    Confirmed = 0,
    Refused = 1,
    Usage = 2,
    Unknown = 3,
    IllegalRequest = 5,
    ReservationLost = 7,
    UnsupportedCommand = 9,
    Defended = 10,
    Deposed = 11,
    File = 15,
    Conflict = 24,
    Busy = 26,
    Aborted = 29,
    Timeout = 33,
    Transport = 35,
}

/// One row of the table.
pub(crate) struct Row {
    pub(crate) exit: Exit,
    pub(crate) name: &'static str,
    pub(crate) means: &'static str,
    pub(crate) next: &'static str,
}

/// Every code there is.
pub(crate) const TABLE: &[Row] = &[
    Row {
        exit: Exit::Confirmed,
        name: "confirmed",
        means: "Done, and proven by reading back (won, registered, released, shown).",
        next: "Nothing.",
    },
    Row {
        exit: Exit::Refused,
        name: "refused",
        means: "A rule of this program forbids it, or something failed on this host before the device was changed.",
        next: "Read the message: it names the rule or the failure. Nothing on the device was changed unless it says so.",
    },
    Row {
        exit: Exit::Usage,
        name: "usage",
        means: "The command line is wrong: an unknown option, a bad key, a missing argument.",
        next: "See `arbitrate help COMMAND`.",
    },
    Row {
        exit: Exit::Unknown,
        name: "unknown",
        means: "Something was sent that may have been executed, or may yet be, and reading back did not settle it.",
        next: "Do not start anything that needs the disk. Look with `arbitrate inspect DEVICE` until it answers; then repeat the command. Not so where it says `commands-open` or that no key is registered: repeating settles nothing then, however often. What the victim has queued is ended by `arbitrate fence --drain reset`, with `--force unregistered` where no key of it is left.",
    },
    Row {
        exit: Exit::IllegalRequest,
        name: "illegal request",
        means: "The target does not accept a field of the command (ILLEGAL REQUEST). It was not executed.",
        next: "Look with `arbitrate capabilities DEVICE` at what the target offers.",
    },
    Row {
        exit: Exit::ReservationLost,
        name: "reservations lost",
        means: "The target lost the reservations it had promised to keep through power loss (DATA PROTECT, 44/01). The command was not executed.",
        next: "Make sure that nobody uses the disk; then `arbitrate replace-lost DEVICE --key KEY` begins anew.",
    },
    Row {
        exit: Exit::UnsupportedCommand,
        name: "unsupported",
        means: "The target does not know the command at all: no persistent reservations, for instance. It was not executed.",
        next: "Use a disk that supports it.",
    },
    Row {
        exit: Exit::Defended,
        name: "defended",
        means: "The challenge was lost: the holder removed our key, or another node took the disk first.",
        next: "Leave the disk alone: another node owns it and is alive. `arbitrate inspect DEVICE` says who.",
    },
    Row {
        exit: Exit::Deposed,
        name: "deposed",
        means: "A defence ended: another node took the disk, or nothing could be confirmed within the lease.",
        next: "Make sure that nothing here uses the disk any more; then challenge again if this node should own it.",
    },
    Row {
        exit: Exit::File,
        name: "no usable device or file",
        means: "The device could not be opened, or is none this program works on; or the file of an embedded disk could not be made, read or changed. Nothing was sent.",
        next: "The message says what it is and what to name instead.",
    },
    Row {
        exit: Exit::Conflict,
        name: "reservation conflict",
        means: "A reservation or a wrong key forbids the command (RESERVATION CONFLICT). It was not executed.",
        next: "Look with `arbitrate inspect DEVICE` at who is registered and who holds.",
    },
    Row {
        exit: Exit::Busy,
        name: "busy",
        means: "The target was busy (BUSY, TASK SET FULL, ACA ACTIVE) or not ready. The command was not executed.",
        next: "Repeat it.",
    },
    Row {
        exit: Exit::Aborted,
        name: "aborted",
        means: "The target or another initiator aborted a command that changes nothing.",
        next: "Repeat it.",
    },
    Row {
        exit: Exit::Timeout,
        name: "timeout",
        means: "No answer in time to a command that changes nothing.",
        next: "Check the path to the device; repeat with a larger --timeout-ms.",
    },
    Row {
        exit: Exit::Transport,
        name: "transport error",
        means: "The transport failed; nothing was sent that could change state.",
        next: "Check cable, switch, session; the kernel log tells more.",
    },
];

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn row(self) -> &'static Row {
        TABLE.iter().find(|r| r.exit == self).unwrap_or(&TABLE[1])
    }
}
