//! The timeline of a challenge and a defence: each note as a line for people and for programs.

use std::time::Duration;

use arbitrate::codec::pr::Holder;
use arbitrate::key::{ClusterId, Key, NodeNumber, Stance};
use arbitrate::protocol::{ChallengeNote, DefenceNote, Miss, NoAnswer};
use arbitrate::time::Instant;
use serde_json::{Value, json};

use super::output::Output;
use super::words::no_answer;

/// Prints notes with the seconds since it was made.
#[derive(Clone, Copy)]
pub(crate) struct Timeline {
    pub(crate) start: Instant,
    pub(crate) cluster: ClusterId,
    pub(crate) out: Output,
    /// Which of several devices it is about.
    on: Option<&'static str>,
    /// Who tells it.
    me: Option<NodeNumber>,
}

impl Timeline {
    /// Of one device, or of what is no device's alone.
    pub(crate) const fn new(start: Instant, cluster: ClusterId, out: Output) -> Self {
        Self { start, cluster, out, on: None, me: None }
    }

    /// The same, told by that node: it knows itself.
    pub(crate) const fn of(self, me: NodeNumber) -> Self {
        Self { me: Some(me), ..self }
    }

    /// The same, of one of several devices.
    pub(crate) const fn on(self, device: &'static str) -> Self {
        Self { on: Some(device), ..self }
    }

    /// Says one thing that happened at `at`.
    pub(crate) fn say(&self, at: Instant, event: &str, text: &str, mut fields: Value) {
        let s = at.since(self.start);
        if let Value::Object(m) = &mut fields {
            m.insert("at_ms".into(), json!(millis(s)));
            m.insert("text".into(), json!(text));
            if let Some(device) = self.on {
                m.insert("device".into(), json!(device));
            }
        }
        if self.out.watched() {
            self.out.countdown("");
        }
        let on = self.on.map(|d| format!("{d}: ")).unwrap_or_default();
        self.out.event(&format!("{:>8.3} s  {on}{text}", s.as_secs_f64()), event, fields);
    }

    pub(crate) fn challenge(&self, at: Instant, note: &ChallengeNote) {
        match *note {
            ChallengeNote::Surveyed { holder, registrations } => self.say(
                at,
                "surveyed",
                &format!("{}; {registrations} registered", self.holding(holder)),
                json!({ "holder": holder.map(|h| h.key), "registrations": registrations }),
            ),
            ChallengeNote::RemovingGhost(key) => self.say(
                at,
                "removing-ghost",
                &format!("removing what an earlier life of this node left registered ({})", self.key(key)),
                json!({ "key": key }),
            ),
            ChallengeNote::Registering { key } => self.say(
                at,
                "registering",
                &format!("registering the challenge ({})", self.key(key)),
                json!({ "key": key }),
            ),
            ChallengeNote::Observed { holder, window_end } => {
                let left = window_end.since(at).as_secs_f64();
                self.say(
                    at,
                    "waiting",
                    &format!(
                        "registration seen; {}; waiting {left:.3} s for a defence",
                        self.holding(holder)
                    ),
                    json!({ "holder": holder.map(|h| h.key), "window_end_ms": millis(window_end.since(self.start)) }),
                );
            }
            ChallengeNote::HolderRenewed(key) => self.say(
                at,
                "holder-renewed",
                &format!("the holder's node holds it under another key now ({})", self.key(key)),
                json!({ "holder": key }),
            ),
            ChallengeNote::Ready => {
                self.say(
                    at,
                    "ready",
                    "not defended: waiting until the devices before it are decided",
                    json!({}),
                );
            }
            ChallengeNote::Preempting(victim) => self.say(
                at,
                "preempting",
                &format!("not defended: PREEMPT AND ABORT {}", self.key(victim)),
                json!({ "holder": victim }),
            ),
            ChallengeNote::Reserving => {
                self.say(at, "reserving", "nobody holds it and nobody defended: RESERVE", json!({}));
            }
            ChallengeNote::Seized { from } => self.say(
                at,
                "seized",
                "read back: the reservation is held under the challenging key",
                json!({ "from": from }),
            ),
            ChallengeNote::CleanlyReleased(t) => self.say(
                at,
                "cleanly-released",
                &format!("the last owner marked a clean release (epoch {}): no window is waited", t.epoch.0),
                json!({ "epoch": t.epoch.0, "by": t.key }),
            ),
            ChallengeNote::MarkChanged => self.say(
                at,
                "mark-changed",
                "another owner came between: the window is waited after all",
                json!({}),
            ),
            ChallengeNote::TakingTenure(t) => self.say(
                at,
                "taking-tenure",
                &format!("writing epoch {} to the disk", t.epoch.0),
                json!({ "epoch": t.epoch.0 }),
            ),
            ChallengeNote::TakingFlagOff { key } => self.say(
                at,
                "settling",
                &format!("registering the settled key ({})", self.key(key)),
                json!({ "key": key }),
            ),
            ChallengeNote::StandingDown => {
                self.say(at, "standing-down", "withdrawing the challenge: unregistering", json!({}));
            }
            ChallengeNote::Unanswered(why) => self.unanswered(at, why),
        }
    }

    pub(crate) fn defence(&self, at: Instant, note: &DefenceNote) {
        match *note {
            DefenceNote::Confirmed { lease, .. } => self.say(
                at,
                "confirmed",
                &format!("confirmed; lease valid for {:.3} s more", lease.until.since(at).as_secs_f64()),
                json!({ "lease_until_ms": millis(lease.until.since(self.start)) }),
            ),
            DefenceNote::Challenged { by } => self.say(
                at,
                "challenged",
                &format!("challenged by {}: PREEMPT (the defence)", self.key(by)),
                json!({ "by": by }),
            ),
            DefenceNote::Missed { why, stop_at } => {
                let left = stop_at.since(at).as_secs_f64();
                let words = match why {
                    Miss::Unanswered(n) | Miss::Refused(n) => no_answer(n),
                    Miss::OutOfTime => "the tick's budget was used up".to_owned(),
                };
                self.say(
                    at,
                    "missed",
                    &format!("not confirmed: {words}; {left:.3} s left"),
                    json!({ "why": words, "stop_at_ms": millis(stop_at.since(self.start)) }),
                );
            }
            DefenceNote::Releasing => {
                self.say(at, "releasing", "giving the device back: RELEASE, unregister", json!({}));
            }
            DefenceNote::Marked(t) => self.say(
                at,
                "marked",
                &format!(
                    "clean release of epoch {} marked, read back: no window for who comes next",
                    t.epoch.0
                ),
                json!({ "epoch": t.epoch.0 }),
            ),
            DefenceNote::NotMarked(t) => self.say(
                at,
                "not-marked",
                &format!("clean release of epoch {} NOT marked: who comes next waits the window", t.epoch.0),
                json!({ "epoch": t.epoch.0 }),
            ),
        }
    }

    fn unanswered(&self, at: Instant, why: NoAnswer) {
        let words = no_answer(why);
        self.say(at, "unanswered", &format!("no usable answer: {words}"), json!({ "why": words }));
    }

    fn holding(&self, holder: Option<Holder>) -> String {
        let own = |h: &Holder| h.key.parts_in(self.cluster).filter(|p| Some(p.node) == self.me);
        match holder.and_then(|h| Some((h, own(&h)?))) {
            // What an earlier life of this host left: nobody is there to defend it.
            Some((h, p)) => format!(
                "this node itself holds the reservation{} [{}], {}",
                match p.stance {
                    Stance::Challenging => ", re-keyed in place",
                    Stance::Settled => " from an earlier life",
                },
                h.key,
                h.kind.name()
            ),
            None => holding(holder, self.cluster),
        }
    }

    fn key(&self, key: Key) -> String {
        describe_key(key, self.cluster)
    }
}

/// "node 1 holds it (key …, type)", or "nobody holds it".
pub(crate) fn holding(holder: Option<Holder>, cluster: ClusterId) -> String {
    match holder {
        None => "nobody holds the reservation".to_owned(),
        Some(h) => format!("{} holds the reservation, {}", describe_key(h.key, cluster), h.kind.name()),
    }
}

/// A key in words, as seen from `cluster`.
pub(crate) fn describe_key(key: Key, cluster: ClusterId) -> String {
    match key.parts_in(cluster) {
        None => format!("foreign key {key}"),
        Some(p) => {
            let stance = match p.stance {
                Stance::Settled => "",
                Stance::Challenging => ", challenging",
            };
            format!("node {} life {}{stance} [{key}]", p.node, p.incarnation)
        }
    }
}

pub(crate) fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
