//! How a session's refresh token fares, as its record keeps it.

use serde::{Deserialize, Serialize};

use crate::{
    clock::{Clock, Mark},
    session::rotation::{Cause, Interrupted, Learnt, Rotating},
};

/// What is not known is left out, as it is in records of earlier versions.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct StoredRotating {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_at: Option<i64>,
    #[serde(default, skip_serializing_if = "is_nothing")]
    learnt: Learnt,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interrupted: Option<StoredInterrupted>,
}

#[derive(Serialize, Deserialize)]
struct StoredInterrupted {
    since: Mark,
    generation: u64,
    cause: Cause,
    sendings: u32,
    held: bool,
}

impl StoredRotating {
    pub(super) fn of(rotating: &Rotating, clock: &Clock) -> Self {
        let interrupted = rotating.interrupted.as_deref().map(|interrupted| StoredInterrupted {
            since: clock.mark(interrupted.since),
            generation: interrupted.generation,
            cause: interrupted.cause,
            sendings: interrupted.sendings,
            held: interrupted.held,
        });
        let last_at = rotating.last_at.map(|at| clock.to_unix(at));
        Self { last_at, learnt: rotating.learnt, interrupted }
    }

    pub(super) fn restore(self, clock: &Clock) -> Rotating {
        let interrupted = self.interrupted.map(|stored| {
            let since = clock.moment(&stored.since);
            let unsure = clock.from_unix(stored.since.unix);
            let found = Interrupted::new(since, unsure, stored.generation, stored.cause);
            Box::new(found.sent(stored.sendings, stored.held))
        });
        let last_at = self.last_at.map(|at| clock.from_unix(at));
        Rotating { last_at, learnt: self.learnt, interrupted }
    }

    /// Whether there is nothing to keep.
    pub(super) fn is_nothing(&self) -> bool {
        self.last_at.is_none() && is_nothing(&self.learnt) && self.interrupted.is_none()
    }
}

fn is_nothing(learnt: &Learnt) -> bool {
    *learnt == Learnt::default()
}
