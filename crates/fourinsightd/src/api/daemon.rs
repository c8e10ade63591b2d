//! `GET /v1/version` and `GET /v1/health`.

use std::sync::{Arc, PoisonError};

use axum::{Json, extract::State, http::Uri};
use fourinsight_ipc::{
    API_VERSION,
    message::{Health, Version},
};

use super::{Api, ApiError, extract::Query};

/// Tells the daemon's version and the API's.
#[utoipa::path(get, path = "/v1/version", responses((status = 200, body = Version)))]
pub(super) async fn version(uri: Uri) -> Result<Json<Version>, ApiError> {
    Query::read(uri.query(), &[])?;
    Ok(Json(Version { version: env!("CARGO_PKG_VERSION").into(), api: API_VERSION.into() }))
}

/// Tells how the daemon as a whole is doing.
#[utoipa::path(get, path = "/v1/health", responses((status = 200, body = Health)))]
pub(super) async fn health(State(api): State<Arc<Api>>, uri: Uri) -> Result<Json<Health>, ApiError> {
    Query::read(uri.query(), &[])?;
    let key = api.store.key();
    let found = api.problems.read().unwrap_or_else(PoisonError::into_inner).clone();
    let found = found.into_iter().chain(api.store.trouble()).chain(key.problem);
    let problems: Vec<_> = found.chain(api.config.problem()).collect();
    Ok(Json(Health {
        status: if problems.is_empty() { "ok" } else { "degraded" }.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        socket: api.endpoint.to_string(),
        store: api.store.path().display().to_string(),
        key: key.place,
        key_home: key.home,
        key_state: key.state,
        config: api.config_path.display().to_string(),
        problems,
        quarantined: api.store.quarantined().await,
    }))
}
