//! Redeems a grant: one request to the token endpoint, one raw answer. Times are the wall clock's, in Unix seconds.

use std::time::Duration;

use secrecy::SecretString;

pub use super::dialect::Purpose;
use super::{
    Failure, Registration, Retry,
    claims::Claims,
    request::{self, Form},
    response::RawAnswer,
};
use crate::{
    http::HttpExchange,
    profile::RequestKind,
    token::{RefreshToken, TokenKey},
};

/// How long a redemption may take.
pub const TIME_LIMIT: Duration = Duration::from_mins(1);

/// What the tokens of a code are for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// The login's resources (RFC 8707).
    pub resources: &'a [String],
    /// What an API demands of them (OpenID Connect Core section 5.5).
    pub claims: Option<&'a Claims>,
}

/// Exchanges an authorization code for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
///
/// An error means that there was no response, or that the request could not be made.
pub async fn redeem_code(
    exchange: &dyn HttpExchange,
    registration: &Registration,
    code: &SecretString,
    code_verifier: &SecretString,
    redirect_uri: &str,
    wanted: Wanted<'_>,
    unix_now: i64,
) -> Result<RawAnswer, Retry> {
    let mut form = Form::default();
    form.push("grant_type", "authorization_code");
    form.push_secret("code", code);
    form.push("redirect_uri", redirect_uri);
    form.push_secret("code_verifier", code_verifier);
    registration.dialect.for_code(wanted.resources.iter().map(String::as_str)).push_to(&mut form);
    push_claims(&mut form, registration.claims(wanted.claims, false).as_ref());
    let endpoint = token_endpoint(registration)?;
    let extra = &registration.code_params;
    let kind = RequestKind::Code;
    request::post(exchange, registration, kind, endpoint, form, extra, unix_now).await.map(RawAnswer::from)
}

/// Exchanges a code that a page handed out by itself: there was no redirect URI and no code challenge.
///
/// An error means that there was no response, or that the request could not be made.
pub async fn redeem_packaged_code(
    exchange: &dyn HttpExchange,
    registration: &Registration,
    code: &SecretString,
    unix_now: i64,
) -> Result<RawAnswer, Retry> {
    let mut form = Form::default();
    form.push("grant_type", "authorization_code");
    form.push_secret("code", code);
    let endpoint = token_endpoint(registration)?;
    let extra = &registration.code_params;
    let kind = RequestKind::Code;
    request::post(exchange, registration, kind, endpoint, form, extra, unix_now).await.map(RawAnswer::from)
}

/// Exchanges a person's password for tokens (RFC 6749 section 4.3.2).
///
/// An error means that there was no response, or that the request could not be made.
pub async fn redeem_password(
    exchange: &dyn HttpExchange,
    registration: &Registration,
    username: &str,
    password: &SecretString,
    scopes: &[String],
    resources: &[String],
    unix_now: i64,
) -> Result<RawAnswer, Retry> {
    let mut form = Form::default();
    form.push("grant_type", "password");
    form.push("username", username);
    form.push_secret("password", password);
    let (scopes, resources) = (scopes.iter().map(String::as_str), resources.iter().map(String::as_str));
    registration.dialect.for_person(scopes, resources).push_to(&mut form);
    push_claims(&mut form, registration.claims(None, false).as_ref());
    let endpoint = token_endpoint(registration)?;
    let extra = &registration.code_params;
    request::post(exchange, registration, RequestKind::Code, endpoint, form, extra, unix_now)
        .await
        .map(RawAnswer::from)
}

/// Exchanges a refresh token for the access token of a key (RFC 6749 section 6). `purpose` says whether it is the key of
/// what the login asked for, which most servers need not be told. `claims` are what the access token must
/// meet, the client's capabilities included.
///
/// An error means that there was no response, or that the request could not be made.
pub async fn refresh(
    exchange: &dyn HttpExchange,
    registration: &Registration,
    refresh_token: &RefreshToken,
    key: &TokenKey,
    purpose: Purpose<'_>,
    claims: Option<&Claims>,
    unix_now: i64,
) -> Result<RawAnswer, Retry> {
    let mut form = Form::default();
    form.push("grant_type", "refresh_token");
    form.push("refresh_token", refresh_token.expose());
    let endpoint = token_endpoint(registration)?;
    let extra = &registration.refresh_params;
    let mut wanted = registration.dialect.for_refresh(key, purpose);
    if let Purpose::Own { .. } = purpose {
        // What the profile itself says about the session's own refresh goes before what the dialect would say.
        wanted.leave_to(extra);
    }
    wanted.push_to(&mut form);
    push_claims(&mut form, claims);
    request::post(exchange, registration, RequestKind::Refresh, endpoint, form, extra, unix_now)
        .await
        .map(RawAnswer::from)
}

pub(super) fn push_claims(form: &mut Form, claims: Option<&Claims>) {
    if let Some(claims) = claims {
        form.push("claims", claims.as_str());
    }
}

/// The token endpoint, unless it is not the one that was allowed when a package named it.
fn token_endpoint(registration: &Registration) -> Result<&str, Retry> {
    let endpoint = registration.token_endpoint.as_str();
    match &registration.pinned_endpoint {
        Some(pinned) if pinned.url().as_deref() != Some(endpoint) => Err(Retry {
            after: None,
            ambiguous: false,
            refused: false,
            failure: Failure::new(
                "endpoint_not_allowed",
                "the session's token endpoint is not the one that was allowed; nothing was sent; log in again",
            ),
        }),
        _ => Ok(endpoint),
    }
}

#[cfg(test)]
mod tests;
