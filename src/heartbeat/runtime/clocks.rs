//! The three clocks of a tick, read together.

use std::time::Duration;

use arbitrate::time::Instant;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

/// What the clocks showed at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clocks {
    /// CLOCK_BOOTTIME.
    pub now: Instant,
    /// CLOCK_REALTIME, ns: what the kernel stamps datagrams with.
    real: u64,
    /// CLOCK_BOOTTIME − CLOCK_MONOTONIC: how long the machine was suspended since its boot.
    pub suspended: Duration,
}

impl Clocks {
    /// Reads them.
    #[must_use]
    pub fn read() -> Self {
        let boot = read(ClockId::CLOCK_BOOTTIME);
        let real = read(ClockId::CLOCK_REALTIME);
        let monotonic = read(ClockId::CLOCK_MONOTONIC);
        // Read one after another they differ by less than a millisecond even where nothing was suspended.
        let apart = Duration::from_nanos(boot.saturating_sub(monotonic));
        let suspended = if apart < Duration::from_millis(1) { Duration::ZERO } else { apart };
        Self { now: Instant::from_nanos(boot), real, suspended }
    }

    /// A stamp of the kernel's, on CLOCK_BOOTTIME; wrong by as much as CLOCK_REALTIME was set in between.
    #[must_use]
    pub const fn of_stamp(&self, stamp: Duration) -> Instant {
        let ago = self.real.saturating_sub(nanos(stamp));
        Instant::from_nanos(self.now.as_nanos().saturating_sub(ago))
    }
}

/// Sleeps until `t`; returns early only if a signal comes.
pub(super) fn sleep_until(t: Instant) {
    let d = Duration::from_nanos(t.as_nanos());
    let _ = clock_nanosleep(
        ClockId::CLOCK_BOOTTIME,
        ClockNanosleepFlags::TIMER_ABSTIME,
        &TimeSpec::from_duration(d),
    );
}

fn read(id: ClockId) -> u64 {
    // Cannot fail for clocks every kernel has.
    let t = clock_gettime(id).unwrap_or(TimeSpec::new(0, 0));
    nanos(Duration::from(t))
}

const fn nanos(d: Duration) -> u64 {
    d.as_secs().saturating_mul(1_000_000_000).saturating_add(d.subsec_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_as_old_as_it_says() {
        let c = Clocks { now: Instant::from_nanos(5_000), real: 1_000_000, suspended: Duration::ZERO };
        assert_eq!(c.of_stamp(Duration::from_nanos(999_000)), Instant::from_nanos(4_000));
        assert_eq!(c.of_stamp(Duration::from_nanos(2_000_000)), c.now, "from the future: now");
        assert_eq!(
            c.of_stamp(Duration::ZERO),
            Instant::from_nanos(0),
            "from before the boot: clamped by the node"
        );
    }

    #[test]
    fn sleeping_until_the_past_returns_at_once_and_until_the_future_in_it() {
        let before = Clocks::read().now;
        sleep_until(Instant::from_nanos(0));
        let until = Clocks::read().now + Duration::from_millis(2);
        sleep_until(until);
        assert!(Clocks::read().now >= until && until > before);
    }
}
