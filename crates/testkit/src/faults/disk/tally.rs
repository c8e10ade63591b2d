//! What the cases of a campaign came to.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use anyhow::Result;
use tokio::{sync::Semaphore, task::JoinSet};

use super::stage::{HEALING, TELLING};
use crate::faults::Figure;

/// What one case comes to: how long the daemon took to tell that the disk refuses, and to be well again.
pub(super) type Case = Pin<Box<dyn Future<Output = Result<(Duration, Duration)>>>>;

/// How many daemons run at once; most of the time they wait.
pub(super) const AT_ONCE: usize = 4;

/// Tries these cases, some at a time.
pub(super) async fn all(name: &'static str, cases: Vec<(String, Case)>) -> Vec<Figure> {
    let (places, mut running) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for (case, work) in cases {
        let places = Arc::clone(&places);
        running.spawn_local(async move {
            let _place = places.acquire_owned().await;
            (case, work.await)
        });
    }
    let mut tally =
        Tally { name, tried: 0, broken: Vec::new(), telling: Duration::ZERO, healing: Duration::ZERO };
    for (case, outcome) in running.join_all().await {
        tally.take(&case, outcome);
    }
    tally.figures()
}

/// The cases of one campaign: how many there were, what went wrong, and how long telling and healing took.
struct Tally {
    name: &'static str,
    tried: usize,
    broken: Vec<String>,
    telling: Duration,
    healing: Duration,
}

impl Tally {
    fn take(&mut self, case: &str, outcome: Result<(Duration, Duration)>) {
        self.tried += 1;
        match outcome {
            Ok((telling, healing)) => {
                self.telling = self.telling.max(telling);
                self.healing = self.healing.max(healing);
            }
            Err(error) => self.broken.push(format!("{case}: {error:#}")),
        }
    }

    fn figures(self) -> Vec<Figure> {
        let Self { name, tried, broken, telling, healing } = self;
        let first = broken.iter().take(3).cloned().collect::<Vec<_>>().join("\n");
        let lost = format!("{name}: logins lost, or the daemon ended");
        let mut figures = vec![Figure::none(lost, broken.len(), tried).with(first)];
        // Not every campaign has something to tell, or to heal.
        for (what, slowest, limit) in [("told", telling, TELLING), ("healed", healing, HEALING)] {
            if !slowest.is_zero() {
                figures.push(limited(format!("{name}: {what} within"), slowest, limit));
            }
        }
        figures
    }
}

fn limited(name: String, slowest: Duration, limit: Duration) -> Figure {
    Figure::new(name, format!("{slowest:.1?}"), format!("{limit:?}"), slowest <= limit)
}
