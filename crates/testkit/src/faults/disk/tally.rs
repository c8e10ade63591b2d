//! What the cases of a campaign came to.

use std::time::Duration;

use anyhow::Result;

use super::stage::{HEALING, TELLING};
use crate::faults::Figure;

/// The cases of one campaign: how many there were, what went wrong, and how long telling and healing took.
pub(super) struct Tally {
    name: &'static str,
    tried: usize,
    broken: Vec<String>,
    telling: Duration,
    healing: Duration,
}

impl Tally {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, tried: 0, broken: Vec::new(), telling: Duration::ZERO, healing: Duration::ZERO }
    }

    /// Takes what one case came to: how long the daemon took to tell that the disk refuses, and to be well again.
    pub(super) fn take(&mut self, case: impl Into<String>, outcome: Result<(Duration, Duration)>) {
        self.tried += 1;
        match outcome {
            Ok((telling, healing)) => {
                self.telling = self.telling.max(telling);
                self.healing = self.healing.max(healing);
            }
            Err(error) => self.broken.push(format!("{}: {error:#}", case.into())),
        }
    }

    pub(super) fn figures(self) -> Vec<Figure> {
        let Self { name, tried, broken, telling, healing } = self;
        vec![
            Figure::none(format!("{name}: logins lost, or the daemon ended"), broken.len(), tried)
                .with(broken.into_iter().take(3).collect::<Vec<_>>().join("\n")),
            limited(format!("{name}: told within"), telling, TELLING),
            limited(format!("{name}: healed within"), healing, HEALING),
        ]
    }
}

fn limited(name: String, slowest: Duration, limit: Duration) -> Figure {
    Figure::new(name, format!("{slowest:.1?}"), format!("{limit:?}"), slowest <= limit)
}
