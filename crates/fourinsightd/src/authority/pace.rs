//! At what pace a token endpoint is asked: one budget and one pause for everyone who asks it.
//!
//! A thousand sessions whose network comes back at the same moment would all ask at once, and a server that has asked
//! one of them to wait (`Retry-After`) means all of them. So every redemption waits here for its turn, before
//! anything of it is written or sent. A person who is signing in waits for no turn, but counts.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{oneshot, watch};

use super::{Failure, Outcome, Retry};
use crate::clock::{Clock, Timestamp};

mod line;

use line::{Line, Next};
pub(crate) use line::{Pause, Urgency};

/// The longest pause that a server can ask for (`Retry-After`).
pub(crate) const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The pace of every token endpoint. Cheap to clone.
#[derive(Clone)]
pub struct Pace {
    clock: Clock,
    lines: Arc<Mutex<HashMap<String, Line<Given>>>>,
    recoveries: watch::Sender<()>,
}

/// What somebody in a line gets.
type Given = oneshot::Sender<Result<Permit, NoTurn>>;

/// Why there is no turn.
#[derive(Debug)]
pub(crate) enum NoTurn {
    /// The server has asked to be left alone.
    Paused(Pause),
    /// The place in the line was given up.
    Withdrawn,
}

impl Pace {
    /// Nobody has been asked anything.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, lines: Arc::default(), recoveries: watch::channel(()).0 }
    }

    /// Joins the line of a token endpoint: the place in it, and the turn that comes.
    pub(crate) fn join(
        &self,
        endpoint: &str,
        urgency: Urgency,
    ) -> (Place, impl Future<Output = Result<Permit, NoTurn>> + Send + use<>) {
        let (given, turn) = oneshot::channel();
        let mut is_first = false;
        let number = self.line(endpoint, |line| {
            let number = line.join(urgency, self.clock.now(), given);
            is_first = !std::mem::replace(&mut line.is_driven, true);
            number
        });
        // The first in an empty line goes at once; the rest of it moves by itself.
        if is_first && self.step(endpoint).is_some() {
            tokio::spawn(self.clone().drive(endpoint.to_owned()));
        }
        let place = Place { pace: self.clone(), endpoint: endpoint.to_owned(), number };
        (place, async move { turn.await.unwrap_or(Err(NoTurn::Withdrawn)) })
    }

    /// Waits for a turn at a token endpoint.
    pub(crate) async fn turn(&self, endpoint: &str, urgency: Urgency) -> Result<Permit, NoTurn> {
        let (place, turn) = self.join(endpoint, urgency);
        let given = turn.await;
        drop(place);
        given
    }

    /// A person's request is about to be sent: it waits for nobody, but counts.
    pub(crate) fn go_ahead(&self, endpoint: &str) {
        let now = self.clock.now();
        self.line(endpoint, |line| line.send(now));
    }

    /// Takes what a request to a token endpoint has shown of the server: whether it works, and whether it wants to be
    /// left alone.
    pub(crate) fn note(&self, endpoint: &str, outcome: &Outcome) {
        match outcome {
            Outcome::Retry(retry) => self.note_retry(endpoint, retry),
            Outcome::Granted(_) | Outcome::Refused(_) => {
                let now = self.clock.now();
                if self.line(endpoint, |line| line.works(now)) {
                    self.recoveries.send_replace(());
                }
            }
        }
    }

    /// The same of a request that decided nothing.
    pub(crate) fn note_retry(&self, endpoint: &str, retry: &Retry) {
        let until = retry.after.map(|pause| self.clock.now() + pause.min(LONGEST_RETRY_AFTER));
        let stopped = self.line(endpoint, |line| {
            line.fails();
            until.map(|until| line.pause(Pause { until, failure: retry.failure.clone() })).unwrap_or_default()
        });
        for (given, pause) in stopped {
            // Who has gone away needs no answer.
            let _ = given.send(Err(NoTurn::Paused(pause)));
        }
    }

    /// Changes whenever a server works again that did not.
    pub(crate) fn recoveries(&self) -> watch::Receiver<()> {
        self.recoveries.subscribe()
    }

    /// When a token endpoint last began to work again.
    pub(crate) fn recovered_at(&self, endpoint: &str) -> Option<Timestamp> {
        self.lines().get(endpoint)?.recovered_at
    }

    /// Moves a line until nobody is left in it.
    async fn drive(self, endpoint: String) {
        while let Some((wait, changed)) = self.step(&endpoint) {
            match wait {
                // A millisecond is the finest that the clock tells apart.
                Some(pause) => {
                    let pause = pause.max(Duration::from_millis(1));
                    let _ = tokio::time::timeout(pause, changed.notified()).await;
                }
                None => changed.notified().await,
            }
        }
    }

    /// Gives every turn that is due. Returns how long to wait for the next one, and for which sign; nothing when
    /// nobody is left.
    fn step(&self, endpoint: &str) -> Option<(Option<Duration>, Arc<tokio::sync::Notify>)> {
        loop {
            let now = self.clock.now();
            let (next, changed) = self.line(endpoint, |line| (line.next(now), Arc::clone(&line.changed)));
            match next {
                Next::Nobody => return None,
                Next::Turn(given) => {
                    let permit = Permit { pace: self.clone(), endpoint: endpoint.to_owned(), is_sent: false };
                    // Who has gone away gives the permit back by dropping it.
                    let _ = given.send(Ok(permit));
                }
                Next::Paused(given, pause) => {
                    let _ = given.send(Err(NoTurn::Paused(pause)));
                }
                Next::At(at) => return Some((Some(at.since(now)), changed)),
                Next::OnceSent => return Some((None, changed)),
            }
        }
    }

    fn line<T>(&self, endpoint: &str, change: impl FnOnce(&mut Line<Given>) -> T) -> T {
        let mut lines = self.lines();
        if let Some(line) = lines.get_mut(endpoint) {
            return change(line);
        }
        change(lines.entry(endpoint.to_owned()).or_default())
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, HashMap<String, Line<Given>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a line.
pub(crate) struct Place {
    pace: Pace,
    endpoint: String,
    number: u64,
}

impl Place {
    /// Somebody waits for this turn now.
    pub(crate) fn hurry(&self) {
        self.pace.line(&self.endpoint, |line| line.hurry(self.number));
    }

    /// Gives the place up. Changes nothing once the turn has come.
    pub(crate) fn withdraw(&self) {
        // Dropped outside the lock.
        let given = self.pace.line(&self.endpoint, |line| line.leave(self.number));
        drop(given);
    }
}

/// The turn has come: one request may be sent. Dropped without that, the next one may.
pub(crate) struct Permit {
    pace: Pace,
    endpoint: String,
    is_sent: bool,
}

impl Permit {
    /// The request is about to be sent.
    pub(crate) fn send(mut self) {
        self.is_sent = true;
        let now = self.pace.clock.now();
        self.pace.line(&self.endpoint, |line| line.send_admitted(now));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_sent {
            self.pace.line(&self.endpoint, Line::keep);
        }
    }
}

#[cfg(test)]
impl Default for Pace {
    fn default() -> Self {
        Self::new(Clock::system())
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl Pause {
    /// What that means for who did not get a turn: nothing was sent.
    pub(crate) fn into_retry(self, now: Timestamp) -> Retry {
        Retry {
            after: Some(self.until.since(now)),
            ambiguous: false,
            refused: false,
            failure: self.into_failure(),
        }
    }

    /// The same in words.
    pub(crate) fn into_failure(self) -> Failure {
        let description = format!(
            "the authorization server has asked to be left alone for a while, in answer to another request ({}); \
             nothing was sent",
            self.failure.description
        );
        Failure::ours("server_asked_to_wait", description)
    }
}

#[cfg(test)]
mod tests;
