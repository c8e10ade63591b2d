//! `GET /v1/openapi.json`, generated from the handlers and the messages.

use axum::{Json, http::Uri};
use utoipa::OpenApi;

use super::{ApiError, daemon, extract::Query, logins, sessions, token};

#[derive(OpenApi)]
#[openapi(
    info(title = "fourinsightd", description = "The local token broker. HTTP/1.1 over a local socket."),
    paths(
        token::token,
        token::reject,
        sessions::list,
        sessions::show,
        sessions::revoke,
        logins::begin,
        logins::show,
        logins::respond,
        logins::cancel,
        daemon::version,
        daemon::health,
        document,
    )
)]
struct Document;

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", responses((status = 200, content_type = "application/json")))]
pub(super) async fn document(uri: Uri) -> Result<Json<utoipa::openapi::OpenApi>, ApiError> {
    Query::read(uri.query(), &[])?;
    Ok(Json(Document::openapi()))
}
