//! `POST /v1/logins`, `GET` and `DELETE /v1/logins/{id}`, `POST /v1/logins/{id}/response`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
};
use fourinsight_ipc::{
    ErrorBody,
    message::{LoginRequest, LoginResponse, LoginState, LoginStatus},
};

use super::{
    Api, ApiError,
    extract::{Body, Id, Query},
};
use crate::peer::Peer;

/// Begins a login. Of two for one session, the later cancels the earlier.
#[utoipa::path(
    post,
    path = "/v1/logins",
    request_body = LoginRequest,
    responses((status = 201, body = LoginStatus), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)),
)]
pub(super) async fn begin(
    State(api): State<Arc<Api>>,
    peer: Peer,
    uri: Uri,
    Body(request): Body<LoginRequest>,
) -> Result<(StatusCode, Json<LoginStatus>), ApiError> {
    Query::read(uri.query(), &[])?;
    Ok((StatusCode::CREATED, Json(api.begin(&peer, request).await?)))
}

/// Shows a login, waiting for its end, or for its next question, if asked to.
#[utoipa::path(
    get,
    path = "/v1/logins/{id}",
    params(
        ("id" = String, Path, description = "The login's id"),
        ("wait" = Option<u64>, Query, description = "Seconds to wait for the login's end, at most 300"),
    ),
    responses((status = 200, body = LoginStatus), (status = 404, body = ErrorBody)),
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    peer: Peer,
    Id(id): Id,
    uri: Uri,
) -> Result<Json<LoginStatus>, ApiError> {
    let query = Query::read(uri.query(), &["wait"])?;
    let mut attempt =
        api.attempt(&peer, &id, |logins| logins.watch(&id)).ok_or_else(ApiError::no_such_login)?;
    let asked = attempt.borrow().confirmation.clone();
    let ended = attempt.wait_for(|status| {
        status.state != LoginState::Pending || status.confirmation.is_some() && status.confirmation != asked
    });
    // Whether it ended, the wait ended, or the daemon is stopping: the answer is what is known now.
    let _ = tokio::time::timeout(query.wait.unwrap_or_default(), ended).await;
    let status = attempt.borrow().clone();
    Ok(Json(status))
}

/// Answers a login with what the person brought: a paste, a password, or the answer to its question.
#[utoipa::path(
    post,
    path = "/v1/logins/{id}/response",
    params(("id" = String, Path, description = "The login's id")),
    request_body = LoginResponse,
    responses((status = 200, body = LoginStatus), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)),
)]
pub(super) async fn respond(
    State(api): State<Arc<Api>>,
    peer: Peer,
    Id(id): Id,
    uri: Uri,
    Body(response): Body<LoginResponse>,
) -> Result<Json<LoginStatus>, ApiError> {
    Query::read(uri.query(), &[])?;
    match api.own(&peer).filter(|own| own.logins.has(&id)) {
        Some(own) => Ok(Json(own.logins.respond(&id, response).await?)),
        None => Ok(Json(api.logins.respond(&id, response).await?)),
    }
}

/// Cancels a login.
#[utoipa::path(
    delete,
    path = "/v1/logins/{id}",
    params(("id" = String, Path, description = "The login's id")),
    responses((status = 200, body = LoginStatus), (status = 404, body = ErrorBody)),
)]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    peer: Peer,
    Id(id): Id,
    uri: Uri,
) -> Result<Json<LoginStatus>, ApiError> {
    Query::read(uri.query(), &[])?;
    api.attempt(&peer, &id, |logins| logins.cancel(&id)).map(Json).ok_or_else(ApiError::no_such_login)
}
