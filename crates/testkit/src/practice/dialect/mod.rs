//! The dialects of authorization servers, as data: where endpoints are, what an answer holds, how a refusal is worded.
//!
//! | module | whose |
//! |---|---|
//! | [`entra`], `entra_scope`, `aadsts` | Microsoft Entra ID: tenants; its scopes; its refusals |
//! | [`github`] | GitHub: errors with status 200, forms, commas |
//! | [`auth0`] | Auth0: 403, `audience` |
//! | [`fourinsight`] | 4insight: a package, and a client that proves itself in two odd ways |

use axum::{http::StatusCode, response::Response};
use serde_json::Value;

use super::{
    answer::{Refusal, unstored},
    layout::{self, Layout},
    ledger::Entry,
    oracle::AccessToken,
    settings::{Settings, User},
    site::Site,
};

mod aadsts;
pub mod auth0;
pub mod entra;
mod entra_scope;
pub mod fourinsight;
pub mod github;

pub use auth0::Auth0;
pub use entra::{Entra, Guarded, Lacks, Resource, Tenant};
pub use fourinsight::ExactRequest;

pub(super) use entra_scope::{of_client, of_person, of_refresh, without_resource};

/// Whose habits a server has.
#[derive(Clone, Debug, Default)]
pub enum Dialect {
    /// The standards', to the letter.
    #[default]
    Standard,
    /// Microsoft Entra ID's.
    Entra(Entra),
    /// GitHub's.
    GitHub,
    /// Auth0's.
    Auth0(Auth0),
}

impl Dialect {
    pub(super) fn layout(&self) -> Layout {
        match self {
            Self::Standard => layout::STANDARD,
            Self::Entra(_) => layout::ENTRA,
            Self::GitHub => layout::GITHUB,
            Self::Auth0(_) => layout::AUTH0,
        }
    }

    /// The issuer identifier of a server at an origin.
    pub(super) fn issuer(&self, origin: &str) -> String {
        match self {
            Self::Standard | Self::GitHub => origin.to_owned(),
            Self::Entra(entra) => entra.issuer(origin),
            Self::Auth0(_) => format!("{origin}/"),
        }
    }

    /// What keeps a request from being looked at at all.
    pub(super) fn objects_to(&self, request: &Entry) -> Option<Refusal> {
        match self {
            Self::Entra(_) => entra::objection(request),
            _ => None,
        }
    }

    /// The answer to a request that is granted.
    pub(super) fn granted(&self, site: &Site, request: &Entry, mut body: Value) -> Response {
        match self {
            Self::Standard => {}
            Self::Entra(entra) => entra.complete(site, request, &mut body),
            Self::GitHub => return github::granted(request, body),
            Self::Auth0(_) => auth0::complete(&mut body),
        }
        unstored(StatusCode::OK, &body)
    }

    /// The answer to a request that is refused.
    pub(super) fn refused(&self, site: &Site, request: &Entry, refusal: Refusal) -> Response {
        use axum::response::IntoResponse as _;
        match self {
            Self::Standard => refusal.into_response(),
            Self::Entra(entra) => aadsts::refused(entra, site, request, &refusal),
            Self::GitHub => github::refused(request, &refusal),
            Self::Auth0(_) => auth0::refused(&refusal),
        }
    }

    /// The error and its description where a refusal travels in a callback.
    pub(super) fn words(&self, site: &Site, request: &Entry, refusal: &Refusal) -> (&'static str, String) {
        match self {
            Self::Entra(entra) => aadsts::words(entra, site, request, refusal),
            Self::Auth0(_) => auth0::words(refusal),
            _ => (refusal.error, refusal.description.to_owned()),
        }
    }

    /// The answer of the device authorization endpoint.
    pub(super) fn device_code(&self, request: &Entry, mut body: Value) -> Response {
        match self {
            Self::Standard | Self::Auth0(_) => {}
            Self::Entra(_) => entra::complete_device_code(&mut body),
            Self::GitHub => return github::granted(request, body),
        }
        unstored(StatusCode::OK, &body)
    }

    /// What a callback holds beside the usual.
    pub(super) fn callback_extras(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Entra(_) => vec![("session_state", entra::fresh_guid())],
            _ => vec![],
        }
    }

    /// Changes the claims of an ID token.
    pub(super) fn complete_claims(&self, claims: &mut Value, user: Option<&User>) {
        if let (Self::Entra(entra), Some(user)) = (self, user) {
            entra.complete_claims(claims, user);
        }
    }

    /// Whether a login or refresh with this scope brings a refresh token.
    pub(super) fn gives_refresh_token(&self, scope: &[String]) -> bool {
        matches!(self, Self::GitHub) || scope.iter().any(|word| word == "offline_access")
    }
}

/// Looks up what an answer's access token stands for.
fn token_in(site: &Site, body: &Value) -> Option<AccessToken> {
    site.practice.access_token(body["access_token"].as_str()?)
}

/// Renames a field of an answer, if it is there.
fn rename(body: &mut Value, from: &str, to: &str) {
    if let Some(value) = body.as_object_mut().and_then(|fields| fields.remove(from)) {
        body[to] = value;
    }
}

/// The settings of a dialect that has no OpenID Connect and cannot revoke.
fn without_openid() -> Settings {
    Settings {
        id_tokens: false,
        userinfo: false,
        revocation: false,
        iss_in_callback: false,
        ..Settings::default()
    }
}
