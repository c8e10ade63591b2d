//! Which token is asked for, and the one that was answered.

use std::time::Duration;

use fourinsight_ipc::{SessionKey, message::TokenResponse};
use secrecy::ExposeSecret;

/// Asks for a token with particular demands. The session's own token needs none: see
/// [`Client::token`](crate::Client::token).
///
/// ```
/// # use std::time::Duration;
/// use fourinsight_client::{SessionKey, TokenRequest};
/// let request = TokenRequest::new(SessionKey::default())
///     .min_validity(Duration::from_secs(300))
///     .scope("files.read files.write")
///     .resource("https://api.example.com/");
/// # drop(request);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The session.
    pub session: SessionKey,
    /// Below how much remaining life the daemon tries to renew first; its own rule when absent.
    pub min_validity: Option<Duration>,
    /// How long the daemon may wait for a renewal; 30 s when absent, at most 300 s.
    pub wait: Option<Duration>,
    /// Scopes other than the session's own, space-separated.
    pub scope: Option<String>,
    /// The resources that the token is for (RFC 8707), if not the session's own.
    pub resources: Vec<String>,
    /// What an API demands of the token (OpenID Connect Core section 5.5), a JSON object of at most 8 KiB: the token
    /// is fetched anew, once, with it.
    pub claims: Option<String>,
    /// The caller can answer a claims challenge: Continuous Access Evaluation, at servers that know it.
    pub enable_cae: bool,
}

impl TokenRequest {
    /// Asks for the session's own token.
    pub fn new(session: SessionKey) -> Self {
        Self {
            session,
            min_validity: None,
            wait: None,
            scope: None,
            resources: Vec::new(),
            claims: None,
            enable_cae: false,
        }
    }

    /// Below how much remaining life the daemon tries to renew first. A living token is never refused for it.
    #[must_use]
    pub fn min_validity(mut self, min_validity: Duration) -> Self {
        self.min_validity = Some(min_validity);
        self
    }

    /// How long the daemon may wait for a renewal.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Asks for these scopes, space-separated, beside those named before.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        match &mut self.scope {
            Some(named) => {
                named.push(' ');
                named.push_str(scope);
            }
            None => self.scope = Some(scope.to_owned()),
        }
        self
    }

    /// Asks for a token for this resource (RFC 8707), beside those named before.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// Asks for a token that meets these demands of an API, a JSON object (OpenID Connect Core section 5.5). It is
    /// fetched anew. Whoever has the API's whole challenge reports that instead: see
    /// [`Client::reject_with`](crate::Client::reject_with).
    #[must_use]
    pub fn claims(mut self, claims: impl Into<String>) -> Self {
        self.claims = Some(claims.into());
        self
    }

    /// Says whether the caller can answer a claims challenge, for which some servers issue tokens that live longer
    /// and can be taken back.
    #[must_use]
    pub fn enable_cae(mut self, enable: bool) -> Self {
        self.enable_cae = enable;
        self
    }
}

/// A living access token. Its `Debug` form hides it, and its memory is wiped when it is dropped.
///
/// Ask for one before each request instead of keeping it: only the daemon knows when it was renewed or rejected.
#[derive(Clone, Debug)]
pub struct AccessToken(TokenResponse);

impl AccessToken {
    pub(crate) fn new(response: TokenResponse) -> Self {
        Self(response)
    }

    /// The bearer token itself (RFC 6750).
    pub fn secret(&self) -> &str {
        self.0.access_token.expose_secret()
    }

    /// How long it was still good for when it was answered; `None` when nobody knows.
    pub fn expires_in(&self) -> Option<Duration> {
        self.0.expires_in.map(Duration::from_secs)
    }

    /// When it expires, in Unix seconds by this machine's wall clock; `None` when nobody knows.
    pub fn expires_at(&self) -> Option<i64> {
        self.0.expires_at
    }

    /// Its scope, space-separated; `None` when the server named none.
    pub fn scope(&self) -> Option<&str> {
        self.0.scope.as_deref()
    }

    /// Names it without revealing it.
    pub fn id(&self) -> &str {
        &self.0.token_id
    }

    /// The session that it belongs to.
    pub fn session(&self) -> &SessionKey {
        &self.0.session
    }

    /// The daemon's whole answer.
    pub fn response(&self) -> &TokenResponse {
        &self.0
    }
}
