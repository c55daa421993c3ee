//! When an address is announced although nothing happened.
//!
//! A switch forgets in five minutes where a silent host is, a router in hours; a host that only answers is silent.

use std::time::Duration;

/// The soonest a refresh follows the one before.
pub const REFRESH_SOONEST: Duration = Duration::from_secs(60);
/// The latest.
pub const REFRESH_MOST: Duration = Duration::from_secs(100);

/// Chance from a seed (SplitMix64); for spreading, never for secrets.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From one refresh to the next: even over the whole span.
    pub(super) fn refresh(&mut self) -> Duration {
        let span = u64::try_from((REFRESH_MOST - REFRESH_SOONEST).as_millis()).unwrap_or(0);
        REFRESH_SOONEST + Duration::from_millis(self.draw() % span.max(1))
    }
}
