//! What the server knows of its tokens and logins, for tests to judge by.

use serde_json::Value;

use super::timeline::Moment;

/// An access token as the server remembers it.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The client that it was issued to.
    pub client_id: String,
    /// Whom it speaks for.
    pub subject: String,
    /// Its scope.
    pub scope: Vec<String>,
    /// The resources that it is for (RFC 8707).
    pub audience: Vec<String>,
    /// The `claims` that its request asked for.
    pub claims: Option<Value>,
    /// In Unix seconds.
    pub(super) issued_at: u64,
    pub(super) expires_at: Moment,
    pub(super) family: FamilyId,
    /// How many redemptions its family had seen when it was issued.
    pub(super) refreshes: u64,
    pub(super) revoked: bool,
}

/// What the server says of an access token: the oracle's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// An API accepts it.
    Live,
    /// Its life is over.
    Expired,
    /// It was revoked, alone or with its family.
    Revoked,
    /// This server never issued it.
    Unknown,
}

/// Which family, in the order of the logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct FamilyId(pub usize);

/// How a family stands: the oracle's word on a login. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Family {
    /// Which one.
    pub id: FamilyId,
    /// The client that the login was for.
    pub client_id: String,
    /// Who signed in.
    pub subject: String,
    /// Whether it can still be refreshed.
    pub alive: bool,
    /// What ended it.
    pub end: Option<End>,
    /// How many redemptions of its refresh tokens were committed.
    pub refreshes: u64,
    /// When the last of them was, counted from the making of the server.
    pub last_refresh_at: Option<Moment>,
    /// How often one of its spent refresh tokens was presented.
    pub reuse_events: u64,
}

/// What ended a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct End {
    /// When, counted from the making of the server.
    pub at: Moment,
    /// Why.
    pub why: Why,
}

/// Why a family ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// A spent refresh token was presented again.
    RefreshTokenReused,
    /// The code that it began with was presented again.
    CodeReused,
    /// Its client asked for it (RFC 7009).
    RevokedByClient,
    /// The server decided so by itself.
    RevokedByServer,
}

impl AccessToken {
    /// The login that it descends from.
    pub fn family(&self) -> FamilyId {
        self.family
    }
}
