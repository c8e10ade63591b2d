//! The end of a session's task: what the disk has refused so far is tried again, for a while. The task of a session
//! that is signed out, and that nobody can ask any more, has come to its end too.

use std::time::Duration;

use super::Task;
use crate::session::{
    signed_in::Durability,
    state::{Phase, State},
};

/// How often that is tried, once a second: well within the time that a stop may take.
const TRIES: usize = 10;

impl Task {
    /// Has the disk take what only memory holds. A daemon that ends now would lose it.
    pub(super) async fn write_before_the_end(&mut self) {
        for _ in 0..TRIES {
            if !self.is_unsaved() {
                return;
            }
            tokio::time::sleep(State::PERSIST_RETRY + Duration::from_millis(1)).await;
            self.tick().await;
        }
        if self.is_unsaved() {
            tracing::error!(session = %self.named(), "the disk does not take the session before the daemon ends; unless the journal holds its last renewal, it needs a new login");
        }
    }

    /// Whether there is nothing left to do for the session, and nothing left of it.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state.phase, Phase::SignedOut) && self.work.is_none() && self.opening.is_none()
    }

    fn is_unsaved(&self) -> bool {
        matches!(&self.state.phase, Phase::SignedIn(session) if session.durability != Durability::Durable)
    }
}
