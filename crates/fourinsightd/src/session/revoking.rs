//! What a session that is being revoked still holds. Pure.

use super::{
    event::Arrival,
    schedule,
    signed_in::{Grant, SignedIn},
};
use crate::token::{AccessToken, Expiry, RefreshToken, TokenSet};

/// What is still to be revoked.
#[derive(Debug)]
pub(crate) struct Revoking {
    pub(crate) refresh_token: Option<RefreshToken>,
    pub(crate) access_tokens: Vec<(AccessToken, Expiry)>,
    /// Its tokens are never written.
    pub(crate) in_memory_only: bool,
}

impl Revoking {
    pub(super) fn of(session: SignedIn) -> Self {
        let in_memory_only = !session.needs_disk();
        let access_tokens = session.entries.into_values().filter_map(|entry| entry.token);
        Self {
            in_memory_only,
            refresh_token: match session.grant {
                Grant::RefreshToken { token, .. } => Some(token),
                Grant::ClientCredentials | Grant::None { .. } => None,
            },
            access_tokens: access_tokens.map(|token| (token.secret.clone(), token.expiry)).collect(),
        }
    }

    /// Nothing is left to revoke.
    pub(super) fn nothing() -> Self {
        Self { refresh_token: None, access_tokens: vec![], in_memory_only: false }
    }

    pub(super) fn take(&mut self, tokens: TokenSet, arrival: Arrival) {
        let expiry = schedule::expiry(tokens.lifetime, arrival.obtained_at, false);
        self.access_tokens.push((tokens.access_token, expiry));
        if let Some(token) = tokens.refresh_token {
            self.refresh_token = Some(token);
        }
    }
}
