//! How a fence ended, in words: what is so, and what to do next.

use arbitrate::codec::pr::Holder;
use arbitrate::key::{ClusterId, Key};
use arbitrate::protocol::NoAnswer;
use arbitrate::protocol::fence::{FenceDoubt, FenceEnd, FenceRefusal, How};

use crate::cli::timeline::describe_key;
use crate::cli::words::no_answer;

/// The end of one device: `confirmed`, `refused` or `unknown`; a word for programs; the same for people.
pub(crate) struct Said {
    pub(crate) outcome: &'static str,
    pub(crate) result: &'static str,
    pub(crate) answer: String,
    pub(crate) next: &'static str,
}

impl Said {
    pub(crate) fn new(
        outcome: &'static str,
        result: &'static str,
        answer: String,
        next: &'static str,
    ) -> Self {
        Self { outcome, result, answer, next }
    }
}

/// Says an end. `path` names a path by its number.
pub(crate) fn end(end: &FenceEnd, cluster: ClusterId, path: &dyn Fn(usize) -> String) -> Said {
    match *end {
        FenceEnd::Confirmed(How::Done) => Said::new("confirmed", "done", "done, read back".into(), "nothing"),
        FenceEnd::Confirmed(How::AlreadySo) => {
            Said::new("confirmed", "already-so", "already so, read back".into(), "nothing")
        }
        FenceEnd::Refused(why) => refused(why, cluster),
        FenceEnd::Unknown { doubt, why } => unknown(doubt, why, path),
    }
}

/// The victim's keys had gone before this fence: it is kept out, and its queue is open.
pub(crate) fn found_gone() -> Said {
    Said::new(
        "unknown",
        "commands-open",
        "it is kept out, read back; but its keys were absent before, and whether its queued commands were \
         aborted is not known"
            .into(),
        "--drain reset (with --force unregistered where no key of it is left) ends them before anything uses the \
         disk; --force queued, if an earlier receipt says \
         \"aborted\" for this device, or it never wrote there",
    )
}

/// The same where the operator knows better.
pub(crate) fn found_gone_accepted(how: How) -> Said {
    let (result, done) = match how {
        How::Done => ("done", "done"),
        How::AlreadySo => ("already-so", "already so"),
    };
    Said::new(
        "confirmed",
        result,
        format!(
            "{done}, read back; its keys were absent before, and whether its queued commands were aborted \
             is not known to this command (accepted)"
        ),
        "nothing",
    )
}

fn refused(why: FenceRefusal, cluster: ClusterId) -> Said {
    let (result, answer, next) = match why {
        FenceRefusal::Myself => (
            "self",
            "that is this host itself".to_owned(),
            "fence it from another node; to leave the disk use `arbitrate unregister`",
        ),
        FenceRefusal::KeyZero => ("key-zero", "key 0 is nobody's".into(), "name a key"),
        FenceRefusal::Nobody => ("nobody", "no key is named".into(), "name a key"),
        FenceRefusal::Paths(n) => ("paths", format!("{n} paths are not 1 to 16"), "name one path of it"),
        FenceRefusal::LegacyReservation => (
            "legacy-reservation",
            "another initiator's SPC-2 reservation bars even reading".into(),
            "end it where it was made (RELEASE), or reset the logical unit",
        ),
        FenceRefusal::OtherHolder(h) => (
            "other-holder",
            format!("{} holds the reservation, which was not expected", holder(h, cluster)),
            "look with `arbitrate inspect`; --force holder, or --holder KEY, accepts it",
        ),
        FenceRefusal::NotRegistered => (
            "not-registered",
            "this host is not registered here, so it cannot remove anybody".into(),
            "fence from a node that is, or register first (`arbitrate unfence` on this node)",
        ),
        FenceRefusal::NotProtected { registrations: 0 } => (
            "not-protected",
            "NOT PROTECTED: no registration and no reservation, so everybody may write, the victim too"
                .into(),
            "the target may have lost its reservations: register this node (`arbitrate unfence`) and fence again",
        ),
        FenceRefusal::NotProtected { registrations } => (
            "not-protected",
            format!(
                "NOT PROTECTED: {registrations} registered, but no reservation is in force, so everybody may write"
            ),
            "fence from a node that is registered, or register this one (`arbitrate unfence`) and fence again",
        ),
        FenceRefusal::WeakType(kind) => (
            "weak-type",
            format!("the reservation in force is {}: the victim cannot write, but it can read", kind.name()),
            "reserve with the other type (`arbitrate release`, `arbitrate reserve --type earo`), and fence again",
        ),
        FenceRefusal::TooManyKeys => (
            "too-many-keys",
            "it is registered in more than 16 lives".into(),
            "remove the old ones with `arbitrate clear-stale`",
        ),
        FenceRefusal::Target(n) => (
            "target-refused",
            format!("the target refused: {}", no_answer(n)),
            "look with `arbitrate inspect` what it offers; cut its power or its port at the switch",
        ),
        FenceRefusal::Conflict => (
            "conflict",
            "RESERVATION CONFLICT though our key is registered: not by this path".into(),
            "name the path this host is registered by (`arbitrate full-status`)",
        ),
        FenceRefusal::StillThere(k) => (
            "still-there",
            format!(
                "the target says it is done, but {} is still or again registered",
                describe_key(k, cluster)
            ),
            "it is alive and registers again, or the target lies: cut its power or its port at the switch",
        ),
    };
    Said::new("refused", result, answer, next)
}

fn unknown(doubt: FenceDoubt, why: NoAnswer, path: &dyn Fn(usize) -> String) -> Said {
    let why = no_answer(why);
    let (result, answer, next) = match doubt {
        FenceDoubt::Unread => (
            "unread",
            format!("{why}; nothing was sent that could change it"),
            "check cable, switch, session; until it is proven take the victim for one that writes there",
        ),
        FenceDoubt::Blind => (
            "blind",
            format!("something was sent, and then it could not be read: {why}"),
            "repeat the fence when it answers; until then take the victim for one that writes there",
        ),
        FenceDoubt::Preempt => (
            "preempt-open",
            format!("a PREEMPT AND ABORT may yet be executed: {why}"),
            "repeat the fence; until it is proven take the victim for one that writes there",
        ),
        FenceDoubt::Reserve => (
            "reserve-open",
            format!("a RESERVE may yet be executed: {why}"),
            "look with `arbitrate inspect` until it answers; then repeat the fence",
        ),
        FenceDoubt::Commands => (
            "commands-open",
            format!("it is kept out, read back; but whether its queued commands have ended is open: {why}"),
            "repeat with --drain reset, and with --force unregistered where no key of it is left anywhere, before \
             anything uses the disk",
        ),
        FenceDoubt::PathDiffers(p) => (
            "path-differs",
            format!("proven by one path, but path {} shows something else", path(p)),
            "do not trust this array; qualify it before use",
        ),
        FenceDoubt::PathSilent(p) => (
            "path-silent",
            format!("proven by one path, but path {} could not be read: {why}", path(p)),
            "repair the path and repeat; --force silent-paths accepts one path's proof",
        ),
        FenceDoubt::Overdue => (
            "overdue",
            "it did not come back in time".into(),
            "repeat the fence when it answers; until then take the victim for one that writes there",
        ),
    };
    Said::new("unknown", result, answer, next)
}

/// A holder in words.
pub(crate) fn holder(h: Holder, cluster: ClusterId) -> String {
    if h.kind.all_registrants() { "every registrant".to_owned() } else { describe_key(h.key, cluster) }
}

/// Keys in words, each once, with the number of its registrations where there are several.
pub(crate) fn keys(keys: &[Key], cluster: ClusterId) -> String {
    let mut each = keys.to_vec();
    each.sort_unstable();
    each.dedup();
    let words: Vec<String> = each
        .iter()
        .map(|k| match keys.iter().filter(|o| *o == k).count() {
            1 => describe_key(*k, cluster),
            n => format!("{} on {n} paths", describe_key(*k, cluster)),
        })
        .collect();
    if words.is_empty() { "nobody".to_owned() } else { words.join(", ") }
}
