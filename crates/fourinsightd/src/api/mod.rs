//! The local HTTP API: one file per resource, and `error.rs`, the only place where an error becomes wire text.

use std::{
    path::PathBuf,
    sync::{Arc, RwLock},
};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use fourinsight_ipc::Endpoint;

use crate::{
    broker::Broker, clock::Clock, config::ConfigFile, import::Imports, login::Logins, peer::Peer,
    store::Store, until_logout::UntilLogout,
};

mod attempts;
mod daemon;
mod error;
mod extract;
mod imports;
mod logins;
mod openapi;
mod profiles;
mod rejections;
mod sealed;
mod sessions;
mod store;
#[cfg(test)]
mod tests;
mod token;
mod visible;

use error::ApiError;

/// What the API answers from.
pub(crate) struct Api {
    pub(crate) broker: Arc<Broker>,
    pub(crate) logins: Logins,
    pub(crate) imports: Imports,
    pub(crate) until_logout: Arc<UntilLogout>,
    pub(crate) config: Arc<ConfigFile>,
    pub(crate) config_path: PathBuf,
    pub(crate) store: Store,
    pub(crate) endpoint: Endpoint,
    pub(crate) clock: Clock,
    /// What was found wrong when the store was read, for people.
    pub(crate) problems: RwLock<Vec<String>>,
}

/// Every route.
pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/sessions", get(sessions::list))
        .route("/v1/sessions/{key}", get(sessions::show).delete(sessions::revoke))
        .route("/v1/sessions/{key}/token", get(token::token))
        .route("/v1/sessions/{key}/rejections", post(rejections::reject))
        .route("/v1/sessions/{key}/attempts", get(attempts::list))
        .route("/v1/logins", post(logins::begin))
        .route("/v1/logins/{id}", get(logins::show).delete(logins::cancel))
        .route("/v1/logins/{id}/response", post(logins::respond))
        .route("/v1/imports", post(imports::import))
        .route("/v1/profiles", get(profiles::list).post(profiles::create))
        .route("/v1/profiles/{name}", get(profiles::show))
        .route("/v1/presets", get(profiles::presets))
        .route("/v1/store/check", post(store::check))
        .route("/v1/store/rekey", post(store::rekey))
        .route("/v1/store/backup", post(store::backup))
        .route("/v1/store/restore", post(store::restore))
        .route("/v1/version", get(daemon::version))
        .route("/v1/health", get(daemon::health))
        .route("/v1/openapi.json", get(openapi::document))
        .fallback(|| async { ApiError::not_found("no such path; GET /v1/openapi.json lists them all") })
        .method_not_allowed_fallback(|| async {
            ApiError::from(fourinsight_ipc::ErrorBody::new(
                fourinsight_ipc::ErrorCode::MethodNotAllowed,
                "this path has no such method; GET /v1/openapi.json lists them all",
            ))
        })
        .layer(middleware::from_fn(never_stored))
        .with_state(api)
}

/// Answers a token request that needs no waiting, without the router: the common path.
pub(crate) fn token_at_once(
    api: &Api,
    peer: &Peer,
    request: &Request<hyper::body::Incoming>,
) -> Option<Response> {
    token::at_once(api, peer, request)
}

/// Answers can hold secrets: nobody on the way keeps them (RFC 6749 section 5.1).
async fn never_stored(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    forbid_storing(&mut response);
    response
}

fn forbid_storing(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}
