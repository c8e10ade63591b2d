//! `GET /v1/openapi.json`, generated from the handlers and the messages.

use axum::{Json, http::Uri};
use fourinsight_ipc::ErrorBody;
use utoipa::{
    Modify, OpenApi,
    openapi::{ContentBuilder, Ref, ResponseBuilder},
};

use super::{
    ApiError, attempts, daemon, extract::Query, imports, logins, profiles, rejections, sessions, store, token,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "fourinsightd", description = "The local token broker. HTTP/1.1 over a local socket."),
    paths(
        token::token,
        rejections::reject,
        sessions::list,
        sessions::show,
        sessions::revoke,
        attempts::list,
        logins::begin,
        logins::show,
        logins::respond,
        logins::cancel,
        imports::import,
        profiles::list,
        profiles::show,
        profiles::create,
        profiles::presets,
        store::check,
        store::rekey,
        store::backup,
        store::restore,
        daemon::version,
        daemon::health,
        document,
    ),
    components(schemas(ErrorBody)),
    modifiers(&Errors)
)]
struct Document;

/// Every call may answer with an error: a wrong query, a body that is too long, a daemon that is stopping.
struct Errors;

impl Modify for Errors {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
        let error = ResponseBuilder::new().description("An error").content("application/json", body).build();
        for path in document.paths.paths.values_mut() {
            let calls = [&mut path.get, &mut path.post, &mut path.delete];
            for call in calls.into_iter().flatten() {
                call.responses.responses.insert("default".to_owned(), error.clone().into());
            }
        }
    }
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", responses((status = 200, content_type = "application/json")))]
pub(super) async fn document(uri: Uri) -> Result<Json<utoipa::openapi::OpenApi>, ApiError> {
    Query::read(uri.query(), &[])?;
    Ok(Json(Document::openapi()))
}
