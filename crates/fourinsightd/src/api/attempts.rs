//! `GET /v1/sessions/{key}/attempts`: what was last tried for a session, in words.

use std::sync::Arc;

use axum::{Json, extract::State, http::Uri};
use fourinsight_ipc::{
    ErrorBody, SessionKey,
    message::{Attempt, SessionAttempts},
};

use super::{
    Api, ApiError,
    error::login_command,
    extract::{Key, Query},
    sessions::unknown,
};
use crate::{
    authority::{Failure, explain},
    history::{Tried, Why},
    peer::Peer,
    session::Shown,
};

/// Lists what was last tried for a session, newest first, with what is behind each failure and what to do about it.
#[utoipa::path(
    get,
    path = "/v1/sessions/{key}/attempts",
    params(("key" = String, Path, description = "The session key")),
    responses((status = 200, body = SessionAttempts), (status = 404, body = ErrorBody)),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    peer: Peer,
    Key(key): Key,
    uri: Uri,
) -> Result<Json<SessionAttempts>, ApiError> {
    Query::read(uri.query(), &[])?;
    let exists =
        || api.session(&peer, &key).is_some_and(|session| session.snapshot().shown != Shown::SignedOut);
    let known = match api.tried(&peer, &key) {
        Some(known) => known,
        None if exists() || api.is_sealed(&key) => Vec::new(),
        None => return Err(unknown(&key)),
    };
    let attempts = known.into_iter().map(|tried| in_words(tried, &key)).collect();
    Ok(Json(SessionAttempts { session: key, attempts }))
}

fn in_words(tried: Tried, session: &SessionKey) -> Attempt {
    let mut attempt = Attempt::new(tried.at, tried.action, tried.outcome);
    attempt.flow = tried.flow.map(str::to_owned);
    attempt.count = Some(tried.count).filter(|count| *count > 1);
    let explanation = match tried.why.map(|why| *why) {
        None => explain::outcome(tried.action, tried.outcome),
        Some(Why::Told(told)) => {
            attempt.error = name(&told);
            attempt.error_description = Some(told.error_description).filter(|text| !text.is_empty());
            attempt.next_step = told.hint;
            None
        }
        Some(Why::Failure(failure)) => {
            let explanation = explain::failure(&failure);
            tell(&mut attempt, failure);
            Some(explanation)
        }
    };
    if let Some(explanation) = explanation {
        attempt.cause = Some(explanation.cause.to_owned());
        attempt.next_step = Some(explanation.next_step.replace("{login}", &login_command(session)));
    }
    attempt
}

fn tell(attempt: &mut Attempt, failure: Failure) {
    attempt.error = Some(failure.error);
    attempt.error_description = Some(failure.description).filter(|text| !text.is_empty());
    if let Some(detail) = failure.detail {
        attempt.suberror = detail.suberror;
        attempt.codes = detail.codes;
        attempt.correlation_id = detail.correlation_id;
        attempt.trace_id = detail.trace_id;
        attempt.error_uri = detail.error_uri;
    }
}

/// The error's code as it is written on the wire.
fn name(told: &ErrorBody) -> Option<String> {
    serde_json::to_value(told.error).ok()?.as_str().map(str::to_owned)
}
