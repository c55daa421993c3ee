//! How challenges and defences of legacy mode end, in words, with their exit codes.

use arbitrate::protocol::{
    Left, LegacyDefenceEnd, LegacyDoubt, LegacyEnd, LegacyRefusal, Met, NoAnswer, Stray,
};

use crate::cli::ends::target_exit;
use crate::cli::exit::Exit;
use crate::cli::output::Failure;
use crate::cli::words::no_answer;

/// A challenge that was not won, as a failure.
pub(crate) fn not_won(device: &str, end: &LegacyEnd) -> Failure {
    let tried = format!("challenging for {device} (SPC-2)");
    let fail = |exit, answer: String, next: &str| Failure::new(exit, tried.clone(), answer, next);
    match *end {
        LegacyEnd::Won { .. } => {
            fail(Exit::Unknown, "the disk was won and not taken over".into(), "challenge again")
        }
        LegacyEnd::Defended { met, stray } => {
            let (answer, next) = match met {
                Met::AfterReset => (
                    "still reserved by another right after the reset: its owner was quick, or this reset does not break reservations here",
                    "where the owner is known to be dead, challenge with another --reset (lun breaks reservations nearly everywhere)",
                ),
                Met::AfterWindow => (
                    "defended: another initiator reserved the disk within the window",
                    "leave the disk alone: its owner is alive",
                ),
                Met::WhileHolding => (
                    "lost again: a reset opened the way, and another initiator reserved first",
                    "leave the disk alone, or challenge again",
                ),
            };
            fail(Exit::Defended, format!("{answer}{}", strays(stray)), next)
        }
        LegacyEnd::Refused { why: LegacyRefusal::Registrations(n), left } => {
            let mut f = registered(device, n);
            f.answer += left_words(left);
            f
        }
        LegacyEnd::Refused { why, left } => refused(&tried, why, left),
        LegacyEnd::Unreachable(why) => fail(
            Exit::Transport,
            format!("{}; nothing was sent that could change state", no_answer(why)),
            "check cable, switch, session; then challenge again",
        ),
        LegacyEnd::Unknown { doubt, why } => {
            let (open, next) = match doubt {
                LegacyDoubt::Reset => (
                    "the reset failed or may yet be done; the disk is still reserved by another",
                    "wait a minute, then challenge again; an owner that lives answers a late reset by itself. Where the transport does not offer this reset, --reset lun works nearly everywhere",
                ),
                LegacyDoubt::Blind => (
                    "a reset was sent, and the disk can no longer be looked at",
                    "look with `arbitrate inspect` until it answers, then challenge again",
                ),
                LegacyDoubt::Seizure => (
                    "this nexus may hold the disk, or may yet come to hold it",
                    "start nothing; give it up with `arbitrate legacy release` once the disk answers, then challenge again",
                ),
            };
            fail(Exit::Unknown, format!("{open}: {}", no_answer(why)), next)
        }
    }
}

/// Persistent reservations and SPC-2 reservations exclude each other.
pub(crate) fn registered(device: &str, keys: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("using {device} in legacy mode"),
        format!(
            "{keys} keys are registered: persistent reservations rule this disk, and RESERVE(6) conflicts with them (SPC-2 5.5.1)"
        ),
        "use it without --legacy; keys that are left over go with `arbitrate clear`",
    )
}

fn refused(tried: &str, why: LegacyRefusal, left: Left) -> Failure {
    let (exit, answer, next) = match why {
        LegacyRefusal::Reset(n) => {
            let exit = match n {
                NoAnswer::Local(libc::EOPNOTSUPP) => Exit::UnsupportedCommand,
                _ => Exit::Refused,
            };
            let why = match n {
                NoAnswer::Local(libc::EOPNOTSUPP) => {
                    "this transport offers no reset of that scope".to_owned()
                }
                other => no_answer(other),
            };
            (
                exit,
                format!("another initiator holds the disk, and the reset was refused: {why}"),
                "try a smaller scope (--reset lun works nearly everywhere), as root",
            )
        }
        LegacyRefusal::Target(n) => (
            target_exit(n),
            format!("the target refused RESERVE(6): {}", no_answer(n)),
            "look with `arbitrate inspect` what the disk offers",
        ),
        LegacyRefusal::Restless => (
            Exit::Refused,
            "resets by others, time and again: the disk was never left alone for a window".to_owned(),
            "find out who resets it; let one node challenge at a time",
        ),
        LegacyRefusal::Cancelled => (Exit::Refused, "withdrawn by a signal".to_owned(), "nothing"),
        LegacyRefusal::Registrations(n) => {
            (Exit::Refused, format!("{n} keys are registered"), "use it without --legacy")
        }
    };
    let (exit, next) = match left {
        Left::MayHold => (Exit::Unknown, "give it up with `arbitrate legacy release` once the disk answers"),
        _ => (exit, next),
    };
    Failure::new(exit, tried, format!("{answer}{}", left_words(left)), next)
}

const fn left_words(left: Left) -> &'static str {
    match left {
        Left::Nothing => "; nothing was changed",
        Left::Reset => "; a reset was sent, nothing was reserved",
        Left::Released => "; the reservation was given back",
        Left::MayHold => "; this nexus may hold the reservation, or may yet come to",
    }
}

const fn strays(stray: Stray) -> &'static str {
    match stray {
        Stray::None => "",
        Stray::Possible => {
            "; a RESERVE(6) of ours got no answer and may yet make this nexus the holder (`arbitrate legacy release` ends that)"
        }
    }
}

/// Why a defence ended, in words.
pub(crate) fn defence(end: &LegacyDefenceEnd) -> String {
    match *end {
        LegacyDefenceEnd::Deposed { stray } => format!(
            "deposed: RESERVATION CONFLICT, another initiator holds the disk (or registered a key on it){}",
            strays(stray)
        ),
        LegacyDefenceEnd::Expired { stray, .. } => format!(
            "the lease ended without a successful RESERVE(6): who holds the disk is unknown here{}",
            strays(stray)
        ),
        LegacyDefenceEnd::Released => {
            "released: RELEASE(6) ended GOOD, so this nexus holds nothing (an SPC-2 reservation cannot be read back; this is the target's word)".into()
        },
        LegacyDefenceEnd::ReleaseUnproven => {
            "RELEASE(6) was sent, but this nexus may still hold the disk, or may yet come to".into()
        }
    }
}

/// The exit code of a defence's end.
pub(crate) const fn defence_exit(end: &LegacyDefenceEnd) -> Exit {
    match end {
        LegacyDefenceEnd::Deposed { .. } | LegacyDefenceEnd::Expired { .. } => Exit::Deposed,
        LegacyDefenceEnd::Released => Exit::Confirmed,
        LegacyDefenceEnd::ReleaseUnproven => Exit::Unknown,
    }
}
