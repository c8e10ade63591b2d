//! An access token as it is stored, with what it is for.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use super::Times;
use crate::{
    clock::{Clock, Timestamp},
    session::entry::Entry,
    token::{AccessToken, Expiry, Token, TokenId, TokenKey},
};

/// One of a session's access tokens.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredToken {
    scopes: Vec<String>,
    resources: Vec<String>,
    id: u64,
    secret: Secret,
    token_type: String,
    /// The scope that its answer named.
    pub(super) scope: Option<String>,
    obtained_at: i64,
    expires_at: Option<i64>,
    assumed: bool,
    renew_at: Option<i64>,
    on_demand: bool,
    /// When it was last asked for, as far as the session knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used_at: Option<i64>,
}

impl StoredToken {
    /// As it is written.
    pub(super) fn of(key: &TokenKey, token: &Token, used_at: Timestamp, clock: &Clock) -> Self {
        Self {
            scopes: key.scopes().map(str::to_owned).collect(),
            resources: key.resources().map(str::to_owned).collect(),
            id: token.id.0,
            secret: Secret(token.secret.expose().into()),
            token_type: token.token_type.clone(),
            scope: token.scope.clone(),
            obtained_at: clock.to_unix(token.obtained_at),
            expires_at: token.expiry.end().map(|at| clock.to_unix(at)),
            assumed: matches!(token.expiry, Expiry::At { assumed: true, .. }),
            renew_at: token.renew_at.map(|at| clock.to_unix(at)),
            on_demand: token.on_demand,
            used_at: (used_at > token.obtained_at).then(|| clock.to_unix(used_at)),
        }
    }

    /// What it is for.
    pub(super) fn key(&self) -> TokenKey {
        TokenKey::new(self.scopes.iter().map(String::as_str), self.resources.iter().map(String::as_str))
    }

    /// As it is after a start.
    pub(super) fn restore(self, clock: &Clock) -> (TokenKey, Box<Entry>) {
        let key = self.key();
        let times = Times::of(self.obtained_at, clock);
        let (obtained_at, now) = (times.began(), clock.now());
        // A token whose age is unknown counts as dead, and is replaced at once.
        let moment = |at| if times.are_trusted() { times.at(at) } else { now };
        let token = Token {
            id: TokenId(self.id),
            secret: AccessToken::new(self.secret.0),
            token_type: self.token_type,
            scope: self.scope,
            obtained_at,
            expiry: self
                .expires_at
                .map_or(Expiry::Unknown, |at| Expiry::At { at: moment(at), assumed: self.assumed }),
            renew_at: self.renew_at.map(moment),
            on_demand: self.on_demand,
        };
        let used_at = self.used_at.map_or(obtained_at, |at| clock.from_unix(at).min(now));
        (key, Box::new(Entry::restored(Some(token), used_at)))
    }
}

/// A secret, wiped from memory when it is dropped; the record itself is sealed.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Secret(pub(super) SecretString);

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}
