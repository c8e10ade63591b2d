//! A session that the daemon opens by itself, by client credentials: until it has its first token. Pure.

use super::{
    schedule::{self, Chance},
    signed_in::Backoff,
};
use crate::{authority::Retry, clock::Timestamp};

/// A session that is being opened.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The name of the profile that opens it.
    pub(crate) profile: String,
    pub(crate) backoff: Option<Backoff>,
    running: bool,
}

impl Opening {
    pub(crate) fn new(profile: String) -> Self {
        Self { profile, backoff: None, running: false }
    }

    /// When the next attempt starts; `None` while one runs.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let at = self.backoff.as_ref().map_or(Timestamp::from_millis(0), |backoff| backoff.until);
        (!self.running).then_some(at)
    }

    /// Starts an attempt if one is due.
    pub(super) fn begin(&mut self, now: Timestamp) -> bool {
        let due = self.deadline().is_some_and(|at| at <= now);
        self.running |= due;
        due
    }

    /// An attempt decided nothing.
    pub(super) fn pause(&mut self, retry: Retry, now: Timestamp, chance: Chance) {
        self.running = false;
        let (failures, since) =
            self.backoff.take().map_or((1, now), |backoff| (backoff.failures + 1, backoff.since));
        let until = now + schedule::backoff(failures, retry.after, chance);
        self.backoff = Some(Backoff::until(until, failures, retry.failure, since));
    }
}
