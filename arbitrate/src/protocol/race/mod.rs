//! The race over one quorum device, or an odd number of them (design section 6).
//!
//! ```text
//!   Delayed (weight) ─► Racing: a challenge on every device, their windows side by side;
//!      ▲                  │     seized one after the other, in the order of their identities
//!      │                  ├── a device lost ──► what was won is given back ──► Resting (random) ─┐
//!      └──────────────────┼──────────────────────────────────────────────────────────────────────┘
//!                         │ a majority of leases valid
//!                       Owning: lost, missing and returning devices are challenged anew
//!                         │ no majority of leases valid: what depends on ownership stops at once
//!                         │ … for one window: what is still held is given back
//!                       GivingBack ──► Over
//! ```
//!
//! Holds a [`Challenger`] or a [`Defender`] per device; a life and a deposition are one device's affair.
//! Invariant: owning is a majority of the *configured* devices' leases, valid now. A device that does not
//! answer delays no other. Must never count a device whose challenge was not won under a new key.

mod end;
mod roster;
mod seat;
mod tenure;
mod turns;
mod weight;

use std::time::Duration;

use arrayvec::ArrayVec;

use crate::key::Key;
use crate::protocol::challenger::ChallengeSetup;
use crate::protocol::defender::{DefenceSetup, Defender, Lease};
use crate::protocol::rules::{Rule, Rules};
use crate::protocol::timing::Timing;
use crate::protocol::wire::Event;
use crate::time::Instant;

pub use end::{RaceEnd, RaceNote, Standing};
pub use roster::{Configured, MAX_DEVICES, Roster, RosterError};
pub use seat::SeatNext;
use seat::{Luck, Play, Seat, Wanted};
use weight::Dice;
pub use weight::Weight;

/// What one event tells at the most: four notes of a device's life and two of the race, for every device.
const MAX_NOTES: usize = MAX_DEVICES * 6;

/// What a race starts from. Devices are counted from 0, in the order of a [`Roster`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RaceSetup {
    /// How many devices there are.
    pub configured: Configured,
    /// The timing, of every challenge and defence.
    pub timing: Timing,
    /// This node's weight.
    pub weight: Weight,
    /// Chance for the rests, different on every node.
    pub seed: u64,
    /// How many attempts are made before the race is given up.
    pub attempts: u8,
    /// The timeout a watchdog really has, where one is fed.
    pub watchdog: Option<Duration>,
    /// Every rule, outside of tests.
    pub rules: Rules,
}

/// What a race is told.
#[allow(clippy::large_enum_variant, reason = "nothing is allocated on the fencing path")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RaceEvent<'a> {
    /// On this device: the time waited for has come, or the command asked for has ended.
    /// [`Event::Release`] is of no effect here.
    Device(usize, Event<'a>),
    /// The device was found; a challenge begins from this. Its incarnation was never used before on it,
    /// and no command of an earlier life may still be outstanding on this nexus (design section 6: after
    /// an Unknown REGISTER or RESERVE none may follow).
    Found(usize, ChallengeSetup),
    /// The device could not be found, opened, identified, or a command of an earlier life is still
    /// outstanding.
    Missing(usize),
    /// The time [`Race::due`] told has come.
    Wake,
    /// The operator wants a clean end: give everything back.
    Release,
}

/// What came of an event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RaceStep {
    /// What happened, in order.
    pub notes: ArrayVec<RaceNote, MAX_NOTES>,
    /// What is to be done now, by device, where that has changed; all of it is [`Race::next`].
    pub actions: ArrayVec<(usize, SeatNext), MAX_DEVICES>,
}

impl RaceStep {
    fn tell(&mut self, n: RaceNote) {
        let _ = self.notes.try_push(n);
    }
}

/// One node's part in the race.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Race {
    setup: RaceSetup,
    seats: ArrayVec<Seat, MAX_DEVICES>,
    phase: Phase,
    dice: Dice,
    /// Attempts begun.
    attempts: u8,
    /// A device was lost in this attempt.
    fallen: bool,
    /// Issue of the reads behind the last confirmation by a majority, which fed the watchdog.
    fed: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    New,
    Delayed {
        until: Instant,
    },
    Racing,
    Resting {
        until: Instant,
    },
    /// `without`: since when no majority of leases is valid.
    Owning {
        without: Option<Instant>,
    },
    GivingBack(RaceEnd),
    Over(RaceEnd),
}

impl Race {
    /// A race that begins with the first [`RaceEvent::Wake`].
    #[must_use]
    pub fn new(setup: RaceSetup) -> Self {
        let seats = (0..setup.configured.count()).map(|_| Seat::new()).collect();
        let dice = Dice::new(setup.seed);
        Self { setup, seats, phase: Phase::New, dice, attempts: 0, fallen: false, fed: None }
    }

    /// A race whose challenges were won before, by another process of this host: goes on with the
    /// defence of these devices, and challenges for the others once it owns.
    #[must_use]
    pub fn taking_over(setup: RaceSetup, held: &[(usize, DefenceSetup)], now: Instant) -> Self {
        let mut race = Self::new(setup);
        race.phase = Phase::Racing;
        race.attempts = race.setup.attempts;
        for (i, s) in race.seats.iter_mut().enumerate() {
            s.asked = true;
            if let Some((_, setup)) = held.iter().find(|h| h.0 == i) {
                let setup = DefenceSetup { watchdog: None, ..setup.clone() };
                s.play = Play::Defending(Defender::new(setup, now));
                s.next = SeatNext::Wait(now);
                s.standing = Standing::Held;
            }
        }
        race
    }

    /// The one thing to do next on device `i`.
    #[must_use]
    pub fn next(&self, i: usize) -> SeatNext {
        self.seats.get(i).map_or(SeatNext::Idle, |s| s.next)
    }

    /// What device `i` came to so far.
    #[must_use]
    pub fn standing(&self, i: usize) -> Standing {
        self.seats.get(i).map_or(Standing::Untried, |s| s.standing)
    }

    /// The lease on device `i`, if it is valid at `now`.
    #[must_use]
    pub fn lease(&self, i: usize, now: Instant) -> Option<Lease> {
        self.seats.get(i)?.lease(now)
    }

    /// The key device `i` is defended under.
    #[must_use]
    pub fn key(&self, i: usize) -> Option<Key> {
        match &self.seats.get(i)?.play {
            Play::Defending(d) => Some(d.key()),
            Play::Empty | Play::Challenging(_) => None,
        }
    }

    /// Until when this node may believe that it owns; `None` if it may not.
    #[must_use]
    pub fn owns(&self, now: Instant) -> Option<Instant> {
        match self.phase {
            Phase::Owning { without: None } => self.stop_at(now).filter(|t| now < *t),
            _ => None,
        }
    }

    /// Whether every device is decided: held under a valid lease, over, or silent past a deadline.
    #[must_use]
    pub fn is_decided(&self, now: Instant) -> bool {
        self.seats.iter().all(|s| match &s.play {
            Play::Empty => true,
            Play::Defending(d) => d.lease(now).is_some(),
            Play::Challenging(_) => s.lets_others_pass(),
        })
    }

    /// How the race ended, once it did.
    #[must_use]
    pub const fn end(&self) -> Option<RaceEnd> {
        match self.phase {
            Phase::Over(end) => Some(end),
            _ => None,
        }
    }

    /// When to tell [`RaceEvent::Wake`] at the latest; what a device waits for is in [`Race::next`].
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Instant> {
        match self.phase {
            Phase::New => Some(now),
            Phase::Delayed { until } | Phase::Resting { until } => Some(until),
            Phase::Owning { without: None } => {
                let retries = self.seats.iter().filter(|s| s.is_empty() && s.next == SeatNext::Idle);
                let retry = retries.map(|s| s.retry_at.unwrap_or(now)).min();
                let stop = self.stop_at(now).unwrap_or(now);
                Some(retry.map_or(stop, |r| r.min(stop)))
            }
            Phase::Owning { without: Some(since) } if self.setup.rules.keep(Rule::MinorityGivesBack) => {
                Some(since + self.setup.timing.window())
            }
            Phase::Owning { without: Some(_) } => None,
            Phase::Racing | Phase::GivingBack(_) | Phase::Over(_) => None,
        }
    }

    /// Takes what happened and says what to do next.
    pub fn handle(&mut self, event: RaceEvent<'_>, now: Instant) -> RaceStep {
        let mut out = RaceStep::default();
        let before: ArrayVec<SeatNext, MAX_DEVICES> = self.seats.iter().map(|s| s.next).collect();
        let mut on = None;
        match event {
            RaceEvent::Device(i, e) => {
                on = Some(i);
                self.on_device(i, e, now, &mut out);
            }
            RaceEvent::Found(i, setup) => {
                on = Some(i);
                self.on_found(i, setup, now, &mut out);
            }
            RaceEvent::Missing(i) => self.on_missing(i, now, &mut out),
            RaceEvent::Wake => {}
            RaceEvent::Release => self.on_release(now, &mut out),
        }
        self.settle(now, &mut out);
        for (i, s) in self.seats.iter().enumerate() {
            if on == Some(i) || before[i] != s.next {
                let _ = out.actions.try_push((i, s.next));
            }
        }
        out
    }

    /// Does what is due for the race as a whole.
    fn settle(&mut self, now: Instant, out: &mut RaceStep) {
        self.align(now);
        match self.phase {
            Phase::New => self.delay(now, out),
            Phase::Delayed { until } if now >= until => self.begin(now, out),
            Phase::Resting { .. } if self.is_beaten() => self.phase = Phase::GivingBack(RaceEnd::Defended),
            Phase::Resting { until } if now >= until => self.delay(now, out),
            Phase::Racing => self.race(now, out),
            Phase::Owning { without: None } => self.own(now, out),
            Phase::Owning { without: Some(since) } => self.without_majority(since, now, out),
            Phase::Delayed { .. } | Phase::Resting { .. } | Phase::GivingBack(_) | Phase::Over(_) => {}
        }
        if let Phase::GivingBack(end) = self.phase
            && self.seats.iter().all(Seat::is_empty)
        {
            let beaten = end == RaceEnd::Outrun && self.is_beaten();
            self.phase = Phase::Over(if beaten { RaceEnd::Defended } else { end });
        }
    }

    fn delay(&mut self, now: Instant, out: &mut RaceStep) {
        let delay = self.setup.weight.delay(&self.setup.timing);
        if delay.is_zero() {
            return self.begin(now, out);
        }
        let until = now + delay;
        self.phase = Phase::Delayed { until };
        out.tell(RaceNote::Delayed { until });
    }

    fn begin(&mut self, now: Instant, out: &mut RaceStep) {
        self.attempts = self.attempts.saturating_add(1);
        self.fallen = false;
        self.phase = Phase::Racing;
        for s in &mut self.seats {
            s.asked = false;
            s.luck = Luck::Open;
        }
        out.tell(RaceNote::Attempt { number: self.attempts });
        self.race(now, out);
    }

    fn race(&mut self, now: Instant, out: &mut RaceStep) {
        // A device still busy with the last attempt joins when it has ended.
        for s in self.seats.iter_mut().filter(|s| s.is_empty() && !s.asked) {
            s.asked = true;
            // What a life of the last attempt came to afterwards is not this attempt's luck.
            s.luck = Luck::Open;
            s.next = SeatNext::Find;
            s.standing = Standing::Missing;
        }
        if self.fallen && self.setup.rules.keep(Rule::StandDownAtFirstLoss) {
            return self.stand_down(now, out);
        }
        if self.may_own(now) {
            return self.become_owner(now, out);
        }
        if self.seats.iter().filter(|s| s.is_in_reach()).count() < self.majority() {
            out.tell(RaceNote::StandingDown);
            return self.give_all_back(RaceEnd::NoMajority, now, out);
        }
        self.open_gates(now, out);
    }

    fn become_owner(&mut self, now: Instant, out: &mut RaceStep) {
        self.phase = Phase::Owning { without: None };
        if let (Some(until), Some(since)) = (self.stop_at(now), self.fed) {
            let feed_before = since + self.setup.timing.tick_budget();
            out.tell(RaceNote::Owned { until, feed_before });
        }
        self.open_gates(now, out);
    }

    fn own(&mut self, now: Instant, out: &mut RaceStep) {
        let new = self.confirmed_anew(now);
        let Some(until) = self.stop_at(now).filter(|t| now < *t) else {
            let leases = u8::try_from(self.leases(now)).unwrap_or(u8::MAX);
            self.phase = Phase::Owning { without: Some(now) };
            return out.tell(RaceNote::OwnershipEnded { leases });
        };
        if let Some(since) = self.fed.filter(|_| new) {
            let feed_before = since + self.setup.timing.tick_budget();
            out.tell(RaceNote::Confirmed { until, feed_before });
        }
        for s in self.seats.iter_mut().filter(|s| s.is_empty() && s.next == SeatNext::Idle) {
            if s.retry_at.is_none_or(|t| now >= t) {
                s.next = SeatNext::Find;
                s.luck = Luck::Open;
            }
        }
        self.open_gates(now, out);
    }

    fn without_majority(&mut self, since: Instant, now: Instant, out: &mut RaceStep) {
        if self.may_own(now) {
            return self.become_owner(now, out);
        }
        if now >= since + self.setup.timing.window() && self.setup.rules.keep(Rule::MinorityGivesBack) {
            out.tell(RaceNote::GivingUp);
            return self.give_all_back(RaceEnd::Deposed, now, out);
        }
        self.open_gates(now, out);
    }

    fn stand_down(&mut self, now: Instant, out: &mut RaceStep) {
        out.tell(RaceNote::StandingDown);
        if self.attempts >= self.setup.attempts {
            return self.give_all_back(RaceEnd::Outrun, now, out);
        }
        let until = now + self.dice.rest(&self.setup.timing);
        self.phase = Phase::Resting { until };
        self.leave_all(now, out);
        out.tell(RaceNote::Resting { until });
    }

    fn leave_all(&mut self, now: Instant, out: &mut RaceStep) {
        for i in 0..self.seats.len() {
            let won = matches!(self.seats[i].play, Play::Defending(_));
            let clinging = matches!(self.phase, Phase::Resting { .. })
                && !self.setup.rules.keep(Rule::GiveBackWhatWasWon);
            if !(won && clinging) {
                self.leave(i, now, out);
            }
        }
    }

    pub(super) fn give_all_back(&mut self, end: RaceEnd, now: Instant, out: &mut RaceStep) {
        self.phase = Phase::GivingBack(end);
        self.leave_all(now, out);
    }

    fn on_release(&mut self, now: Instant, out: &mut RaceStep) {
        let end = match self.phase {
            Phase::New | Phase::Delayed { .. } | Phase::Racing | Phase::Resting { .. } => RaceEnd::Withdrawn,
            Phase::Owning { without: None } => RaceEnd::Released,
            Phase::Owning { without: Some(_) } => RaceEnd::Deposed,
            Phase::GivingBack(_) | Phase::Over(_) => return,
        };
        out.tell(RaceNote::Releasing);
        self.give_all_back(end, now, out);
    }

    /// Whether a majority of the devices was lost to others in this attempt: a live owner, or as good
    /// as one.
    fn is_beaten(&self) -> bool {
        let lost = self.seats.iter().filter(|s| s.asked && s.luck == Luck::Lost).count();
        let held = self.seats.iter().any(|s| s.wanted == Wanted::Yes && !s.is_empty());
        lost >= self.setup.configured.majority() && !held
    }
}

#[cfg(test)]
mod tests;
