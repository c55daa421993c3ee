//! What a race tells, as lines for people and for programs; and what the service manager is told.

use std::time::Duration;

use arbitrate::codec::Sense;
use arbitrate::protocol::{ChallengeNote, DefenceNote, RaceNote};
use arbitrate::runtime::executor::Sent;
use arbitrate::runtime::realtime;
use arbitrate::time::Instant;
use sd_notify::NotifyState;
use serde_json::json;

use super::words;
use crate::cli::defend::quiet::{Quiet, Reports};
use crate::cli::defend::ring::Reader;
use crate::cli::output::Output;
use crate::cli::timeline::{Timeline, millis};

/// What the keeper tells.
#[derive(Clone, Copy)]
pub(super) enum Message {
    Race(Instant, RaceNote),
    Sent(usize, Sent),
    Attention(Instant, usize, Sense),
    Realtime(realtime::Report),
    /// A majority again after a stop that is not proven.
    HoldingOn(Instant),
}

/// Whether a service manager is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Yes,
    No,
}

/// Prints what the keeper tells.
pub(super) struct Log<'a> {
    pub(super) timeline: Timeline,
    /// The devices' names, by their place in the race.
    pub(super) names: &'a [&'static str],
    pub(super) service: Service,
    pub(super) ready: bool,
    /// Ownership ended once: a majority that comes back is no ownership of this run.
    pub(super) ended: bool,
    /// What was printed last of each device, and of the whole after them.
    pub(super) quiet: Vec<Quiet>,
}

/// For so many devices and the whole.
pub(super) fn quiet(devices: usize, every: Reports, out: Output) -> Vec<Quiet> {
    (0..=devices).map(|_| Quiet::new(every, out)).collect()
}

impl Log<'_> {
    /// Whether it is worth a line.
    fn said(&mut self, at: Instant, note: &RaceNote) -> bool {
        let place = match note {
            RaceNote::Defence(i, DefenceNote::Confirmed { .. }) => *i,
            RaceNote::Confirmed { .. } => self.names.len(),
            _ => {
                self.quiet.iter_mut().for_each(Quiet::other);
                return true;
            }
        };
        self.quiet.get_mut(place).is_none_or(|q| q.confirmed(at))
    }

    pub(super) fn follow<T>(&mut self, reader: &Reader<Message>, thread: &std::thread::JoinHandle<T>) {
        let mut over = false;
        while !over {
            // Asked before the ring is emptied: what came before the end is printed.
            over = thread.is_finished() || reader.closed();
            reader.drain(&mut |m| self.print(&m));
            if !over {
                reader.wait(Duration::from_secs(1));
            }
        }
        if let n @ 1.. = reader.lost() {
            self.timeline.out.talk(&format!("arbitrate: {n} log lines were lost: the log could not keep up"));
        }
    }

    fn name(&self, i: usize) -> &'static str {
        self.names.get(i).copied().unwrap_or("?")
    }

    fn print(&mut self, m: &Message) {
        match m {
            Message::Race(at, note) => {
                self.ended |= matches!(note, RaceNote::OwnershipEnded { .. });
                if self.service == Service::Yes {
                    self.notify(note);
                }
                if self.said(*at, note) {
                    self.race(*at, note);
                }
            }
            Message::Sent(i, s) => self.timeline.out.talk(&crate::cli::words::sent(self.name(*i), s)),
            Message::Attention(at, i, s) => {
                let fields = json!({ "asc": s.asc, "ascq": s.ascq });
                let on = self.timeline.on(self.name(*i));
                on.say(*at, "unit-attention", &format!("told by the target: {s}"), fields);
            }
            Message::HoldingOn(at) => self.timeline.say(
                *at,
                "holding-on",
                "a majority again, but --on-deposed did not prove that everything is stopped: the devices are NOT given back, so that no other node starts it a second time; stop it by hand, then end this program",
                json!({}),
            ),
            Message::Realtime(report) => {
                for line in report.lines() {
                    self.timeline.out.talk(&format!("arbitrate: {line}"));
                }
            }
        }
    }

    fn race(&self, at: Instant, note: &RaceNote) {
        let t = self.timeline;
        let of = self.names.len();
        let left = |until: Instant| until.since(at).as_secs_f64();
        let ms = |until: Instant| millis(until.since(t.start));
        match *note {
            RaceNote::Challenge(i, n) => t.on(self.name(i)).challenge(at, &n),
            RaceNote::Defence(i, n) => t.on(self.name(i)).defence(at, &n),
            RaceNote::Settled(i, standing) => {
                let (result, words) = words::standing(self.name(i), t.cluster, &standing, None);
                let text = format!("{}: {words}", result.to_uppercase());
                t.on(self.name(i)).say(at, "settled", &text, json!({ "result": result }));
            }
            RaceNote::Delayed { until } => t.say(
                at,
                "delayed",
                &format!("for this node's weight: {:.3} s before it challenges", left(until)),
                json!({ "until_ms": ms(until) }),
            ),
            RaceNote::Attempt { number } => {
                t.say(
                    at,
                    "attempt",
                    &format!("attempt {number}: challenging for {of} devices"),
                    json!({ "number": number }),
                );
            }
            RaceNote::Owned { .. } if self.ended => t.say(
                at,
                "majority-again",
                &format!("a majority of {of} devices is confirmed again; what was stopped stays stopped"),
                json!({}),
            ),
            RaceNote::Owned { until, .. } => t.say(
                at,
                "owned",
                &format!(
                    "OWNED: a majority of {of} devices is confirmed; valid for {:.3} s more",
                    left(until)
                ),
                json!({ "until_ms": ms(until) }),
            ),
            RaceNote::Confirmed { until, .. } => t.say(
                at,
                "majority-confirmed",
                &format!("owned: a majority confirmed; valid for {:.3} s more", left(until)),
                json!({ "until_ms": ms(until) }),
            ),
            RaceNote::OwnershipEnded { leases } => t.say(
                at,
                "ownership-ended",
                &format!("NOT OWNED any more: {leases} of {of} leases valid, no majority; stopping"),
                json!({ "leases": leases, "configured": of }),
            ),
            RaceNote::GivingUp => t.say(
                at,
                "giving-up",
                "no majority for one window: giving back what is still held",
                json!({}),
            ),
            RaceNote::StandingDown => {
                t.say(at, "race-standing-down", "standing down: giving back what was won", json!({}));
            }
            RaceNote::Resting { until } => t.say(
                at,
                "resting",
                &format!("next attempt in {:.3} s", left(until)),
                json!({ "until_ms": ms(until) }),
            ),
            RaceNote::Releasing => {
                t.say(at, "race-releasing", "a clean end: giving every device back", json!({}));
            }
        }
    }

    /// A service manager that cannot be told is not worth stopping for.
    fn notify(&mut self, note: &RaceNote) {
        let owned = NotifyState::Status(if self.ended {
            "a majority again, after the stop: nothing is owned"
        } else {
            "owned, a majority confirmed"
        });
        let states: &[NotifyState<'_>] = match note {
            RaceNote::Owned { .. } if !self.ready => {
                self.ready = true;
                &[NotifyState::Ready, owned, NotifyState::Watchdog]
            }
            RaceNote::Owned { .. } | RaceNote::Confirmed { .. } => &[owned, NotifyState::Watchdog],
            RaceNote::Challenge(_, ChallengeNote::Observed { .. }) if !self.ready => {
                &[NotifyState::Status("challenging")]
            }
            RaceNote::Defence(_, DefenceNote::Missed { .. }) if self.ready => {
                &[NotifyState::Status("a device confirmed nothing in its last tick")]
            }
            RaceNote::Defence(_, DefenceNote::Challenged { .. }) => {
                &[NotifyState::Status("defending against a challenge")]
            }
            RaceNote::OwnershipEnded { .. } => {
                &[NotifyState::Stopping, NotifyState::Status("no majority: stopping")]
            }
            RaceNote::Releasing => &[NotifyState::Stopping, NotifyState::Status("releasing")],
            _ => return,
        };
        let _ = sd_notify::notify(states);
    }
}

#[cfg(test)]
mod tests {
    use arbitrate::key::ClusterId;
    use arbitrate::protocol::Lease;

    use super::*;

    fn log(out: Output) -> Log<'static> {
        let timeline = Timeline::new(Instant::default(), ClusterId::of_name("t"), out);
        let quiet = quiet(2, Reports { report_every_s: 60 }, out);
        Log { timeline, names: &["a", "b"], service: Service::No, ready: false, ended: false, quiet }
    }

    #[test]
    fn confirmations_are_printed_first_after_a_change_and_now_and_then() {
        let s = |n| Instant::default() + Duration::from_secs(n);
        let lease = Lease { from: s(0), until: s(7) };
        let on = |i| RaceNote::Defence(i, DefenceNote::Confirmed { lease, feed_before: s(0) });
        let whole = RaceNote::Confirmed { until: s(7), feed_before: s(0) };
        let mut people = log(Output { json: false, verbose: false });
        for note in [on(0), on(1), whole] {
            assert!(people.said(s(0), &note), "the first of each");
            assert!((1..20).all(|i| !people.said(s(3 * i), &note)));
            assert!(people.said(s(60), &note));
        }
        assert!(people.said(s(61), &RaceNote::GivingUp), "nothing but a confirmation is swallowed");
        assert!(people.said(s(63), &on(1)) && people.said(s(63), &whole), "after a change it is news");
        let mut programs = log(Output { json: true, verbose: false });
        assert!((0..5).all(|i| programs.said(s(i), &on(0)) && programs.said(s(i), &whole)));
    }
}
