//! The one place where the clock is read.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Time since boot, by CLOCK_BOOTTIME.
#[must_use]
pub fn now() -> Duration {
    // Cannot fail for a clock that every kernel since 2.6.39 has.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::MAX, Duration::from)
}

/// Seconds since 1970, UTC: what signatures are dated with. It may jump; nothing is timed by it.
#[must_use]
pub fn unix_s() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs())
}
