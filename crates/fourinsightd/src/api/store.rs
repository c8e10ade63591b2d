//! `POST /v1/store/check`, `rekey`, `backup` and `restore`. What lasts until someone's logout only is in none of them.

use std::sync::Arc;

use axum::{Json, extract::State, http::Uri};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fourinsight_ipc::{
    ErrorBody, ErrorCode,
    message::{
        Backup, BackupRequest, RekeyRequest, RekeyResponse, RestoreRequest, RestoreResponse, StoreCheck,
    },
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Api, ApiError,
    extract::{Body, Query, SizedBody},
};
use crate::store::{BackupError, StoreError};

/// The longest request with a backup in it: one of thousands of sessions.
const BACKUP_LIMIT: usize = 64 * 1024 * 1024;

/// Looks the store over: the database, every record and journal slot, the files, the key. Changes nothing.
#[utoipa::path(post, path = "/v1/store/check", responses((status = 200, body = StoreCheck)))]
pub(super) async fn check(State(api): State<Arc<Api>>, uri: Uri) -> Result<Json<StoreCheck>, ApiError> {
    Query::read(uri.query(), &[])?;
    let found = api.store.check().await.map_err(failed)?;
    let mut check = StoreCheck::default();
    check.sound = found.problems.is_empty();
    (check.schema_version, check.sessions, check.problems) =
        (found.schema_version, found.sessions, found.problems);
    Ok(Json(check))
}

/// Seals the store under a new key, in another home if one is named.
#[utoipa::path(
    post,
    path = "/v1/store/rekey",
    request_body = RekeyRequest,
    responses((status = 200, body = RekeyResponse), (status = 400, body = ErrorBody)),
)]
pub(super) async fn rekey(
    State(api): State<Arc<Api>>,
    uri: Uri,
    Body(request): Body<RekeyRequest>,
) -> Result<Json<RekeyResponse>, ApiError> {
    Query::read(uri.query(), &[])?;
    // A caller that goes away does not leave it half done.
    let (moved, done) = whole(async move {
        let done = api.store.rekey_to(request.to).await.map_err(failed)?;
        Ok((api.store.key(), done))
    })
    .await?;
    let mut answer = RekeyResponse::new(moved.place, moved.home, done.records);
    answer.notes = done.notes;
    Ok(Json(answer))
}

/// All stored sessions, sealed under a passphrase or under the store's key. A renewal under way is waited for.
#[utoipa::path(
    post,
    path = "/v1/store/backup",
    request_body = BackupRequest,
    responses((status = 200, body = Backup), (status = 400, body = ErrorBody)),
)]
pub(super) async fn backup(
    State(api): State<Arc<Api>>,
    uri: Uri,
    Body(request): Body<BackupRequest>,
) -> Result<Json<Backup>, ApiError> {
    Query::read(uri.query(), &[])?;
    refuse_empty(request.passphrase.as_ref())?;
    let (sessions, notes) = api.broker.back_up().await;
    let count = sessions.len() as u64;
    let sealed = api.store.seal_backup(sessions, request.passphrase).await.map_err(failed)?;
    let mut backup = Backup::new(STANDARD.encode(sealed), count);
    backup.notes = notes;
    Ok(Json(backup))
}

/// Adds the sessions of a backup that are missing here. One that somebody is signed in to is left as it is, and so is
/// one of which something later is known: a server that replaces refresh tokens takes an old one as stolen.
#[utoipa::path(
    post,
    path = "/v1/store/restore",
    request_body = RestoreRequest,
    responses(
        (status = 200, body = RestoreResponse),
        (status = 400, body = ErrorBody),
        (status = 413, body = ErrorBody),
    ),
)]
pub(super) async fn restore(
    State(api): State<Arc<Api>>,
    uri: Uri,
    SizedBody(request): SizedBody<RestoreRequest, BACKUP_LIMIT>,
) -> Result<Json<RestoreResponse>, ApiError> {
    Query::read(uri.query(), &[])?;
    let RestoreRequest { backup, passphrase, dry_run, .. } = request;
    let sealed = STANDARD.decode(backup.trim()).map_err(|_| unfit(&BackupError::Foreign))?;
    let sessions = api.store.open_backup(sealed, passphrase).await.map_err(|error| match error {
        BackupError::Store(error) => failed(error),
        error => unfit(&error),
    })?;
    // A caller that goes away does not leave it half done.
    whole(async move { Ok(Json(api.broker.restore_backup(sessions, dry_run).await)) }).await
}

async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    let failed =
        |_| ErrorBody::new(ErrorCode::ServerError, "the store's work failed in the daemon; see its log");
    tokio::spawn(work).await.map_err(failed)?
}

fn refuse_empty(passphrase: Option<&SecretString>) -> Result<(), ApiError> {
    match passphrase {
        Some(passphrase) if passphrase.expose_secret().is_empty() => {
            Err(ApiError::invalid("the passphrase is empty, which would seal nothing"))
        }
        _ => Ok(()),
    }
}

fn unfit(error: &BackupError) -> ApiError {
    said(ErrorCode::InvalidRequest, &error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "it ends here")]
fn failed(error: StoreError) -> ApiError {
    if let StoreError::Locked { why } = &error {
        return ApiError(super::sealed::locked(why));
    }
    said(ErrorCode::ServerError, &error.to_string())
}

/// The store's texts name the next step behind their last semicolon.
fn said(code: ErrorCode, text: &str) -> ApiError {
    let (what, next) = text.rsplit_once("; ").unwrap_or((text, "see `fourinsightctl store check`"));
    ErrorBody::new(code, what).hint(next).into()
}
