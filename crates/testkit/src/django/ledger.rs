//! What the site was asked, and what the framework stores about it in its own tables.

use serde::Deserialize;

/// Everything that tests assert on.
#[derive(Clone, Debug, Deserialize)]
pub struct Ledger {
    /// Every request at the endpoints that clients use directly, in order.
    pub requests: Vec<Request>,
    /// The access tokens that it holds to be issued and not revoked, in order; a rotation deletes the one before.
    pub access_tokens: Vec<StoredAccessToken>,
    /// Every refresh token that it ever issued, in order.
    pub refresh_tokens: Vec<StoredRefreshToken>,
    /// Every code, code verifier, token and client secret that went over the wire.
    pub secrets: Vec<String>,
}

/// One request.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    /// When it was answered, in Unix milliseconds.
    pub at: i64,
    /// `token`, `revocation`, `device_authorization` or `userinfo`.
    pub endpoint: String,
    /// How the client proved itself: `basic`, `post` or `none`.
    pub client_authentication: String,
    /// Its grant type, at the token endpoint.
    pub grant_type: Option<String>,
    /// The refresh token that it presented.
    pub refresh_token: Option<String>,
    /// The names of its form fields, sorted.
    pub fields: Vec<String>,
    /// The names of its answer's members, sorted.
    pub answered: Vec<String>,
    /// The answer's status.
    pub status: u16,
    /// The answer's `error`.
    pub error: Option<String>,
}

/// An access token in the framework's table.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredAccessToken {
    /// The token.
    pub token: String,
    /// Whom it was issued to.
    pub client_id: String,
    /// Who signed in; nobody did where the client is itself.
    pub user: Option<String>,
    /// Its scope.
    pub scope: String,
    /// Its resources (RFC 8707).
    pub resource: Vec<String>,
    /// When it expires, in Unix milliseconds.
    pub expires_at: i64,
}

/// A refresh token in the framework's table.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredRefreshToken {
    /// The token.
    pub token: String,
    /// Whom it was issued to.
    pub client_id: String,
    /// Who signed in.
    pub user: String,
    /// One login's tokens are one family.
    pub family: String,
    /// Whether it was superseded or revoked.
    pub revoked: bool,
}

impl Ledger {
    /// The requests at the token endpoint with this grant type, in order.
    pub fn token_requests<'a>(&'a self, grant_type: &'a str) -> impl Iterator<Item = &'a Request> {
        self.requests.iter().filter(move |request| request.grant_type.as_deref() == Some(grant_type))
    }

    /// The requests at one endpoint, in order.
    pub fn at<'a>(&'a self, endpoint: &'a str) -> impl Iterator<Item = &'a Request> {
        self.requests.iter().filter(move |request| request.endpoint == endpoint)
    }

    /// The refreshes, in order.
    pub fn refreshes(&self) -> impl Iterator<Item = &Request> {
        self.token_requests("refresh_token")
    }

    /// The requests that were not granted.
    pub fn refused(&self) -> Vec<&Request> {
        self.requests.iter().filter(|request| request.status != 200).collect()
    }

    /// The refresh tokens that can still be used, in order.
    pub fn living_refresh_tokens(&self) -> impl Iterator<Item = &StoredRefreshToken> {
        self.refresh_tokens.iter().filter(|token| !token.revoked)
    }
}
