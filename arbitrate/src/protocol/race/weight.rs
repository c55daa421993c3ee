//! Who goes first, and how long a loser rests: a node's weight, and dice.

use std::time::Duration;

use crate::protocol::timing::Timing;

/// How much a node is worth in a race between challengers, 0 to [`Weight::MAX`]. It delays the start of
/// a challenge and nothing else: no weight beats a live owner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Weight(u8);

impl Weight {
    /// The heaviest: no delay.
    pub const MAX: u8 = 10;
    /// A node that never waits.
    pub const HEAVIEST: Self = Self(Self::MAX);

    /// A weight; `None` above [`Weight::MAX`].
    #[must_use]
    pub const fn new(w: u8) -> Option<Self> {
        if w <= Self::MAX { Some(Self(w)) } else { None }
    }

    /// How long the start of a challenge is delayed: for every step below the heaviest one tick's budget
    /// and one margin, which two challenges of healthy nodes never drift apart.
    #[must_use]
    pub fn delay(self, timing: &Timing) -> Duration {
        (timing.tick_budget() + timing.margin()) * u32::from(Self::MAX - self.0)
    }
}

/// Chance, from a seed given from outside (splitmix64).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The rest between two attempts: at least one tick's budget, at most one window more.
    pub(super) fn rest(&mut self, timing: &Timing) -> Duration {
        // In 256 steps of a window: two losers that draw different ones are further apart than a
        // command takes.
        let steps = u32::from(self.roll().to_be_bytes()[0]);
        timing.tick_budget() + timing.window() * steps / 256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::timing::Profile;

    #[test]
    fn a_step_of_weight_is_worth_a_budget_and_a_margin() {
        let t = Timing::profile(Profile::Classic);
        assert_eq!(Weight::HEAVIEST.delay(&t), Duration::ZERO);
        assert_eq!(Weight::new(8).unwrap().delay(&t), Duration::from_secs(2));
        assert_eq!(Weight::new(11), None);
    }

    #[test]
    fn a_rest_is_bounded_and_differs_by_seed() {
        let t = Timing::profile(Profile::Classic);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let rest = Dice::new(seed).rest(&t);
            assert!(rest >= t.tick_budget() && rest < t.tick_budget() + t.window(), "{rest:?}");
            seen.insert(rest);
        }
        assert!(seen.len() > 50, "{} different rests of 100", seen.len());
    }
}
