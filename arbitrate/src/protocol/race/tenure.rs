//! Owning: a majority of the configured devices' leases valid now, and what follows from it.
//!
//! Any two majorities of the configured devices share one, and on that one only one lease is valid at a
//! time: so only one node owns. With a watchdog, ownership is believed only where a majority was
//! confirmed so lately that the watchdog, fed now, bites before a challenger's window ends.

use arrayvec::ArrayVec;

use super::seat::{Play, Seat};
use super::{MAX_DEVICES, Race};
use crate::protocol::rules::Rule;
use crate::time::Instant;

impl Race {
    /// The least number of leases that is a majority.
    pub(super) fn majority(&self) -> usize {
        if self.setup.rules.keep(Rule::MajorityOfConfigured) {
            return self.setup.configured.majority();
        }
        self.seats.iter().filter(|s| !s.is_empty()).count() / 2 + 1
    }

    /// How many leases are valid at `now`.
    #[must_use]
    pub fn leases(&self, now: Instant) -> usize {
        self.seats.iter().filter(|s| s.lease(now).is_some()).count()
    }

    /// Until when a majority of leases is valid unless more is confirmed; `None` if none is.
    #[must_use]
    pub fn majority_until(&self, now: Instant) -> Option<Instant> {
        let mut ends: ArrayVec<Instant, MAX_DEVICES> =
            self.seats.iter().filter_map(|s| s.lease(now)).map(|l| l.until).collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        ends.get(self.majority().checked_sub(1)?).copied()
    }

    /// Since when: the issue of the oldest of the reads a majority of leases rests on. Counted back from
    /// their ends, so that a lease that was handed over is as old as it is.
    pub(super) fn majority_since(&self, now: Instant) -> Option<Instant> {
        self.majority_until(now).map(|until| until - self.setup.timing.lease())
    }

    /// When everything that depends on ownership begins to stop unless a majority confirms before:
    /// with the majority of leases, or earlier where a watchdog would bite first.
    pub(super) fn stop_at(&self, now: Instant) -> Option<Instant> {
        let end = self.majority_until(now)?;
        Some(match (self.setup.watchdog, self.fed) {
            (Some(timeout), Some(fed)) => end.min(fed + timeout - self.setup.timing.margin()),
            _ => end,
        })
    }

    /// Whether this node may come to believe that it owns, now. Where a watchdog would bite too late for
    /// that, the devices are asked again, all at once.
    pub(super) fn may_own(&mut self, now: Instant) -> bool {
        let Some(since) = self.majority_since(now) else { return false };
        if self.setup.watchdog.is_none() || self.is_fresh(since, now) {
            self.fed = Some(since);
            return true;
        }
        self.beat_all_at(now);
        false
    }

    fn is_fresh(&self, since: Instant, now: Instant) -> bool {
        now < since + self.setup.timing.tick_budget() || !self.setup.rules.keep(Rule::FeedOnMajority)
    }

    /// Whether a majority confirmed anew, since the last time this was so.
    pub(super) fn confirmed_anew(&mut self, now: Instant) -> bool {
        let Some(since) = self.majority_since(now) else { return false };
        // Devices that tick together confirm one after the other: that is one confirmation.
        let new = self.fed.is_none_or(|fed| since >= fed + self.setup.timing.tick() / 2);
        let counts = new && (self.setup.watchdog.is_none() || self.is_fresh(since, now));
        if counts {
            self.fed = Some(since);
        }
        counts
    }

    /// Brings the ticks of all devices to one beat, the earliest: a majority is as old as its oldest
    /// confirmation.
    pub(super) fn align(&mut self, now: Instant) {
        // A beat that has come is its own device's: the others keep the next one.
        let Some(beat) = self.seats.iter().filter_map(|s| s.beat).filter(|b| *b > now).min() else { return };
        self.beat_all_at(beat);
    }

    fn beat_all_at(&mut self, at: Instant) {
        for s in &mut self.seats {
            let Seat { play: Play::Defending(d), beat: Some(beat), .. } = s else { continue };
            if at < *beat
                && let Some(step) = d.sooner(at)
            {
                s.beat = Some(at);
                s.next = super::turns::next_of(step.next);
            }
        }
    }
}
