//! Faults at random, the same ones for the same seed as long as the requests come in the same order.

use std::collections::HashMap;

use super::fault::{Fault, Point};

/// How often something befalls a request to the token endpoint, and what. Scripted answers go first.
#[derive(Clone, Debug)]
pub struct Weather {
    rate: f64,
    before_reading: Vec<Fault>,
    once_read: Vec<Fault>,
    random: Random,
    /// How often something may befall the redemptions of one refresh token, and how often it has.
    sparing: Option<(u32, HashMap<String, u32>)>,
}

impl Weather {
    /// One of these befalls a request, each as likely as the others; the rate is from 0 (none ever does) to 1.
    pub fn new(seed: u64, rate: f64, faults: impl IntoIterator<Item = Fault>) -> Self {
        let (before_reading, once_read) =
            faults.into_iter().partition(|fault| fault.point == Point::BeforeReading);
        Self { rate: rate.clamp(0.0, 1.0), before_reading, once_read, random: Random(seed), sparing: None }
    }

    /// The same, but so often at most does something befall the redemptions of one refresh token once they are read:
    /// no client can help it when a server that forgives once is given two lost answers.
    #[must_use]
    pub fn sparing(mut self, times: u32) -> Self {
        self.sparing = Some((times, HashMap::new()));
        self
    }

    /// Reads `SEED:RATE`, such as `7:0.2`, for all faults.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = || {
            let (seed, rate) = text.split_once(':')?;
            let rate: f64 = rate.parse().ok().filter(|rate| (0.0..=1.0).contains(rate))?;
            Some(Self::new(seed.parse().ok()?, rate, Fault::all()))
        };
        read().ok_or_else(|| {
            format!("faults {text:?} are not SEED:RATE with a rate from 0 to 1, such as 7:0.2")
        })
    }

    pub(super) fn before_reading(&mut self) -> Option<Fault> {
        let chance = self.rate * self.share_before_reading();
        self.random.happens(chance).then(|| self.random.pick(&self.before_reading)).flatten()
    }

    /// The chance of a request that nothing has befallen before.
    pub(super) fn once_read(&mut self, refresh_token: Option<&str>) -> Option<Fault> {
        let before = self.rate * self.share_before_reading();
        let chance = if before < 1.0 { (self.rate - before) / (1.0 - before) } else { 0.0 };
        let fault = self.random.happens(chance).then(|| self.random.pick(&self.once_read)).flatten()?;
        if let (Some((most, befallen)), Some(refresh_token)) = (&mut self.sparing, refresh_token) {
            let times = befallen.entry(refresh_token.to_owned()).or_default();
            *times += 1;
            return (*times <= *most).then_some(fault);
        }
        Some(fault)
    }

    #[expect(clippy::cast_precision_loss, reason = "there are few kinds of faults")]
    fn share_before_reading(&self) -> f64 {
        let (before, after) = (self.before_reading.len() as f64, self.once_read.len() as f64);
        if before + after > 0.0 { before / (before + after) } else { 0.0 }
    }
}

/// SplitMix64: small, and good enough for weather.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    fn happens(&mut self, chance: f64) -> bool {
        ((self.next() >> 11) as f64) < chance * (1_u64 << 53) as f64
    }

    fn pick(&mut self, faults: &[Fault]) -> Option<Fault> {
        let index = self.next().checked_rem(faults.len() as u64)?;
        faults.get(usize::try_from(index).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What befalls so many requests.
    fn befall(weather: &mut Weather, requests: usize) -> Vec<Option<Fault>> {
        (0..requests).map(|_| weather.before_reading().or_else(|| weather.once_read(None))).collect()
    }

    #[test]
    fn the_rate_is_kept_and_every_fault_comes_up() {
        let mut weather = Weather::new(7, 0.2, Fault::all());
        let befallen = befall(&mut weather, 20_000);
        let hit = befallen.iter().flatten().count();
        assert!((3_800..4_200).contains(&hit), "{hit}");
        for fault in Fault::all() {
            let times = befallen.iter().filter(|other| **other == Some(fault)).count();
            assert!((20..90).contains(&times), "{fault:?} {times} times");
        }
    }

    #[test]
    fn the_same_seed_brings_the_same_weather() {
        let befallen = |seed| befall(&mut Weather::new(seed, 0.5, Fault::all()), 100);
        assert_eq!(befallen(1), befallen(1));
        assert_ne!(befallen(1), befallen(2));
    }

    #[test]
    fn fair_and_foul_weather_are_certain() {
        let commits = || Fault::all().filter(|fault| fault.commits());
        assert!(befall(&mut Weather::new(1, 0.0, Fault::all()), 100).iter().all(Option::is_none));
        assert!(befall(&mut Weather::new(1, 1.0, Fault::all()), 100).iter().all(Option::is_some));
        assert!(
            befall(&mut Weather::new(1, 1.0, commits()), 100).iter().flatten().all(|fault| fault.commits())
        );
        assert!(befall(&mut Weather::new(1, 1.0, []), 100).iter().all(Option::is_none));
    }

    #[test]
    fn a_refresh_token_can_be_spared() {
        let mut weather =
            Weather::new(1, 1.0, Fault::all().filter(|fault| fault.point != Point::BeforeReading));
        assert!((0..9).all(|_| weather.once_read(Some("r1")).is_some()));
        let mut weather = weather.sparing(2);
        let befallen =
            |weather: &mut Weather, text| (0..9).filter_map(|_| weather.once_read(Some(text))).count();
        assert_eq!((befallen(&mut weather, "r1"), befallen(&mut weather, "r2")), (2, 2));
        assert!((0..9).all(|_| weather.once_read(None).is_some()));
    }

    #[test]
    fn only_a_seed_and_a_rate_are_understood() {
        assert!(Weather::parse("7:0.25").is_ok());
        for text in ["", "7", "7:", ":0.1", "7:1.5", "7:-0.1", "7:NaN", "x:0.1"] {
            assert!(Weather::parse(text).is_err(), "{text}");
        }
    }
}
