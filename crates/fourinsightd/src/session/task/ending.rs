//! The end of a session's task: what the disk has refused so far is tried again, for a while. The task of a session
//! that is signed out, and that nobody can ask any more, has come to its end too.

use std::time::Duration;

use super::Task;
use crate::session::state::{Phase, State};

/// How often that is tried, once a second: well within the time that a stop may take.
const TRIES: usize = 10;

impl Task {
    /// Has the disk take what only memory holds. A daemon that ends now would lose it.
    pub(super) async fn write_before_the_end(&mut self) {
        for _ in 0..TRIES {
            if !self.state.is_unsaved() {
                return;
            }
            tokio::time::sleep(State::PERSIST_RETRY + Duration::from_millis(1)).await;
            self.tick().await;
        }
        if self.state.is_unsaved() {
            tracing::error!(session = %self.named(), "the disk does not take what became of the session before the daemon ends: a login or a renewal that the journal does not hold is lost, and one that was revoked may show up again, without tokens that work");
        }
    }

    /// Whether there is nothing left to do for the session, and nothing left of it.
    pub(super) fn is_over(&self) -> bool {
        let is_forgotten = matches!(self.state.phase, Phase::SignedOut) && !self.state.is_unsaved();
        is_forgotten && self.work.is_none() && self.opening.is_none()
    }
}
