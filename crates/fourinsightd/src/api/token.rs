//! `GET /v1/sessions/{key}/token` and `POST /v1/sessions/{key}/rejections`.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body as ResponseBody,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use fourinsight_ipc::{
    DEFAULT_WAIT_SECONDS, ErrorBody, SessionKey,
    message::{Rejection, TokenResponse},
};

use super::{
    Api, ApiError,
    extract::{Body, Key, Query},
    forbid_storing,
};
use crate::{
    peer::Peer,
    session::{NoToken, Served, TokenRequest},
    token::{TokenId, TokenKey},
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
        ("scope" = Option<String>, Query, description = "Other scopes than the login's, space-separated"),
        ("resource" = Option<String>, Query, description = "Another resource than the login's (RFC 8707); may be repeated"),
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
    let query = Query::read(uri.query(), &["min_validity", "wait", "scope", "resource"])?;
    let Some(session) = api.session(&peer, &key) else {
        return Err(ApiError::no_token(NoToken::LoginRequired(None), &key));
    };
    let audience = !query.scopes.is_empty() || !query.resources.is_empty();
    let request = TokenRequest {
        key: audience.then(|| {
            TokenKey::new(query.scopes.iter().map(String::as_str), query.resources.iter().map(String::as_str))
        }),
        min_validity: query.min_validity,
        wait: query.wait.unwrap_or(Duration::from_secs(DEFAULT_WAIT_SECONDS)),
    };
    match session.token(&request).await {
        Ok(served) => Ok(answer(&served, &api)),
        Err(reason) => Err(ApiError::no_token(reason, &key)),
    }
}

/// Takes the report that an API refused a token.
#[utoipa::path(
    post,
    path = "/v1/sessions/{key}/rejections",
    params(("key" = String, Path, description = "The session key")),
    request_body = Rejection,
    responses((status = 202), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)),
)]
pub(super) async fn reject(
    State(api): State<Arc<Api>>,
    peer: Peer,
    Key(key): Key,
    uri: Uri,
    Body(rejection): Body<Rejection>,
) -> Result<StatusCode, ApiError> {
    Query::read(uri.query(), &[])?;
    let session = api.session(&peer, &key).ok_or_else(|| ApiError::not_found("no such session"))?;
    let id = u64::from_str_radix(&rejection.token_id, 16)
        .map_err(|_| ApiError::invalid("token_id is the one of the token's answer"))?;
    session.reject(TokenId(id)).await;
    Ok(StatusCode::ACCEPTED)
}

fn answer(served: &Served, api: &Api) -> Response {
    let mut response = ResponseBody::from(served.body(&api.clock)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    forbid_storing(&mut response);
    response
}
