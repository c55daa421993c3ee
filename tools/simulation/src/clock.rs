//! A node's clock: runs at its own speed from its own beginning.

use arbitrate::time::Instant;

const MILLION: u128 = 1_000_000;

/// How a node's clock relates to true time, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct NodeClock {
    /// True time when the machine was booted.
    booted: u64,
    /// Parts per million of true speed, near 1,000,000.
    speed_ppm: u64,
}

impl NodeClock {
    /// A clock of a machine booted at `booted`.
    #[must_use]
    pub const fn new(booted: u64, speed_ppm: u64) -> Self {
        Self { booted, speed_ppm }
    }

    /// The same clock after a boot.
    #[must_use]
    pub const fn rebooted(self, at: u64) -> Self {
        Self { booted: at, ..self }
    }

    /// What it shows at a true time.
    #[must_use]
    pub fn shows(self, at: u64) -> Instant {
        let run = u128::from(at.saturating_sub(self.booted));
        let shown = run * u128::from(self.speed_ppm) / MILLION;
        // A machine is up for a second before anything of ours runs.
        Instant::from_nanos(u64::try_from(shown).unwrap_or(u64::MAX).saturating_add(1_000_000_000))
    }

    /// The first true time at which it shows `what` or more.
    #[must_use]
    pub fn when(self, what: Instant) -> u64 {
        let shown = u128::from(what.as_nanos().saturating_sub(1_000_000_000));
        let run = (shown * MILLION).div_ceil(u128::from(self.speed_ppm));
        self.booted.saturating_add(u64::try_from(run).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for ppm in [950_000, 1_000_000, 1_049_999] {
            let c = NodeClock::new(17, ppm);
            for at in [17, 18, 1_000_003, 98_765_432_101] {
                let when = c.when(c.shows(at));
                assert!(when <= at && at - when <= 1, "{ppm} {at} {when}");
                assert!(c.shows(when) >= c.shows(at));
            }
        }
    }
}
