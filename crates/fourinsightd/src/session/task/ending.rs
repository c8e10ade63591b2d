//! The end of a session's task: what the disk has refused so far is tried again, for a while.

use std::time::Duration;

use super::Task;
use crate::session::state::State;

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
}
