//! Logins beside those that everyone shares: the same servers and profiles, other sessions.

use std::sync::Arc;

use super::{Logins, SignIn};

impl Logins {
    /// Logins to other sessions.
    pub(crate) fn beside(&self, sessions: Arc<dyn SignIn>) -> Self {
        let Self { exchange, servers, clock, config, .. } = self;
        Self::new(Arc::clone(exchange), Arc::clone(servers), clock.clone(), sessions, Arc::clone(config))
    }

    /// Whether an attempt has this id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.attempts().contains_key(id)
    }

    /// Cancels every attempt that has not ended, and says why.
    pub(crate) fn cancel_all(&self, note: &str) {
        for attempt in self.attempts().values() {
            attempt.cancel(Some(note));
        }
    }
}
