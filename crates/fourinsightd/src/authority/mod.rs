//! The authorization server as the daemon sees it.
//!
//! | module | what it does |
//! |---|---|
//! | [`dialect`] | puts scopes and resources into the server's words |
//! | [`discovery`] | finds the server's endpoints (OpenID Connect Discovery, RFC 8414) |
//! | [`allowed`] | which token endpoints a pasted package may name |
//! | [`challenge`] | why an API refused a token (RFC 6750, RFC 9470) |
//! | [`claims`] | what an API demands of a token, on its way to the server (OpenID Connect Core section 5.5) |
//! | [`client_auth`] | proves which client is asking: by a secret (RFC 6749 section 2.3) or an assertion (RFC 7523) |
//! | [`grant`] | redeems a code or a refresh token: one request, one raw answer |
//! | [`client_credentials`] | the client as itself: one request, judged at once |
//! | [`device`] | asks for a user code and polls for what became of it (RFC 8628) |
//! | [`response`] | judges a raw answer: granted, try again, or refused |
//! | [`pace`] | how often a token endpoint is asked, by everyone together |
//! | [`issuer`] | by which issuer identifier a server may go |
//! | [`id_token`] | who signed in (OpenID Connect Core section 3.1.3.7) |
//! | [`revoke`] | tells the server to forget a token (RFC 7009) |
//! | `explain` | what is behind an error code, and what to do about it |
//! | [`step_up`] | what the next login must ask for (RFC 9470) |
//! | [`text`] | makes a server's texts safe to show |
//!
//! Redeeming is cut in two, a raw answer and its judgement, because the answer to a refresh is written to the
//! journal before anything tries to understand it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    http::{ExchangeError, Route},
    profile::{Assertion, Parameters, PerRequest, Rotation, SecretSource, one_or_each},
    token::TokenSet,
};

use claims::Claims;

pub mod allowed;
pub mod challenge;
pub mod claims;
pub mod client_auth;
pub mod client_credentials;
pub mod device;
pub mod dialect;
pub mod discovery;
pub(crate) mod explain;
pub mod grant;
pub mod id_token;
pub mod issuer;
pub mod response;
pub mod revoke;
pub mod step_up;
pub mod text;

mod detail;
pub(crate) mod json;
mod microsoft;
pub mod pace;
mod request;

#[cfg(test)]
pub(crate) mod fake;

pub use crate::profile::ClientAuth;
pub use detail::Detail;
pub use dialect::{Dialect, ResourceStyle};

/// A client registration at a server: all that redeeming, refreshing and revoking need, except secrets.
///
/// It is kept in the session's record, so that editing or deleting a profile logs no one out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The server's issuer identifier, where it has one. One of Microsoft's that is not yet known to be of one
    /// tenant holds `{tenantid}` in its place.
    pub issuer: Option<String>,
    /// What the profile calls the issuer, where the server may go by another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured_issuer: Option<String>,
    /// RFC 6749 section 3.1.
    pub authorization_endpoint: Option<String>,
    /// RFC 6749 section 3.2. Empty where nothing is redeemed there: for the implicit grant, and until a package
    /// has named it.
    pub token_endpoint: String,
    /// The allowed entry that a pasted token endpoint was held against; checked again at each use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_endpoint: Option<allowed::PinnedEndpoint>,
    /// RFC 8628 section 3.1, where the server has one.
    #[serde(default)]
    pub device_authorization_endpoint: Option<String>,
    /// RFC 7009, where the server has one.
    pub revocation_endpoint: Option<String>,
    /// OpenID Connect Core section 5.3, where the server has one.
    pub userinfo_endpoint: Option<String>,
    /// The server promises `iss` in every callback (RFC 9207).
    #[serde(default)]
    pub iss_in_callback: bool,
    /// RFC 6749 section 2.2.
    pub client_id: String,
    /// Where the client secret is read at each use; absent for a public client.
    pub client_secret: Option<SecretSource>,
    /// Where a client assertion comes from, and what it says.
    #[serde(default)]
    pub assertion: Assertion,
    /// How the client proves itself, at each kind of request.
    #[serde(deserialize_with = "one_or_each")]
    pub client_auth: PerRequest<ClientAuth>,
    /// How it wants to be spoken to.
    #[serde(default)]
    pub dialect: Dialect,
    /// What it does with refresh tokens that it has replaced.
    #[serde(default)]
    pub rotation: Rotation,
    /// Added to the authorization request.
    #[serde(default)]
    pub authorize_params: Parameters,
    /// Added to the code's exchange.
    #[serde(default)]
    pub code_params: Parameters,
    /// Added to the device authorization request.
    #[serde(default)]
    pub device_params: Parameters,
    /// Added to each poll of the device flow.
    #[serde(default)]
    pub device_poll_params: Parameters,
    /// Added to each refresh.
    #[serde(default)]
    pub refresh_params: Parameters,
    /// Added to a revocation.
    #[serde(default)]
    pub revoke_params: Parameters,
    /// What the client tells the server that it can do, such as `cp1` (`xms_cc` of the claims).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client_capabilities: Vec<String>,
    /// How connections to the server are made.
    #[serde(default)]
    pub route: Route,
}

impl Registration {
    /// How long ago the person may have signed in, in seconds, as the authorization request says (OpenID Connect
    /// Core section 3.1.2.1).
    pub fn max_age(&self) -> Option<u64> {
        self.authorize_params.get("max_age")?.parse().ok()
    }

    /// Whether a caller that can answer a claims challenge has to say so: the server knows what that means, and is
    /// not told anyway.
    pub(crate) fn must_be_told_of_cae(&self) -> bool {
        dialect::is_entra(self) && !self.client_capabilities.iter().any(|known| known == claims::CAE)
    }

    /// The `claims` of a request: these demands, and what the client can do.
    pub(crate) fn claims(&self, demands: Option<&Claims>, enable_cae: bool) -> Option<Claims> {
        let cae = (enable_cae && self.must_be_told_of_cae()).then_some(claims::CAE);
        Claims::declaring(demands, self.client_capabilities.iter().map(String::as_str).chain(cae))
    }
}

/// What came of redeeming a grant.
#[derive(Debug)]
pub enum Outcome {
    /// The server granted tokens.
    Granted(Box<TokenSet>),
    /// Nothing was decided: try again.
    Retry(Retry),
    /// The server said no.
    Refused(Refusal),
}

/// Nothing was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The server asked for this pause (`Retry-After`).
    pub after: Option<Duration>,
    /// Whether the server may have acted on the request all the same.
    pub ambiguous: bool,
    /// The server refused the request, and the reason that it gave is no verdict on the grant.
    pub refused: bool,
    /// What happened.
    pub failure: Failure,
}

impl Retry {
    /// Nothing was sent, or what was sent changed nothing, and nobody asked for a pause.
    pub(crate) fn of(failure: Failure) -> Self {
        Self { after: None, ambiguous: false, refused: false, failure }
    }
}

/// The server said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What that means for the session.
    pub verdict: Verdict,
    /// What happened.
    pub failure: Failure,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The grant is dead (`invalid_grant`).
    Final,
    /// The grant lives, but a person must answer first.
    InteractionRequired,
    /// This scope is not to be had (`invalid_scope`).
    Scope,
    /// This resource is not to be had (`invalid_target`, RFC 8707).
    Target,
    /// The client registration is wrong (`invalid_client`, `unauthorized_client`); the grant lives.
    Misconfigured,
    /// The answer is for somebody else than the session's person.
    PersonChanged,
}

/// What went wrong, in the server's words where it had any, cleaned for a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A short code.
    pub error: String,
    /// For people.
    pub description: String,
    /// What a server said beside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<Detail>>,
}

impl Failure {
    /// A failure in a server's words, cleaned.
    pub fn new(error: &str, description: &str) -> Self {
        let (detail, words) = Detail::in_words(description);
        Self { error: text::clean(error), description: text::clean(words), detail: detail.or_none() }
    }

    /// A failure in our words, shown as they are. Its code has its text in `explain/own.rs`.
    pub(crate) fn ours(error: &str, description: impl Into<String>) -> Self {
        Self { error: error.to_owned(), description: description.into(), detail: None }
    }

    /// The same failure with what a server said beside its code and its words; that goes before what the words say.
    pub(crate) fn with_detail(mut self, detail: Detail) -> Self {
        let in_words = self.detail.take().map(|detail| *detail).unwrap_or_default();
        self.detail = detail.or(in_words).or_none();
        self
    }

    /// There was no response.
    pub(crate) fn no_response(error: &ExchangeError) -> Self {
        let seen = if error.sent { "gave no usable answer" } else { "could not be reached" };
        Failure::new("server_unreachable", &format!("the authorization server {seen}: {}", error.cause))
    }

    /// Whether it says the same, whatever numbers its server gave to the single requests.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let codes =
            |failure: &Self| failure.detail.as_ref().map_or_else(Vec::new, |detail| detail.codes.clone());
        self.error == other.error && self.description == other.description && codes(self) == codes(other)
    }
}
