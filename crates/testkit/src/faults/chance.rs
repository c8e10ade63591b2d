//! Random numbers that can be drawn again from the same seed (SplitMix64).

use std::time::Duration;

/// A sequence of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

/// A seed that nobody can foresee.
pub(super) fn seed() -> u64 {
    let bytes = ring::rand::generate::<[u8; 8]>(&ring::rand::SystemRandom::new());
    u64::from_le_bytes(bytes.expect("the system's random numbers never run out").expose())
}

impl Chance {
    /// The sequence of a seed, for one use of it.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        Self(seed ^ purpose.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// The next number.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of so many, each as likely as any other.
    pub(super) fn below(&mut self, count: u64) -> u64 {
        self.bits() % count.max(1)
    }

    /// A moment within this time, to the microsecond.
    pub(super) fn within(&mut self, longest: Duration) -> Duration {
        Duration::from_micros(self.below(longest.as_micros() as u64 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_and_moments_are_spread() {
        let (mut one, mut same) = (Chance::new(7, 1), Chance::new(7, 1));
        assert_eq!([one.bits(), one.bits()], [same.bits(), same.bits()]);
        assert_ne!(Chance::new(7, 1).bits(), Chance::new(7, 2).bits());
        let longest = Duration::from_millis(10);
        let moments: Vec<_> = (0..1000).map(|_| one.within(longest)).collect();
        assert!(moments.iter().all(|moment| *moment <= longest));
        let early = moments.iter().filter(|moment| **moment < longest / 2).count();
        assert!((400..600).contains(&early), "{early}");
    }
}
