//! What an access token opens (RFC 6750): userinfo, and a small API for demonstrations.

use axum::{
    Extension,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    answer::unstored,
    claims,
    ledger::Entry,
    oracle::{AccessToken, Verdict},
    sign_in::{self, Authentication},
    site::Site,
};

/// What the small API wants of a token that lives.
#[derive(Clone, Default)]
pub(super) struct Rules {
    /// What the `claims` of its request must have asked for.
    pub(super) claims: Option<Value>,
    /// How its person must have signed in.
    pub(super) authentication: Authentication,
    /// No token is good enough.
    pub(super) takes_none: bool,
}

/// OpenID Connect Core section 5.3.
pub(super) async fn userinfo(State(site): State<Site>, Extension(entry): Extension<Entry>) -> Response {
    let token = match bearer(&site, &entry) {
        Ok(token) => token,
        Err(challenge) => return challenge.into_response(),
    };
    if !token.scope.iter().any(|word| word == "openid") {
        let value = "Bearer error=\"insufficient_scope\", scope=\"openid\"".to_owned();
        return Challenge { status: StatusCode::FORBIDDEN, value }.into_response();
    }
    let user = site.practice.settings().users.iter().find(|user| user.subject == token.subject);
    let body = json!({
        "sub": token.subject,
        "name": user.map(|user| &user.name),
        "preferred_username": user.map(|user| &user.username),
    });
    unstored(StatusCode::OK, &body)
}

/// `GET /api/hello`: says hello to whom the token speaks for.
pub(super) async fn hello(State(site): State<Site>, Extension(entry): Extension<Entry>) -> Response {
    let token = match bearer(&site, &entry) {
        Ok(token) => token,
        Err(challenge) => return challenge.into_response(),
    };
    if let Some(challenge) = objection(&site, &token) {
        return Challenge::unauthorized(challenge).into_response();
    }
    let user = site.practice.settings().users.iter().find(|user| user.subject == token.subject);
    let left = token.expires_at.saturating_sub(site.practice.shared.timeline.now());
    let body = json!({
        "hello": user.map(|user| &user.name),
        "sub": token.subject,
        "scope": token.scope.join(" "),
        "expires_in": left.as_secs(),
    });
    unstored(StatusCode::OK, &body)
}

/// What the API says to a token that lives and is not good enough for it.
fn objection(site: &Site, token: &AccessToken) -> Option<String> {
    let now = site.practice.shared.timeline.unix_now();
    let state = site.practice.state();
    let Rules { claims, authentication, takes_none } = &state.api;
    if *takes_none {
        return Some("Bearer realm=\"practice\", error=\"invalid_token\"".to_owned());
    }
    let login = state.families.login_of(token);
    sign_in::challenge(login, authentication, now).or_else(|| claims::challenge(token, claims.as_ref()))
}

/// The live access token in the `Authorization` header.
fn bearer(site: &Site, entry: &Entry) -> Result<AccessToken, Challenge> {
    let presented = entry
        .header("authorization")
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let Some(text) = presented else {
        return Err(Challenge::unauthorized("Bearer realm=\"practice\"".to_owned()));
    };
    let description = match site.practice.verdict(text) {
        Verdict::Live => {
            site.practice.state().families.used(text);
            ""
        }
        Verdict::Expired => "the access token has expired",
        Verdict::Revoked => "the access token was revoked",
        Verdict::Unknown => "unknown access token",
    };
    site.practice.access_token(text).filter(|_| description.is_empty()).ok_or_else(|| {
        Challenge::unauthorized(format!(
            "Bearer realm=\"practice\", error=\"invalid_token\", error_description=\"{description}\""
        ))
    })
}

/// The token is not good enough (RFC 6750 section 3).
struct Challenge {
    status: StatusCode,
    value: String,
}

impl Challenge {
    fn unauthorized(value: String) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, value }
    }
}

impl IntoResponse for Challenge {
    fn into_response(self) -> Response {
        let headers = [(header::WWW_AUTHENTICATE, self.value.as_str()), (header::CACHE_CONTROL, "no-store")];
        (self.status, headers).into_response()
    }
}
