//! `POST /v1/imports`.

use std::sync::Arc;

use axum::{Json, extract::State, http::Uri};
use fourinsight_ipc::{
    ErrorBody, ErrorCode,
    message::{ImportRequest, ImportResponse},
};

use super::{
    Api, ApiError,
    extract::{CACHE_LIMIT, Query, SizedBody},
};

/// Takes over a login from another tool's token cache: renews it once as the proof, and answers when that is durable.
///
/// The caller sends what is in the cache, since the daemon opens no file for it; putting the cache away is the
/// caller's too, once the answer says `durable`.
#[utoipa::path(
    post,
    path = "/v1/imports",
    request_body = ImportRequest,
    responses(
        (status = 200, body = ImportResponse),
        (status = 400, body = ErrorBody),
        (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody),
        (status = 503, body = ErrorBody),
    ),
)]
pub(super) async fn import(
    State(api): State<Arc<Api>>,
    uri: Uri,
    SizedBody(request): SizedBody<ImportRequest, CACHE_LIMIT>,
) -> Result<Json<ImportResponse>, ApiError> {
    Query::read(uri.query(), &[])?;
    if !request.dry_run {
        api.writable().await?;
    }
    // A caller that goes away does not leave a refresh token half taken over.
    let import = tokio::spawn(async move { api.imports.run(request).await });
    let failed = |_| ErrorBody::new(ErrorCode::ServerError, "the import failed in the daemon; see its log");
    Ok(Json(import.await.map_err(failed)??))
}
