//! The defender of legacy mode: RESERVE(6) every tick, until told to stop or deposed.
//!
//! ```text
//!   Waiting ──tick──► RESERVE(6) ──GOOD──► Waiting, a lease from the issue of this RESERVE
//!      ▲  ▲             │  │  │
//!      │  │             │  │  └─RESERVATION CONFLICT──► Deposed
//!      │  │             │  └─unit attention──► RESERVE(6) again at once (the defence)
//!      │  └─BUSY, Unknown (Missed)
//!      │
//!      ├─lease over (or the watchdog near), whatever is under way──► Expired
//!      └─asked to stop──► lease dropped, RELEASE(6) ──GOOD──► Released
//! ```
//!
//! Invariant: a lease is given only by a RESERVE(6) that was issued while the lease before was valid. Must
//! never reserve afterwards: an owner that slept through its lease finds the disk free after somebody
//! else's reset, and would take it from the one who owns it now.

use std::time::Duration;

use super::end::{LegacyDefenceEnd, LegacyDefenceNote, Stray, Strays};
use crate::codec::Sense;
use crate::protocol::defender::{FedWatchdog, Lease, Miss};
use crate::protocol::rules::{Rule, Rules};
use crate::protocol::timing::Timing;
use crate::protocol::wire::{Command, Event, Next, NoAnswer, Reply, Step};
use crate::time::Instant;

type Out = Step<LegacyDefenceNote, LegacyDefenceEnd>;

/// Unit attentions met in one tick at the most: a target queues one a kind.
const ATTENTIONS: u8 = 16;

/// What a defence starts from: the lease of a challenge that was won.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LegacyDefenceSetup {
    /// The end of that lease; it is not prolonged by being handed over.
    pub until: Instant,
    /// The timing.
    pub timing: Timing,
    /// The watchdog, where one is fed.
    pub watchdog: Option<FedWatchdog>,
    /// Every rule, outside of tests.
    pub rules: Rules,
}

/// An owner of one device.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LegacyDefender {
    setup: LegacyDefenceSetup,
    phase: Phase,
    lease: Option<Lease>,
    /// The end of the last lease.
    lease_end: Instant,
    /// Issue of the RESERVE(6) behind the last watchdog feed.
    fed: Option<Instant>,
    /// When the tick under way was due: ticks keep their rhythm.
    due: Instant,
    strays: Strays,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    Waiting { until: Instant },
    Reserving { s: Instant, ends: Instant, attentions: u8 },
    Releasing { until: Instant },
    ReleasePause { until: Instant, resume: Instant },
    Over,
}

impl LegacyDefender {
    /// A defence that begins at `now`; its first tick is due at once.
    #[must_use]
    pub fn new(setup: LegacyDefenceSetup, now: Instant) -> Self {
        let lease = Lease { from: now, until: setup.until };
        let fed = setup.watchdog.map(|w| w.fed);
        let (phase, lease_end) = (Phase::Waiting { until: now }, setup.until);
        Self { setup, phase, lease: Some(lease), lease_end, fed, due: now, strays: Strays::default() }
    }

    /// The lease, if it is valid at `now`: the only ground on which a node may believe that it owns
    /// the device.
    #[must_use]
    pub fn lease(&self, now: Instant) -> Option<Lease> {
        self.lease.filter(|l| now < l.until)
    }

    /// When everything that depends on ownership begins to stop unless a tick confirms before: the end
    /// of the lease, or earlier where a watchdog would bite first.
    #[must_use]
    pub fn stop_at(&self) -> Instant {
        match (self.setup.watchdog, self.fed) {
            (Some(w), Some(fed)) => self.lease_end.min(fed + w.timeout - self.setup.timing.margin()),
            _ => self.lease_end,
        }
    }

    /// Begins: the first tick is due at once.
    pub fn start(&mut self, now: Instant) -> Out {
        self.handle(Event::Wake, now)
    }

    /// Takes what happened and says what to do next. [`Event::Release`] stands for [`Event::Wake`]:
    /// it begins the clean end, for which the lease is dropped first.
    pub fn handle(&mut self, event: Event<'_>, now: Instant) -> Out {
        match self.phase {
            Phase::Waiting { .. } | Phase::Reserving { .. } => self.on_duty(event, now),
            Phase::Releasing { .. } | Phase::ReleasePause { .. } => self.on_release(event, now),
            Phase::Over => {
                let stray = self.strays.at(now);
                Step::new(Next::End(LegacyDefenceEnd::Expired { last: None, stray }))
            }
        }
    }

    fn on_duty(&mut self, event: Event<'_>, now: Instant) -> Out {
        if let Event::Reply(Reply::Unknown(why)) = event {
            self.strays.add(why, now);
        }
        if now >= self.stop_at() && self.setup.rules.keep(Rule::LegacyExpiredStaysOut) {
            return self.expired(now);
        }
        match (self.phase, event) {
            (Phase::Waiting { .. }, Event::Release) => self.release(now),
            (Phase::Waiting { until }, _) if now >= until => self.tick(until, now),
            (Phase::Waiting { until }, _) => self.wait(until),
            (Phase::Reserving { s, ends, attentions }, Event::Reply(r)) => match r {
                Reply::Good => self.confirmed(s, now),
                Reply::Conflict => self.end(LegacyDefenceEnd::Deposed { stray: self.strays.at(now) }),
                Reply::Attention(sense) => self.on_attention(sense, ends, attentions, now),
                Reply::Unknown(why) => self.missed(Miss::Unanswered(why), now),
                Reply::Refused(why) => self.missed(Miss::Refused(why), now),
                Reply::Keys(_) | Reply::Reservation(_) | Reply::Head(_) => {
                    self.missed(Miss::Unanswered(NoAnswer::Malformed), now)
                }
            },
            (_, _) => self.wait(now + self.setup.timing.tick_budget()),
        }
    }

    /// `t`, or the stop if that is earlier.
    fn in_time(&self, t: Instant) -> Instant {
        if self.setup.rules.keep(Rule::LegacyExpiredStaysOut) { t.min(self.stop_at()) } else { t }
    }

    fn wait(&self, until: Instant) -> Out {
        Step::new(Next::Wait(self.in_time(until)))
    }

    fn tick(&mut self, due: Instant, now: Instant) -> Out {
        // A late tick does not make the ones after it come faster.
        self.due = if now.since(due) < self.setup.timing.tick_budget() { due } else { now };
        self.reserve(now + self.setup.timing.tick_budget(), 0, now)
    }

    fn reserve(&mut self, ends: Instant, attentions: u8, now: Instant) -> Out {
        self.phase = Phase::Reserving { s: now, ends, attentions };
        Step::new(Next::Issue { command: Command::Reserve6, deadline: self.in_time(ends) })
    }

    /// The RESERVE was not executed and a reset may have freed the disk: reserve again before another
    /// does, with a budget of its own where this tick's is used up.
    fn on_attention(&mut self, sense: Sense, ends: Instant, met: u8, now: Instant) -> Out {
        if met >= ATTENTIONS {
            return self.missed(Miss::Refused(NoAnswer::Restless), now);
        }
        let ends = if now < ends { ends } else { now + self.setup.timing.tick_budget() };
        self.reserve(ends, met + 1, now).note(LegacyDefenceNote::Attention(sense))
    }

    fn confirmed(&mut self, s: Instant, now: Instant) -> Out {
        let t = self.setup.timing;
        let from = if self.setup.rules.keep(Rule::LeaseFromIssue) { s } else { now };
        let lease = Lease { from, until: from + t.lease() };
        self.lease = Some(lease);
        self.lease_end = lease.until;
        // A later feed could let the watchdog bite after a challenger's window (design section 6).
        let feed_before = s + t.tick_budget();
        if now < feed_before {
            self.fed = Some(s);
        }
        if now >= self.stop_at() && self.setup.rules.keep(Rule::LegacyExpiredStaysOut) {
            return self.expired(now);
        }
        let until = (self.due + t.tick()).max(now);
        self.phase = Phase::Waiting { until };
        self.wait(until).note(LegacyDefenceNote::Confirmed { lease, feed_before })
    }

    /// No success: tried again after a pause, at the latest when the next tick is due, until the lease
    /// ends. RESERVE may be repeated by its holder: it changes nothing that was not so before.
    fn missed(&mut self, why: Miss, now: Instant) -> Out {
        let until = (now + self.pause()).min(self.due + self.setup.timing.tick()).max(now);
        self.phase = Phase::Waiting { until };
        self.wait(until).note(LegacyDefenceNote::Missed { why, stop_at: self.stop_at() })
    }

    fn pause(&self) -> Duration {
        self.setup.timing.tick_budget()
    }

    fn expired(&mut self, now: Instant) -> Out {
        self.end(LegacyDefenceEnd::Expired { last: self.lease, stray: self.strays.at(now) })
    }

    fn end(&mut self, end: LegacyDefenceEnd) -> Out {
        self.lease = None;
        self.phase = Phase::Over;
        Step::new(Next::End(end))
    }
}

/// The clean end.
impl LegacyDefender {
    fn release(&mut self, now: Instant) -> Out {
        self.lease = None;
        self.give(now + self.setup.timing.window(), now).note(LegacyDefenceNote::Releasing)
    }

    fn give(&mut self, until: Instant, now: Instant) -> Out {
        self.phase = Phase::Releasing { until };
        Step::new(Next::Issue { command: Command::Release6, deadline: now + self.setup.timing.tick() })
    }

    fn on_release(&mut self, event: Event<'_>, now: Instant) -> Out {
        match (self.phase, event) {
            (Phase::Releasing { .. }, Event::Reply(Reply::Good)) => self.end(match self.strays.at(now) {
                Stray::None => LegacyDefenceEnd::Released,
                Stray::Possible => LegacyDefenceEnd::ReleaseUnproven,
            }),
            // Only another's reservation lets RELEASE conflict, on targets that let it conflict at all.
            (Phase::Releasing { until }, Event::Reply(_)) if now >= until => {
                self.end(LegacyDefenceEnd::ReleaseUnproven)
            }
            (Phase::Releasing { until }, Event::Reply(_)) => {
                let resume = now + self.pause();
                self.phase = Phase::ReleasePause { until, resume };
                Step::new(Next::Wait(resume))
            }
            (Phase::ReleasePause { until, resume }, _) if now >= resume => self.give(until, now),
            (Phase::ReleasePause { resume, .. }, _) => Step::new(Next::Wait(resume)),
            _ => Step::new(Next::Wait(now + self.setup.timing.tick())),
        }
    }
}
