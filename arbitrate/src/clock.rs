//! The kernel's clock, for devices and the runtime. Protocols are told the time and never ask here.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use crate::time::Instant;

/// Now, by CLOCK_BOOTTIME: goes on while the machine is suspended and is never set.
#[must_use]
pub fn now() -> Instant {
    // Cannot fail for a clock that every kernel since 2.6.39 has; the end of time would make every
    // deadline pass and every lease end at once, which is the safe side of the two.
    let t = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap_or(TimeSpec::new(i64::MAX, 0));
    let ns = i128::from(t.tv_sec()) * 1_000_000_000 + i128::from(t.tv_nsec());
    Instant::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
}
