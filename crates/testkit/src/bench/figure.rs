//! What a figure is: values from many rounds, and the bar it is to reach.

use serde::Serialize;

/// A figure to be measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    pub(super) bar: Bar,
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    /// Times the baseline.
    Ratio,
    Milliseconds,
    Mebibytes,
    PerMinute,
    Count,
}

impl Unit {
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Ratio => "x",
            Self::Milliseconds => " ms",
            Self::Mebibytes => " MiB",
            Self::PerMinute => "/min",
            Self::Count => "",
        }
    }
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

/// A figure that was measured.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) figure: Figure,
    pub(super) about: String,
    pub(super) spread: Spread,
    /// The absolute values behind it, for people.
    pub(super) detail: String,
}

/// The middle and the ends of some values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
    pub(super) rounds: usize,
}

impl Figure {
    /// Takes the values of all rounds.
    pub(super) fn measured(self, rounds: &[f64], detail: String) -> Measured {
        Measured { figure: self, about: String::new(), spread: Spread::of(rounds), detail }
    }
}

impl Measured {
    /// Says of what it was measured.
    pub(super) fn about(self, about: &str) -> Self {
        Self { about: about.to_owned(), ..self }
    }

    pub(super) fn name(&self) -> String {
        if self.about.is_empty() {
            self.figure.name.to_owned()
        } else {
            format!("{}, {}", self.figure.name, self.about)
        }
    }

    pub(super) fn reached(&self) -> bool {
        match self.figure.bar {
            Bar::AtMost(bar) => self.spread.median <= bar,
            Bar::AtLeast(bar) => self.spread.median >= bar,
        }
    }
}

impl Spread {
    /// Without values it is no number, which reaches no bar.
    pub(super) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        Self {
            median: middle(&sorted),
            lowest: end(sorted.first()),
            highest: end(sorted.last()),
            rounds: sorted.len(),
        }
    }
}

/// The median of values in any order.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    middle(values)
}

fn middle(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURE: Figure = Figure { name: "f", unit: Unit::Ratio, bar: Bar::AtMost(1.5) };

    #[test]
    fn the_median_stands_in_the_middle() {
        assert_eq!(
            Spread::of(&[3.0, 1.0, 2.0]),
            Spread { median: 2.0, lowest: 1.0, highest: 3.0, rounds: 3 }
        );
        assert!((median(&mut [4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_bar_is_reached_from_the_right_side() {
        assert!(FIGURE.measured(&[1.4, 9.0, 1.5], String::new()).reached());
        assert!(!FIGURE.measured(&[1.4, 9.0, 1.6], String::new()).reached());
        let least = Figure { bar: Bar::AtLeast(0.7), ..FIGURE };
        assert!(least.measured(&[0.7], String::new()).reached());
        assert!(!least.measured(&[0.69], String::new()).reached());
    }

    #[test]
    fn nothing_measured_reaches_nothing() {
        assert!(!FIGURE.measured(&[], String::new()).reached());
    }
}
