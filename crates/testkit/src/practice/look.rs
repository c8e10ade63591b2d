//! What a fault harness asks of a server while it runs: whether logins live, and for how long tokens have been dead.

use std::time::Duration;

use super::{Ledger, Practice};

impl Practice {
    /// Looks at the ledger in place: a copy of a long one takes long.
    pub fn look<T>(&self, read: impl FnOnce(&Ledger) -> T) -> T {
        read(&self.state().ledger)
    }

    /// Whether the login that an access token descends from is alive; `None` for a token that was never issued.
    pub fn login_lives(&self, access_token: &str) -> Option<bool> {
        let state = self.state();
        let token = state.families.access_token(access_token)?;
        Some(state.families.login_lives(token))
    }

    /// For how long the life of an access token has been over; `None` while it lasts.
    pub fn dead_for(&self, access_token: &str) -> Option<Duration> {
        let now = self.shared.timeline.now();
        let end = self.state().families.access_token(access_token)?.expires_at;
        now.checked_sub(end)
    }
}
