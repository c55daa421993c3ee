//! All chance of a scenario, from one seed.

/// A small generator (SplitMix64): the same numbers from the same seed, everywhere and for ever.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// From a seed; near seeds give unrelated numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// At least `from`, below `to`; `from` where nothing lies between.
    pub const fn between(&mut self, from: u64, to: u64) -> u64 {
        let span = to.saturating_sub(from);
        let bits = self.bits();
        if span == 0 { from } else { from + bits % span }
    }

    /// One of `n` things, by its place.
    pub fn place(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        usize::try_from(self.between(0, n)).unwrap_or(0)
    }

    /// Whether what happens in `per_mille` of a thousand cases happens.
    pub const fn happens(&mut self, per_mille: u64) -> bool {
        self.between(0, 1000) < per_mille
    }

    /// Another generator, so that what one part draws does not shift what another does.
    pub const fn fork(&mut self) -> Self {
        Self(self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_within_their_bounds() {
        let (mut a, mut b) = (Chance::new(7), Chance::new(7));
        for _ in 0..1000 {
            let n = a.between(3, 9);
            assert_eq!(n, b.between(3, 9));
            assert!((3..9).contains(&n));
        }
        assert_eq!(a.between(5, 5), 5);
        assert!(!a.happens(0) && a.happens(1000));
    }
}
