//! How late this node itself is, and a clock of the time in which it ran.
//!
//! A node that was not scheduled has no right to call others silent: nobody is blamed for time of the
//! [`Awake`] clock that did not pass. The clock runs with the real one while ticks come in time; a gap that
//! is longer than the tolerance counts only up to when the node should have run. Never goes back.

use std::time::Duration;

use arbitrate::time::Instant;

/// A point on the clock that stands still while this node is not scheduled, ns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct AwakeTime(u64);

impl AwakeTime {
    /// The point `ns` nanoseconds after the loop began.
    #[must_use]
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// Time awake from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// This node was not scheduled for longer than it tolerates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stall {
    /// How long it did not run beyond the tick that was due.
    pub lasted: Duration,
    /// How much of that the machine was suspended (CLOCK_BOOTTIME went on, CLOCK_MONOTONIC did not).
    pub suspended: Duration,
}

/// The clock. One a loop.
#[derive(Clone, Debug)]
pub struct Awake {
    tolerance: Duration,
    /// The last wake-up, on both clocks.
    woke: Instant,
    awake: u64,
    /// How much of the time before `woke` counted, back to the wake-up before it.
    counted: u64,
    suspended: Duration,
}

impl Awake {
    /// A clock for a loop that is stalled when it wakes later than `tolerance` after it should have.
    #[must_use]
    pub const fn new(now: Instant, tolerance: Duration, suspended: Duration) -> Self {
        Self { tolerance, woke: now, awake: 0, counted: 0, suspended }
    }

    /// The loop woke at `now`, and should have at `due`; `suspended` is CLOCK_BOOTTIME − CLOCK_MONOTONIC.
    /// Says if it was stalled.
    pub fn woke(&mut self, due: Instant, now: Instant, suspended: Duration) -> Option<Stall> {
        let late = now.since(due.max(self.woke));
        let stall = (late > self.tolerance)
            .then(|| Stall { lasted: late, suspended: suspended.saturating_sub(self.suspended) });
        let counts_until = if stall.is_some() { due.max(self.woke) } else { now };
        self.counted = nanos(counts_until.since(self.woke));
        self.awake = self.awake.saturating_add(self.counted);
        self.woke = now.max(self.woke);
        self.suspended = suspended;
        stall
    }

    /// The last wake-up on this clock.
    #[must_use]
    pub const fn now(&self) -> AwakeTime {
        AwakeTime(self.awake)
    }

    /// The last wake-up on the real clock.
    #[must_use]
    pub const fn woke_at(&self) -> Instant {
        self.woke
    }

    /// A point on this clock, as a real one: exact unless a stall comes in between.
    #[must_use]
    pub fn when(&self, t: AwakeTime) -> Instant {
        self.woke + t.since(self.now())
    }

    /// A real point in time since the wake-up before last, on this clock. What came within a stall is one
    /// tick old at the most.
    #[must_use]
    pub fn at(&self, t: Instant) -> AwakeTime {
        if t >= self.woke {
            return AwakeTime(self.awake);
        }
        let before = nanos(self.woke.since(t)).min(self.counted);
        AwakeTime(self.awake.saturating_sub(before))
    }
}

impl std::ops::Add<Duration> for AwakeTime {
    type Output = Self;

    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(nanos(d)))
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn clock() -> Awake {
        Awake::new(ms(0), Duration::from_millis(7), Duration::ZERO)
    }

    fn awake_ms(t: AwakeTime) -> u64 {
        t.0 / 1_000_000
    }

    #[test]
    fn it_runs_with_the_real_clock_while_ticks_come_in_time() {
        let mut c = clock();
        assert_eq!(c.woke(ms(10), ms(10), Duration::ZERO), None);
        assert_eq!(c.woke(ms(20), ms(27), Duration::ZERO), None, "7 ms late is tolerated");
        assert_eq!(awake_ms(c.now()), 27);
        assert_eq!(awake_ms(c.at(ms(20))), 20);
    }

    #[test]
    fn a_stall_does_not_count() {
        let mut c = clock();
        assert_eq!(c.woke(ms(10), ms(10), Duration::ZERO), None);
        let stall = c.woke(ms(20), ms(520), Duration::from_millis(300)).unwrap();
        assert_eq!(
            stall,
            Stall { lasted: Duration::from_millis(500), suspended: Duration::from_millis(300) }
        );
        assert_eq!(awake_ms(c.now()), 20);
        // What arrived within the stall is as fresh as the time awake since allows.
        assert_eq!(awake_ms(c.at(ms(300))), 10);
        assert_eq!(awake_ms(c.at(ms(515))), 15);
        assert_eq!(c.woke(ms(530), ms(530), Duration::from_millis(300)), None);
        assert_eq!(awake_ms(c.now()), 30);
    }

    #[test]
    fn it_never_goes_back() {
        let mut c = clock();
        c.woke(ms(10), ms(10), Duration::ZERO);
        let before = c.now();
        c.woke(ms(5), ms(5), Duration::ZERO);
        assert!(c.now() >= before && c.woke_at() == ms(10));
    }
}
