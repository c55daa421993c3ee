//! A distribution in a few numbers.

use std::time::Duration;

/// Percentiles of a measured quantity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spread {
    /// How many values.
    pub count: usize,
    /// Half of them are below.
    pub p50: Duration,
    /// 99 of 100 are below.
    pub p99: Duration,
    /// 9,999 of 10,000 are below.
    pub p9999: Duration,
    /// None is above.
    pub max: Duration,
}

impl Spread {
    /// Of these values; all zero if there are none.
    #[must_use]
    pub fn of(values: &mut [Duration]) -> Self {
        values.sort_unstable();
        let at = |parts: usize| {
            let place = (values.len() * parts).div_ceil(10_000).saturating_sub(1);
            values.get(place).copied().unwrap_or_default()
        };
        Self { count: values.len(), p50: at(5_000), p99: at(9_900), p9999: at(9_999), max: at(10_000) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        assert_eq!(Spread::of(&mut []), Spread::default());
        let mut one = [Duration::from_millis(3)];
        assert_eq!(Spread::of(&mut one).p50, one[0]);
        let mut many: Vec<Duration> = (1..=1_000).rev().map(Duration::from_micros).collect();
        let s = Spread::of(&mut many);
        assert_eq!((s.p50, s.p99), (Duration::from_micros(500), Duration::from_micros(990)));
        assert_eq!((s.p9999, s.max), (Duration::from_micros(1_000), Duration::from_micros(1_000)));
    }
}
