//! Chance that repeats: the same seed and name give the same draws, on every machine.

/// A stream of draws (`SplitMix64`). Each kind of fault draws from a stream of its own, so that
/// leaving one kind out does not move the others.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// The stream of a name under a seed.
    pub(super) fn of(seed: u64, name: &str) -> Self {
        // FNV-1a over the name, then one turn of the generator to spread near seeds.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut chance = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ hash);
        chance.draw();
        chance
    }

    /// The next 64 bits.
    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number in `[low, high]`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high.saturating_sub(low)).unwrap_or(0);
        let drawn = self.draw() % span.saturating_add(1).max(1);
        low.saturating_add(i64::try_from(drawn).unwrap_or(0))
    }

    /// True in so many of a thousand cases.
    pub(super) fn happens(&mut self, per_mille: u32) -> bool {
        self.draw() % 1000 < u64::from(per_mille)
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.happens(percent.saturating_mul(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_name_draw_the_same_and_others_do_not() {
        let draws = |seed, name| {
            let mut chance = Chance::of(seed, name);
            [chance.draw(), chance.draw(), chance.draw()]
        };
        assert_eq!(draws(7, "lost"), draws(7, "lost"));
        assert_ne!(draws(7, "lost"), draws(8, "lost"));
        assert_ne!(draws(7, "lost"), draws(7, "late"));
        let mut chance = Chance::of(1, "x");
        assert!((0..1000).all(|_| (3..=5).contains(&chance.between(3, 5))));
    }
}
