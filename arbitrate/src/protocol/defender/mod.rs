//! The defender: confirms a reservation every tick and stops the moment it cannot (design section 6).
//!
//! ```text
//!            ┌────────────── next tick, or sooner after an unanswered one ──────────────┐
//!   Waiting ─┴► READ KEYS at s ──another's flagged key──► PREEMPT it ──► READ KEYS, a new s
//!                  │ own key gone ──► Deposed                                   │
//!               READ RESERVATION ◄──────────────────────────────────────────────┘
//!                  │ holder is me: confirmed, the lease runs to s + window − margin
//!                  │ holder is not me ──► Deposed
//!   any time: lease (or watchdog) about to end ──► Expired
//!   Release in Waiting: (clean-release mark written, read back ─►) RELEASE ─► REGISTER 0 ─► READ KEYS ─► Released
//! ```
//!
//! Invariant: a lease is valid only on the word of a READ KEYS issued at its beginning that showed the
//! own settled key and no other flagged key of the cluster. Must never register: once the key is gone,
//! this life is over.

mod end;

use std::time::Duration;

use crate::codec::pr::{Abort, Aptpl, KeysView, PrOut, Preempt, ReadReservation, ReservationType};
use crate::codec::quorum::{Formatted, Mark, Record, Tenure};
use crate::key::{ClusterId, Key, Stance};
use crate::protocol::rules::{Rule, Rules};
use crate::protocol::timing::Timing;
use crate::protocol::wire::{Command, Event, Next, NoAnswer, Reply, Step};
use crate::time::Instant;

pub use end::{DefenceEnd, DefenceNote, Deposition, Lease, Miss};

type Out = Step<DefenceNote, DefenceEnd>;

/// What a defence starts from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DefenceSetup {
    /// The settled key that holds the reservation.
    pub key: Key,
    /// The cluster whose challenges are meant.
    pub cluster: ClusterId,
    /// The reservation's type.
    pub kind: ReservationType,
    /// What the registration asked for. The last REGISTER decides for every registrant, the one that
    /// unregisters included (SPC-4 6.16.3): another value would take persistence from the others.
    pub aptpl: Aptpl,
    /// The timing.
    pub timing: Timing,
    /// The watchdog, where one is fed.
    pub watchdog: Option<FedWatchdog>,
    /// How the defence begins.
    pub first: FirstLease,
    /// The tenure that is held, where the device is formatted: a clean release marks it as ended.
    pub tenure: Option<HeldTenure>,
    /// Every rule, outside of tests.
    pub rules: Rules,
}

/// A tenure of a formatted device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HeldTenure {
    /// How the device is formatted.
    pub on: Formatted,
    /// The tenure, as it was read back.
    pub tenure: Tenure,
}

/// A watchdog that is armed when the defence begins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FedWatchdog {
    /// The timeout it really has.
    pub timeout: Duration,
    /// When it was last fed.
    pub fed: Instant,
}

/// What is known of a lease when a defence begins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FirstLease {
    /// None: a challenge was just won. If no tick confirms within one lease, it is over.
    FromTick,
    /// A `challenge` of this host confirmed one that runs until then; it is not prolonged by being
    /// handed over.
    Until(Instant),
}

/// A holder on one device.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Defender {
    setup: DefenceSetup,
    phase: Phase,
    lease: Option<Lease>,
    /// The first stop, before anything was confirmed.
    first_end: Instant,
    /// Issue of the READ KEYS behind the last watchdog feed.
    fed: Option<Instant>,
    /// When the tick under way was due: ticks keep their rhythm.
    due: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    Waiting { until: Instant },
    Tick { asked: Asked, ends: Instant },
    Marking(HeldTenure),
    ProvingMark(HeldTenure),
    Releasing,
    Unregistering,
    ProvingGone { until: Instant },
    ProvingPause { until: Instant, resume: Instant },
    Over,
}

/// What a tick waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Asked {
    Keys {
        s: Instant,
    },
    Holder {
        s: Instant,
    },
    Defence,
    /// Only where the rule against it is broken on purpose.
    Registering,
}

impl Defender {
    /// A defence that begins at `now`; its first tick is due at once.
    #[must_use]
    pub fn new(setup: DefenceSetup, now: Instant) -> Self {
        let lease = match setup.first {
            FirstLease::Until(until) => Some(Lease { from: now, until }),
            FirstLease::FromTick if setup.rules.keep(Rule::LeaseFromTick) => None,
            FirstLease::FromTick => Some(Lease { from: now, until: now + setup.timing.lease() }),
        };
        let first_end = now + setup.timing.lease();
        let fed = setup.watchdog.map(|w| w.fed);
        Self { setup, phase: Phase::Waiting { until: now }, lease, first_end, fed, due: now }
    }

    /// The lease, if it is valid at `now`: the only ground on which a node may believe that it owns
    /// the device.
    #[must_use]
    pub fn lease(&self, now: Instant) -> Option<Lease> {
        self.lease.filter(|l| now < l.until)
    }

    /// The key defended.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.setup.key
    }

    /// When everything that depends on ownership begins to stop unless a tick confirms before: the end
    /// of the lease, or earlier where a watchdog would bite first.
    #[must_use]
    pub fn stop_at(&self) -> Instant {
        let lease_end = self.lease.map_or(self.first_end, |l| l.until);
        match (self.setup.watchdog, self.fed) {
            (Some(w), Some(fed)) => lease_end.min(fed + w.timeout - self.setup.timing.margin()),
            _ => lease_end,
        }
    }

    /// Brings the next tick forward to `at`, if one is waited for and `at` is sooner: the ticks of
    /// several devices keep one rhythm. `None` if nothing changes.
    pub fn sooner(&mut self, at: Instant) -> Option<Out> {
        match self.phase {
            Phase::Waiting { until } if at < until => {
                self.phase = Phase::Waiting { until: at };
                Some(self.wait(at))
            }
            _ => None,
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
            Phase::Waiting { .. } | Phase::Tick { .. } => self.on_duty(event, now),
            Phase::Marking(_)
            | Phase::ProvingMark(_)
            | Phase::Releasing
            | Phase::Unregistering
            | Phase::ProvingGone { .. }
            | Phase::ProvingPause { .. } => self.on_release(event, now),
            Phase::Over => Step::new(Next::End(DefenceEnd::Expired { last: None })),
        }
    }

    fn on_duty(&mut self, event: Event<'_>, now: Instant) -> Out {
        if now >= self.stop_at() {
            return self.end(DefenceEnd::Expired { last: self.lease });
        }
        match (self.phase, event) {
            (Phase::Waiting { .. }, Event::Release) => self.release(now),
            (Phase::Waiting { until }, _) if now >= until => self.tick(until, now),
            (Phase::Waiting { until }, _) => self.wait(until),
            (Phase::Tick { asked, ends }, Event::Reply(r)) => self.on_tick(asked, ends, r, now),
            (_, _) => self.wait(now + self.setup.timing.tick_budget()),
        }
    }

    fn wait(&self, until: Instant) -> Out {
        Step::new(Next::Wait(until.min(self.stop_at())))
    }

    fn tick(&mut self, due: Instant, now: Instant) -> Out {
        // A late tick does not make the ones after it come faster.
        self.due = if now.since(due) < self.setup.timing.tick_budget() { due } else { now };
        self.read_keys(now + self.setup.timing.tick_budget(), now)
    }

    fn read_keys(&mut self, ends: Instant, now: Instant) -> Out {
        self.ask(Asked::Keys { s: now }, Command::ReadKeys, ends)
    }

    fn ask(&mut self, asked: Asked, command: Command, ends: Instant) -> Out {
        self.phase = Phase::Tick { asked, ends };
        Step::new(Next::Issue { command, deadline: ends.min(self.stop_at()) })
    }

    fn on_tick(&mut self, asked: Asked, ends: Instant, r: Reply<'_>, now: Instant) -> Out {
        match (asked, r) {
            (Asked::Keys { s }, Reply::Keys(v)) => self.on_keys(s, ends, v, now),
            (Asked::Holder { s }, Reply::Reservation(r)) => self.on_holder(s, r, now),
            // However the PREEMPT ended, only a later read can confirm.
            (Asked::Defence, _) if now < ends => self.read_keys(ends, now),
            (Asked::Defence, _) => self.missed(Miss::OutOfTime, now),
            (Asked::Registering, _) if now < ends => self.read_keys(ends, now),
            (Asked::Registering, _) => self.missed(Miss::OutOfTime, now),
            (_, Reply::Unknown(why)) => self.missed(Miss::Unanswered(why), now),
            (_, Reply::Refused(why)) => self.missed(Miss::Refused(why), now),
            (_, Reply::Conflict) => self.missed(Miss::Refused(NoAnswer::Barred), now),
            (_, _) => self.missed(Miss::Unanswered(NoAnswer::Malformed), now),
        }
    }

    fn on_keys(&mut self, s: Instant, ends: Instant, v: KeysView<'_>, now: Instant) -> Out {
        if !v.contains(self.setup.key) {
            if !self.setup.rules.keep(Rule::DeposedStaysOut) {
                let out = PrOut::register(Key::default(), self.setup.key, Aptpl::No);
                return self.ask(Asked::Registering, Command::Out(out), ends);
            }
            return self.deposed(Deposition::KeyGone);
        }
        match v.iter().find(|k| self.challenges(*k)) {
            Some(_) if now >= ends => self.missed(Miss::OutOfTime, now),
            Some(challenger) => {
                let p = Preempt {
                    own: self.setup.key,
                    victim: challenger,
                    kind: self.setup.kind,
                    abort: Abort::No,
                };
                self.ask(Asked::Defence, Command::Out(PrOut::preempt(p)), ends)
                    .note(DefenceNote::Challenged { by: challenger })
            }
            None => self.ask(Asked::Holder { s }, Command::ReadReservation, ends),
        }
    }

    /// Any flagged key of the cluster is a challenge, this node's own number included: whoever
    /// registered it counts a window that must not end while a lease is valid.
    fn challenges(&self, key: Key) -> bool {
        key.parts_in(self.setup.cluster).is_some_and(|p| p.stance == Stance::Challenging)
    }

    fn on_holder(&mut self, s: Instant, r: ReadReservation, now: Instant) -> Out {
        match r.holder {
            Some(h) if h.key == self.setup.key => self.confirmed(s, now),
            holder => self.deposed(Deposition::AnotherHolder(holder)),
        }
    }

    fn confirmed(&mut self, s: Instant, now: Instant) -> Out {
        let t = self.setup.timing;
        let from = if self.setup.rules.keep(Rule::LeaseFromIssue) { s } else { now };
        let lease = Lease { from, until: from + t.lease() };
        self.lease = Some(lease);
        // A later feed could let the watchdog bite after a challenger's window (design section 6).
        let feed_before = s + t.tick_budget();
        if now < feed_before {
            self.fed = Some(s);
        }
        if now >= self.stop_at() {
            return self.end(DefenceEnd::Expired { last: self.lease });
        }
        let until = (self.due + t.tick()).max(now);
        self.phase = Phase::Waiting { until };
        self.wait(until).note(DefenceNote::Confirmed { lease, feed_before })
    }

    /// No usable answer: tried again after a pause, at the latest when the next tick is due, until the
    /// lease ends. Any later, and a single miss could cost the lease (`window ≥ 2·tick + …`).
    fn missed(&mut self, why: Miss, now: Instant) -> Out {
        let t = self.setup.timing;
        let until = (now + t.tick_budget()).min(self.due + t.tick()).max(now);
        self.phase = Phase::Waiting { until };
        self.wait(until).note(DefenceNote::Missed { why, stop_at: self.stop_at() })
    }

    fn deposed(&mut self, how: Deposition) -> Out {
        self.end(DefenceEnd::Deposed { how })
    }

    fn end(&mut self, end: DefenceEnd) -> Out {
        self.lease = None;
        self.phase = Phase::Over;
        Step::new(Next::End(end))
    }
}

/// The clean end.
impl Defender {
    fn release(&mut self, now: Instant) -> Out {
        if self.setup.rules.keep(Rule::LeaseDroppedBeforeMark) {
            self.lease = None;
        }
        match self.setup.tenure {
            None => self.give_back(now),
            // Written while this node still holds: once another has reserved, the target refuses it.
            Some(held) => {
                self.phase = Phase::Marking(held);
                let mark = Record::Mark(Mark { of: held.tenure });
                self.give(Command::WriteRecord(held.on, mark), now)
            }
        }
        .note(DefenceNote::Releasing)
    }

    fn give_back(&mut self, now: Instant) -> Out {
        self.phase = Phase::Releasing;
        self.give(Command::Out(PrOut::release(self.setup.key, self.setup.kind)), now)
    }

    fn give(&self, command: Command, now: Instant) -> Out {
        Step::new(Next::Issue { command, deadline: now + self.setup.timing.tick() })
    }

    fn on_release(&mut self, event: Event<'_>, now: Instant) -> Out {
        match (self.phase, event) {
            (Phase::Marking(held), Event::Reply(_)) => {
                self.phase = Phase::ProvingMark(held);
                self.give(Command::ReadHead(held.on), now)
            }
            // Without a mark the next one waits a window: that is all.
            (Phase::ProvingMark(held), Event::Reply(r)) => {
                let of = held.tenure;
                let marked = matches!(r, Reply::Head(h) if h.tenure == of && h.released());
                let note = if marked { DefenceNote::Marked(of) } else { DefenceNote::NotMarked(of) };
                self.give_back(now).note(note)
            }
            // However RELEASE ended, unregistering the holder releases too (SPC-4 5.12.11.2.2).
            (Phase::Releasing, Event::Reply(_)) => {
                self.phase = Phase::Unregistering;
                let out = PrOut::register(self.setup.key, Key::default(), self.setup.aptpl);
                self.give(Command::Out(out), now)
            }
            (Phase::Unregistering, Event::Reply(_)) => self.prove(now + self.setup.timing.window(), now),
            (Phase::ProvingGone { .. }, Event::Reply(Reply::Keys(v))) if !v.contains(self.setup.key) => {
                self.end(DefenceEnd::Released)
            }
            (Phase::ProvingGone { until }, Event::Reply(_)) if now >= until => {
                self.end(DefenceEnd::ReleaseUnproven)
            }
            (Phase::ProvingGone { until }, Event::Reply(_)) => {
                let resume = now + self.setup.timing.tick_budget();
                self.phase = Phase::ProvingPause { until, resume };
                Step::new(Next::Wait(resume))
            }
            (Phase::ProvingPause { until, resume }, _) if now >= resume => self.prove(until, now),
            (Phase::ProvingPause { resume, .. }, _) => Step::new(Next::Wait(resume)),
            _ => Step::new(Next::Wait(now + self.setup.timing.tick())),
        }
    }

    fn prove(&mut self, until: Instant, now: Instant) -> Out {
        self.phase = Phase::ProvingGone { until };
        let deadline = now + self.setup.timing.tick();
        Step::new(Next::Issue { command: Command::ReadKeys, deadline })
    }
}

#[cfg(test)]
mod tests;
