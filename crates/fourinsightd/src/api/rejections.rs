//! `POST /v1/sessions/{key}/rejections`.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, Uri},
};
use fourinsight_ipc::{
    ErrorBody, ErrorCode, SessionKey,
    message::{Rejection, RejectionOutcome, RejectionResponse},
};

use super::{
    Api, ApiError,
    error::login_command,
    extract::{Body, Key, Query},
};
use crate::{
    authority::{challenge::Challenge, text::clean},
    peer::Peer,
    session::Reported,
    token::TokenId,
};

/// Takes the report that an API refused a token.
#[utoipa::path(
    post,
    path = "/v1/sessions/{key}/rejections",
    params(("key" = String, Path, description = "The session key")),
    request_body = Rejection,
    responses(
        (status = 202, body = RejectionResponse),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 503, body = ErrorBody),
    ),
)]
pub(super) async fn reject(
    State(api): State<Arc<Api>>,
    peer: Peer,
    Key(key): Key,
    uri: Uri,
    Body(rejection): Body<Rejection>,
) -> Result<(StatusCode, axum::Json<RejectionResponse>), ApiError> {
    Query::read(uri.query(), &[])?;
    api.readable(&peer, &key)?;
    let session = api.session(&peer, &key).ok_or_else(|| ApiError::not_found("no such session"))?;
    let id = u64::from_str_radix(&rejection.token_id, 16)
        .map_err(|_| ApiError::invalid("token_id is the one of the token's answer"))?;
    // A field that is too long, or says nothing, is none: the token is refused all the same.
    let challenge = rejection.www_authenticate.as_deref().and_then(Challenge::read);
    let reported = session.reject(TokenId(id), challenge).await;
    let reported = reported.ok_or_else(|| {
        ErrorBody::new(ErrorCode::TemporarilyUnavailable, "the daemon is stopping").retry_after(1)
    })?;
    Ok((StatusCode::ACCEPTED, axum::Json(answer(reported, &key))))
}

fn answer(reported: Reported, session: &SessionKey) -> RejectionResponse {
    use RejectionOutcome as Outcome;
    match reported {
        Reported::Unknown => RejectionResponse::new(
            Outcome::UnknownToken,
            "the session does not have this token, or no longer; ask for the present one",
        ),
        Reported::Renewing => RejectionResponse::new(
            Outcome::Renewing,
            "nobody is given this token again; ask for the next one",
        ),
        Reported::Paused(pause) => {
            let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
            let mut response = RejectionResponse::new(
                Outcome::Paused,
                format!(
                    "nobody is given this token again; the next one is fetched in {seconds} s, because the API has \
                     refused several in a row or the server cannot be asked now"
                ),
            );
            response.retry_after = Some(seconds);
            response
        }
        Reported::Scope { missing } => {
            let mut response = RejectionResponse::new(
                Outcome::InsufficientScope,
                "the token is good, but its scope is not enough for the API; ask for a token of the missing scope, or \
                 log in with it",
            );
            response.scope = missing.map(|scope| clean(&scope));
            response
        }
        Reported::Person(failure) => RejectionResponse::new(
            Outcome::InteractionRequired,
            format!("{} ({}); run `{}`", failure.description, failure.error, login_command(session)),
        ),
    }
}
