//! `GET /v1/sessions/{key}/token`.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body as ResponseBody,
    extract::{Request, State},
    http::{HeaderValue, Method, Uri, header},
    response::{IntoResponse, Response},
};
use fourinsight_ipc::{DEFAULT_WAIT_SECONDS, ErrorBody, SessionKey, message::TokenResponse};

use super::{
    Api, ApiError,
    extract::{Key, Query},
    forbid_storing,
};
use crate::{
    peer::Peer,
    session::{NoToken, Served, TokenRequest},
    token::TokenKey,
};

/// The plain request for a session's own token, answered from the last publication. Anything else is the
/// router's.
pub(super) fn at_once(api: &Api, peer: &Peer, request: &Request<hyper::body::Incoming>) -> Option<Response> {
    let key = request.uri().path().strip_prefix("/v1/sessions/")?.strip_suffix("/token")?;
    if request.method() != Method::GET || request.uri().query().is_some() || key.contains('%') {
        return None;
    }
    let session = api.session(peer, &SessionKey::new(key).ok()?)?;
    let served = session.at_once(None, None)?;
    Some(answer(&served, api))
}

/// Hands out a fresh access token.
#[utoipa::path(
    get,
    path = "/v1/sessions/{key}/token",
    params(
        ("key" = String, Path, description = "The session key"),
        ("min_validity" = Option<u64>, Query, description = "Seconds that the token must still live for the request not to wait for a renewal"),
        ("wait" = Option<u64>, Query, description = "Seconds that the daemon may wait for a renewal: 30 by default, at most 300"),
        ("scope" = Option<String>, Query, description = "Other scopes than the login's, space-separated; most servers allow only those that the login was granted"),
        ("resource" = Option<String>, Query, description = "One of the resources that the login named (RFC 8707); may be repeated"),
        ("claims" = Option<String>, Query, description = "What an API demands of the token (OpenID Connect Core 5.5): a JSON object of at most 8 KiB. The token is fetched anew with it, once"),
        ("enable_cae" = Option<bool>, Query, description = "Whether the caller can answer a claims challenge, at servers that want to know (Continuous Access Evaluation)"),
    ),
    responses(
        (status = 200, body = TokenResponse),
        (status = 400, body = ErrorBody),
        (status = 409, body = ErrorBody),
        (status = 503, body = ErrorBody),
    ),
)]
pub(super) async fn token(
    State(api): State<Arc<Api>>,
    peer: Peer,
    Key(key): Key,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query =
        Query::read(uri.query(), &["min_validity", "wait", "scope", "resource", "claims", "enable_cae"])?;
    let wait = query.wait.unwrap_or(Duration::from_secs(DEFAULT_WAIT_SECONDS));
    api.until_readable(&peer, &key, wait).await?;
    let Some(session) = api.session(&peer, &key) else {
        return Err(ApiError::no_token(NoToken::LoginRequired(None), &key));
    };
    let audience = !query.scopes.is_empty() || !query.resources.is_empty();
    let request = TokenRequest {
        key: audience.then(|| {
            TokenKey::new(query.scopes.iter().map(String::as_str), query.resources.iter().map(String::as_str))
        }),
        min_validity: query.min_validity,
        wait,
        claims: query.claims,
        enable_cae: query.enable_cae,
    };
    match session.token(&request).await {
        Ok(served) => Ok(answer(&served, &api)),
        Err(reason) => Err(ApiError::no_token(reason, &key)),
    }
}

fn answer(served: &Served, api: &Api) -> Response {
    let mut response = ResponseBody::from(served.body(&api.clock)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    forbid_storing(&mut response);
    response
}
