//! What a fault harness asks of a server while it runs: whether logins live, and for how long tokens have been dead.

use std::time::Duration;

use super::{Ledger, Practice, Verdict};

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

    /// How much of the life of an access token is left, and how long the whole is; nothing for one that is dead or
    /// was never issued.
    pub fn life_left(&self, access_token: &str) -> Option<(Duration, Duration)> {
        let now = self.shared.timeline.now();
        let state = self.state();
        let live = state.families.verdict(access_token, now) == Verdict::Live;
        let end = state.families.access_token(access_token).filter(|_| live)?.expires_at;
        Some((end.saturating_sub(now), self.settings().access_token_life))
    }

    /// Lets so many seconds pass here at once: the client's machine sleeps, and this server does not.
    pub fn skip(&self, seconds: u64) {
        self.shared.timeline.skip(seconds);
    }
}
