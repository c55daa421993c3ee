//! The receipt: for each device who was removed, what keeps the victim out, and every command.

use arbitrate::codec::opcode;
use arbitrate::codec::pr::Abort;
use arbitrate::device::Delivery;
use arbitrate::device::classify::classify;
use arbitrate::key::{ClusterId, Key};
use arbitrate::protocol::fence::{FenceEnd, FenceOrder, PathProof, SilentPaths, Victim};
use arbitrate::runtime::executor::Sent;
use arbitrate::runtime::fence::{Action, Entry, Report, Seen};
use arbitrate::time::Instant;
use serde_json::{Value, json};

use super::order::Queued;
use super::said::{self, Said};
use crate::cli::timeline::describe_key;
use crate::cli::words;

/// One device of a receipt.
pub(crate) struct Line {
    pub(crate) said: Said,
    pub(crate) text: String,
    pub(crate) fields: Value,
}

/// A device that was fenced on, or tried to.
pub(crate) struct Fenced<'a> {
    pub(crate) device: &'a str,
    pub(crate) identity: &'a str,
    /// The key this host is registered with.
    pub(crate) own: Option<Key>,
    pub(crate) paths: &'a [String],
    pub(crate) unopened: &'a [(String, String)],
    pub(crate) report: &'a Report,
}

impl Fenced<'_> {
    pub(crate) fn line(&self, order: &FenceOrder, accept: Queued) -> Line {
        let (r, cluster) = (self.report, order.cluster);
        let path = |n: usize| self.paths.get(n).cloned().unwrap_or_else(|| n.to_string());
        let mut said = said::end(&r.end, cluster, &path);
        let queue = queue(r, order);
        if let FenceEnd::Confirmed(how) = r.end {
            match (self.unopened.first(), queue) {
                (Some((name, why)), _) if order.silent_paths == SilentPaths::NotProven => {
                    said = Said::new(
                        "unknown",
                        "path-silent",
                        format!("proven by one path, but path {name} could not be opened: {why}"),
                        "repair the path and repeat; --force silent-paths accepts one path's proof",
                    );
                }
                (_, Queue::Unknown) if accept == Queued::Unknown => said = said::found_gone(),
                (_, Queue::Unknown) => said = said::found_gone_accepted(how),
                _ => {}
            }
        }
        let text = self.text(cluster, &said);
        let mut fields = self.json(cluster, &said);
        fields["queued_commands"] = json!(queue.word());
        Line { said, text, fields }
    }

    /// Every command as --verbose shows it.
    pub(crate) fn commands(&self) -> impl Iterator<Item = String> {
        self.report.log.iter().map(|e| {
            let path = self.paths.get(e.path).map_or("?", String::as_str);
            match e.what {
                Action::Command(s) => words::sent(path, &s),
                Action::Attention(s) => format!("{path}: told instead: {s}"),
                Action::Reset { took, end, .. } => {
                    let end = end.map_or_else(|e| e.to_string(), |()| "done".to_owned());
                    format!("{path}: LOGICAL UNIT RESET: {end} ({} us)", took.as_micros())
                }
            }
        })
    }

    fn text(&self, cluster: ClusterId, said: &Said) -> String {
        let r = self.report;
        let mut lines = vec![format!("{}: {}", self.device, headline(said))];
        if r.reserved {
            lines.push("there was no reservation: one was taken first".into());
        }
        if !r.removed.is_empty() {
            lines.push(format!("removed {}", said::keys(&r.removed, cluster)));
        }
        if let (Some(b), Some(a)) = (r.before(), r.after()) {
            lines.push(match a.holder {
                Some(h) => format!("in force: {}, held by {}", h.kind.name(), said::holder(h, cluster)),
                None => "NO reservation is in force".to_owned(),
            });
            lines.push(format!(
                "registered: {} (generation {} → {})",
                said::keys(&a.keys, cluster),
                b.generation,
                a.generation
            ));
        }
        if r.before().is_some() && r.after().is_none() {
            lines.push("NOT read since the last command that may have changed it".into());
        }
        if r.drained {
            lines.push("a LOGICAL UNIT RESET ended what was queued".into());
        }
        for (n, proof) in &r.proofs {
            let path = self.paths.get(*n).map_or("?", String::as_str);
            lines.push(match proof {
                PathProof::Same => format!("path {path}: the same, read back"),
                PathProof::Differs => format!("path {path}: shows something ELSE"),
                PathProof::Silent(why) => format!("path {path}: {}", words::no_answer(*why)),
            });
        }
        let sent = commands(r);
        let took = r.ended.since(r.began);
        lines.push(format!("{}, {:.3} ms", words::count(sent, "command"), took.as_secs_f64() * 1e3));
        if said.outcome != "confirmed" {
            lines.push(format!("next: {}", said.next));
        }
        lines.join("\n    ")
    }

    fn json(&self, cluster: ClusterId, said: &Said) -> Value {
        let r = self.report;
        let us = |t: Instant| micros(t.since(r.decided));
        json!({
            "device": self.device, "identity": self.identity, "own": self.own, "outcome": said.outcome,
            "result": said.result, "answer": said.answer, "next": said.next,
            "reserved_first": r.reserved, "drained": r.drained, "changed": r.changed,
            "removed": r.removed.iter().map(|k| json!({ "key": k, "is": describe_key(*k, cluster) })).collect::<Vec<_>>(),
            "before": r.before().map(seen), "after": r.after().map(seen),
            "paths": self.paths(), "began_us": us(r.began), "ended_us": us(r.ended),
            "commands_sent": commands(r),
            "commands": r.log.iter().map(|e| self.entry(e)).collect::<Vec<_>>(), "not_logged": r.unlogged,
        })
    }

    fn paths(&self) -> Vec<Value> {
        let r = self.report;
        let opened = self.paths.iter().enumerate().map(|(n, name)| {
            let proof = r.proofs.iter().find(|(p, _)| *p == n).map(|(_, proof)| *proof);
            let (role, answer) = match proof {
                _ if n == r.lead => ("sent and read back", None),
                Some(PathProof::Same) => ("read back", None),
                Some(PathProof::Differs) => ("differs", None),
                Some(PathProof::Silent(why)) => ("silent", Some(words::no_answer(why))),
                None => ("not read", None),
            };
            json!({ "path": name, "role": role, "answer": answer })
        });
        let unopened =
            self.unopened.iter().map(|(name, why)| json!({ "path": name, "role": "silent", "answer": why }));
        opened.chain(unopened).collect()
    }

    fn entry(&self, e: &Entry) -> Value {
        let path = self.paths.get(e.path);
        let at = |t: Instant| micros(t.since(self.report.decided));
        match e.what {
            Action::Command(s) => command(&s, path, at(s.at)),
            Action::Attention(s) => json!({ "path": path, "attention": s }),
            Action::Reset { at: t, took, end } => json!({
                "path": path, "name": "LOGICAL UNIT RESET", "at_us": at(t), "took_us": micros(took),
                "status": end.map_or_else(|e| e.to_string(), |()| "done".to_owned()),
            }),
        }
    }
}

/// What became of the commands that the victim had queued, as far as this fence knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Queue {
    /// PREEMPT AND ABORT of its keys ended GOOD.
    Aborted,
    /// A LOGICAL UNIT RESET ended well.
    Reset,
    /// Nobody here knows.
    Unknown,
    /// Not this order's business.
    NotAsked,
}

impl Queue {
    const fn word(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Reset => "reset",
            Self::Unknown => "unknown",
            Self::NotAsked => "not-asked",
        }
    }
}

/// A key that is gone says nothing of what was queued under it: whoever removed it may have done so without
/// an abort, or by one whose answer was lost.
fn queue(r: &Report, order: &FenceOrder) -> Queue {
    let confirmed = matches!(r.end, FenceEnd::Confirmed(_));
    let aborted = r
        .before()
        .is_some_and(|b| b.more == 0 && each_key_went_by_our_hand(&order.victim, &b.keys, &r.removed));
    match order.abort {
        _ if r.drained => Queue::Reset,
        Abort::No => Queue::NotAsked,
        // Confirmed means that no PREEMPT AND ABORT of this fence is without an answer.
        Abort::Yes if confirmed && aborted => Queue::Aborted,
        Abort::Yes => Queue::Unknown,
    }
}

/// Whether the victim was registered and every key of it that was seen went by a PREEMPT AND ABORT of ours: of one
/// that met a conflict, because somebody else had removed it, nothing is known.
fn each_key_went_by_our_hand(victim: &Victim, before: &[Key], removed: &[Key]) -> bool {
    !removed.is_empty() && before.iter().filter(|k| victim.owns(**k)).all(|k| removed.contains(k))
}

/// What one end is called on a line of its own.
pub(crate) fn headline(said: &Said) -> String {
    let outcome =
        if said.outcome == "confirmed" { said.outcome.to_owned() } else { said.outcome.to_uppercase() };
    format!("{outcome}: {}", said.answer)
}

/// Commands and resets sent.
fn commands(r: &Report) -> usize {
    r.log.iter().filter(|e| !matches!(e.what, Action::Attention(_))).count()
}

fn seen(s: &Seen) -> Value {
    json!({
        "generation": s.generation.0, "keys": s.keys, "keys_not_listed": s.more,
        "holder": s.holder.filter(|h| !h.kind.all_registrants()).map(|h| h.key),
        "type": s.holder.map(|h| h.kind as u8), "type_name": s.holder.map(|h| h.kind.name()),
    })
}

fn command(s: &Sent, path: Option<&String>, at_us: u64) -> Value {
    let out = if opcode::lookup(&s.cdb).is_some_and(|o| o.direction == opcode::Direction::Out) {
        Some(hex(&s.list))
    } else {
        None
    };
    let status = match s.completion.delivery {
        Delivery::Answered(status) => status.name().to_owned(),
        _ => words::class(&classify(&s.completion), false).1,
    };
    let sense = s.completion.sense.as_slice();
    json!({
        "path": path, "name": opcode::name(&s.cdb), "cdb": hex(s.cdb.as_bytes()), "out": out,
        "status": status, "sense": if sense.is_empty() { None } else { Some(hex(sense)) },
        "at_us": at_us, "took_us": micros(s.completion.took),
    })
}

fn micros(d: std::time::Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

pub(crate) fn hex(b: &[u8]) -> String {
    use std::fmt::Write as _;
    b.iter().fold(String::with_capacity(b.len() * 2), |mut s, x| {
        let _ = write!(s, "{x:02x}");
        s
    })
}

#[cfg(test)]
mod tests {
    use arbitrate::key::NodeNumber;

    use super::*;

    #[test]
    fn a_key_somebody_else_removed_was_not_aborted_by_us() {
        let cluster = ClusterId::from_u32(0xdead_beef);
        let victim = Victim::Node(cluster, NodeNumber::new(2).unwrap());
        let [a, b, own] =
            [0xdead_beef_0200_0001, 0xdead_beef_0200_0002, 0xdead_beef_0100_0001].map(Key::from_u64);
        let ours = |before: &[Key], removed: &[Key]| each_key_went_by_our_hand(&victim, before, removed);
        assert!(ours(&[own, a, b, a], &[a, b]));
        assert!(ours(&[own, a], &[a, b]), "a life that came meanwhile went too");
        assert!(!ours(&[own, a, b], &[a]), "b met a conflict");
        assert!(!ours(&[own], &[]), "it was gone before");
    }
}
