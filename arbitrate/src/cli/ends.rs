//! How challenges and defences end, in words, with their exit codes.

use arbitrate::codec::Sense;
use arbitrate::key::ClusterId;
use arbitrate::protocol::{ChallengeEnd, Cleanup, DefenceEnd, Deposition, Doubt, NoAnswer, Refusal};

use super::exit::Exit;
use super::output::Failure;
use super::timeline::{describe_key, holding};
use super::words::no_answer;

/// A challenge that was not won, as a failure.
pub(crate) fn not_won(device: &str, cluster: ClusterId, end: &ChallengeEnd) -> Failure {
    let tried = format!("challenging for {device}");
    let fail = |exit, answer: String, next: &str| Failure::new(exit, tried.clone(), answer, next);
    match *end {
        ChallengeEnd::Won { .. } => fail(
            Exit::Unknown,
            "the reservation was won but not confirmed".into(),
            "look with `arbitrate inspect`",
        ),
        ChallengeEnd::Defended { holder } => fail(
            Exit::Defended,
            format!("defended: our key was removed; {}", holding(holder, cluster)),
            "leave the disk alone: its owner is alive",
        ),
        ChallengeEnd::Overtaken { holder, cleanup } => fail(
            Exit::Defended,
            format!("void: the holder changed meanwhile; {}{}", holding(holder, cluster), left(cleanup)),
            "leave the disk alone, or challenge again",
        ),
        ChallengeEnd::Refused { why, cleanup } => refused(&tried, cluster, why, cleanup),
        ChallengeEnd::TargetForgot => fail(
            Exit::Refused,
            "the target lost its registrations three times during the challenge".into(),
            "find out why it restarts; then challenge again",
        ),
        ChallengeEnd::Unreachable(why) => fail(
            Exit::Transport,
            format!("{}; nothing was sent that could change state", no_answer(why)),
            "check cable, switch, session; then challenge again",
        ),
        ChallengeEnd::Unknown { doubt, why } => {
            fail(Exit::Unknown, format!("{}: {}", open(doubt), no_answer(why)), after(doubt))
        }
    }
}

fn refused(tried: &str, cluster: ClusterId, why: Refusal, cleanup: Cleanup) -> Failure {
    let (exit, answer, next) = match why {
        Refusal::ForeignKey(k) => (
            Exit::Refused,
            format!("key {k} on this disk belongs to another cluster or another tool"),
            "a disk in use elsewhere must not be taken; `arbitrate full-status` shows whose it is, and `arbitrate clear-stale` removes it once its owner is proven down".into(),
        ),
        Refusal::NodeNumberTaken(k) => (
            Exit::Refused,
            format!("{} is registered, and this host never registered it", describe_key(k, cluster)),
            "two hosts have the same node number, or this host lost its state folder: give each its own number; if the key is a leftover of this host, and no other host has this number, `arbitrate clear-stale` removes it".into(),
        ),
        Refusal::SharedReservation(t) => (
            Exit::Refused,
            format!("the reservation is {}: every registrant holds it, nobody can be challenged", t.name()),
            "release it with the tool that made it".into(),
        ),
        Refusal::NexusTaken => (
            Exit::Conflict,
            "RESERVATION CONFLICT to REGISTER: this path is registered under a key that could not be told".into(),
            "look with `arbitrate full-status`; remove the registration with `arbitrate unregister --key`".into(),
        ),
        Refusal::LegacyReservation => (
            Exit::Conflict,
            "RESERVATION CONFLICT to PERSISTENT RESERVE IN: another initiator holds an SPC-2 reservation".into(),
            "end it where it was made (RELEASE), or reset the logical unit; where the cluster shares this disk by SPC-2 reservations, challenge with --legacy".into(),
        ),
        Refusal::Target(n) => (
            target_exit(n),
            format!("the target refused: {}", no_answer(n)),
            "look with `arbitrate inspect` whether it supports persistent reservations; a disk without them is shared with --legacy".into(),
        ),
        Refusal::NoEffect => (
            Exit::Refused,
            no_answer(NoAnswer::Contradiction),
            "do not trust this target; qualify it before use".into(),
        ),
        Refusal::Cancelled => (Exit::Refused, "withdrawn by a signal".to_owned(), "nothing".to_owned()),
    };
    let exit = if cleanup == Cleanup::Unproven { Exit::Unknown } else { exit };
    Failure::new(exit, tried, format!("{answer}{}", left(cleanup)), next)
}

pub(super) fn target_exit(n: NoAnswer) -> Exit {
    match n {
        NoAnswer::Sense(Sense { asc: 0x20, ascq: 0, .. }) => Exit::UnsupportedCommand,
        NoAnswer::Sense(_) => Exit::IllegalRequest,
        NoAnswer::Busy(_) | NoAnswer::Restless => Exit::Busy,
        NoAnswer::Local(libc::ETIMEDOUT) => Exit::Timeout,
        NoAnswer::Local(_) | NoAnswer::DeviceLost => Exit::Transport,
        _ => Exit::Refused,
    }
}

const fn left(c: Cleanup) -> &'static str {
    match c {
        Cleanup::NotNeeded => "; nothing was changed",
        Cleanup::Proven => "; our registration is withdrawn, read back",
        Cleanup::Unproven => "; our challenging key may still be registered",
    }
}

const fn open(d: Doubt) -> &'static str {
    match d {
        Doubt::GhostRemoval => "an earlier life's registration may or may not have been removed",
        Doubt::Registration => "the challenging key may or may not be registered",
        Doubt::Blind => "the challenging key is registered, but the disk can no longer be read",
        Doubt::Seizure => "the disk may or may not have been taken",
        Doubt::Tenure => {
            "the reservation was taken, but a new epoch could not be written and read back: it gives no lease"
        }
        Doubt::FlagStays => "the reservation was taken, but the settled key is not proven: it gives no lease",
    }
}

const fn after(d: Doubt) -> &'static str {
    match d {
        Doubt::Seizure | Doubt::Tenure | Doubt::FlagStays => {
            "start nothing; look with `arbitrate inspect` until it answers, then challenge again"
        }
        _ => "look with `arbitrate inspect` until it answers, then challenge again",
    }
}

/// Why a defence ended, in words.
pub(crate) fn defence(end: &DefenceEnd, cluster: ClusterId) -> String {
    match *end {
        DefenceEnd::Deposed { how: Deposition::KeyGone } => {
            "deposed: our registration is gone from the disk".into()
        }
        DefenceEnd::Deposed { how: Deposition::AnotherHolder(h) } => {
            format!("deposed: {}", holding(h, cluster))
        }
        DefenceEnd::Expired { .. } => {
            "the lease ended without a confirmation: who owns the disk is unknown here".into()
        }
        DefenceEnd::Released => "released: reservation and registration are given back, read back".into(),
        DefenceEnd::ReleaseUnproven => "given back, but the disk did not confirm it".into(),
    }
}

/// The exit code of a defence's end.
pub(crate) const fn defence_exit(end: &DefenceEnd) -> Exit {
    match end {
        DefenceEnd::Deposed { .. } | DefenceEnd::Expired { .. } => Exit::Deposed,
        DefenceEnd::Released => Exit::Confirmed,
        DefenceEnd::ReleaseUnproven => Exit::Unknown,
    }
}

/// A victory that the first tick did not confirm.
pub(crate) fn not_confirmed(device: &str, cluster: ClusterId, end: &DefenceEnd) -> Failure {
    let exit = match end {
        DefenceEnd::Deposed { .. } => Exit::Defended,
        _ => Exit::Unknown,
    };
    Failure::new(
        exit,
        format!("confirming {device} after the challenge was won"),
        defence(end, cluster),
        "start nothing; look with `arbitrate inspect DEVICE`",
    )
}
