//! The timing profiles and the arithmetic that makes them safe (design section 6).
//!
//! A [`Timing`] exists only if it keeps the rules: protocols need not check again.

use std::time::Duration;

/// How coarse a watchdog counts: most drivers count whole seconds.
pub const WATCHDOG_GRANULARITY: Duration = Duration::from_secs(1);

/// Timing values before they are checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TimingSpec {
    /// How often a holder confirms its reservation.
    pub tick: Duration,
    /// Bounds a whole tick: every command, retry and defence in it.
    pub tick_budget: Duration,
    /// Holds clock drift and the time a stop takes.
    pub margin: Duration,
    /// How long a challenger waits.
    pub window: Duration,
    /// The watchdog timeout this profile wants; `None` where no watchdog is that fine.
    pub watchdog: Option<Duration>,
}

/// Timing values that keep the rules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Timing(TimingSpec);

/// The profiles that come with the program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Profile {
    /// 3 s tick, 7 s window.
    Classic,
    /// 1 s tick, 6 s window: slow, emulated machines.
    Lab,
    /// 200 ms tick, 600 ms window, no watchdog.
    Fast,
}

/// A rule that timing values break, with the arithmetic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// The holder could miss a tick and yet have a valid lease when the challenger's window ends.
    #[error(
        "window {window:?} is too short: window ≥ 2·tick + tick_budget + margin = 2·{tick:?} + {tick_budget:?} + \
         {margin:?} = {need:?}"
    )]
    Window {
        /// The window.
        window: Duration,
        /// The tick.
        tick: Duration,
        /// The tick's budget.
        tick_budget: Duration,
        /// The margin.
        margin: Duration,
        /// The least window.
        need: Duration,
    },
    /// The watchdog could bite after the challenger's window has ended.
    #[error(
        "watchdog {watchdog:?} is too long: watchdog + 1 s granularity + tick_budget + margin ≤ window, but \
         {watchdog:?} + 1s + {tick_budget:?} + {margin:?} = {sum:?} > {window:?}"
    )]
    WatchdogLong {
        /// The watchdog's timeout.
        watchdog: Duration,
        /// The tick's budget.
        tick_budget: Duration,
        /// The margin.
        margin: Duration,
        /// The left side.
        sum: Duration,
        /// The window.
        window: Duration,
    },
    /// The watchdog could bite between two healthy ticks.
    #[error(
        "watchdog {watchdog:?} is too short: watchdog > tick + tick_budget = {tick:?} + {tick_budget:?} = {need:?}"
    )]
    WatchdogShort {
        /// The watchdog's timeout.
        watchdog: Duration,
        /// The tick.
        tick: Duration,
        /// The tick's budget.
        tick_budget: Duration,
        /// The right side.
        need: Duration,
    },
    /// A tick that cannot hold its own budget, or a zero.
    #[error("tick, tick_budget and margin must be above zero and tick_budget at most tick: {0:?}")]
    Senseless(TimingSpec),
}

impl Timing {
    /// Checks the rules of design section 6.
    ///
    /// # Errors
    /// The first rule broken, with the arithmetic in its text.
    pub fn new(spec: TimingSpec) -> Result<Self, TimingError> {
        let TimingSpec { tick, tick_budget, margin, window, watchdog } = spec;
        if tick.is_zero() || tick_budget.is_zero() || margin.is_zero() || tick_budget > tick {
            return Err(TimingError::Senseless(spec));
        }
        let need = tick * 2 + tick_budget + margin;
        if window < need {
            return Err(TimingError::Window { window, tick, tick_budget, margin, need });
        }
        if let Some(watchdog) = watchdog {
            let sum = watchdog + WATCHDOG_GRANULARITY + tick_budget + margin;
            if sum > window {
                return Err(TimingError::WatchdogLong { watchdog, tick_budget, margin, sum, window });
            }
            let need = tick + tick_budget;
            if watchdog <= need {
                return Err(TimingError::WatchdogShort { watchdog, tick, tick_budget, need });
            }
        }
        Ok(Self(spec))
    }

    /// A built-in profile. That each keeps the rules is asserted by a test.
    #[must_use]
    pub const fn profile(p: Profile) -> Self {
        const fn ms(v: u64) -> Duration {
            Duration::from_millis(v)
        }
        Self(match p {
            Profile::Classic => TimingSpec {
                tick: ms(3000),
                tick_budget: ms(500),
                margin: ms(500),
                window: ms(7000),
                watchdog: Some(ms(5000)),
            },
            Profile::Lab => TimingSpec {
                tick: ms(1000),
                tick_budget: ms(1000),
                margin: ms(500),
                window: ms(6000),
                watchdog: Some(ms(3000)),
            },
            Profile::Fast => TimingSpec {
                tick: ms(200),
                tick_budget: ms(100),
                margin: ms(100),
                window: ms(600),
                watchdog: None,
            },
        })
    }

    /// The same with the watchdog timeout the hardware really has.
    ///
    /// # Errors
    /// As [`Timing::new`]: a timeout the driver rounded may break a rule.
    pub fn with_watchdog(self, real: Duration) -> Result<Self, TimingError> {
        Self::new(TimingSpec { watchdog: Some(real), ..self.0 })
    }

    /// Values nobody checked, for the model checker to break a rule with.
    #[cfg(feature = "teeth")]
    #[must_use]
    pub const fn unchecked(spec: TimingSpec) -> Self {
        Self(spec)
    }

    /// The values.
    #[must_use]
    pub const fn spec(&self) -> TimingSpec {
        self.0
    }

    pub(super) const fn tick(&self) -> Duration {
        self.0.tick
    }

    pub(super) const fn tick_budget(&self) -> Duration {
        self.0.tick_budget
    }

    pub(super) const fn margin(&self) -> Duration {
        self.0.margin
    }

    pub(super) const fn window(&self) -> Duration {
        self.0.window
    }

    /// What a lease lasts from the issue of the read that gave it.
    pub(super) const fn lease(&self) -> Duration {
        self.0.window.saturating_sub(self.0.margin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(v: u64) -> Duration {
        Duration::from_millis(v)
    }

    #[test]
    fn the_profiles_keep_the_rules() {
        for p in [Profile::Classic, Profile::Lab, Profile::Fast] {
            let t = Timing::profile(p);
            assert_eq!(Timing::new(t.spec()), Ok(t), "{p:?}");
        }
    }

    #[test]
    fn one_millisecond_less_is_refused_with_the_arithmetic() {
        let classic = Timing::profile(Profile::Classic).spec();
        let short = Timing::new(TimingSpec { window: ms(6999), watchdog: None, ..classic }).unwrap_err();
        assert_eq!(
            short.to_string(),
            "window 6.999s is too short: window ≥ 2·tick + tick_budget + margin = 2·3s + 500ms + 500ms = 7s"
        );
        let long = Timing::profile(Profile::Classic).with_watchdog(ms(5001)).unwrap_err();
        assert_eq!(
            long.to_string(),
            "watchdog 5.001s is too long: watchdog + 1 s granularity + tick_budget + margin ≤ window, but \
             5.001s + 1s + 500ms + 500ms = 7.001s > 7s"
        );
        let early = Timing::profile(Profile::Classic).with_watchdog(ms(3500)).unwrap_err();
        assert!(matches!(early, TimingError::WatchdogShort { .. }), "{early}");
        assert!(Timing::new(TimingSpec { margin: ms(0), ..classic }).is_err());
        assert!(Timing::new(TimingSpec { tick_budget: ms(3001), ..classic }).is_err());
    }
}
