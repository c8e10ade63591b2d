//! The only place where an error becomes wire text.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fourinsight_ipc::{ErrorBody, ErrorCode, SessionKey};

use crate::{
    authority::{Failure, Verdict},
    session::NoToken,
};

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct ApiError(pub(crate) ErrorBody);

impl ApiError {
    /// The request is wrong in this way.
    pub(crate) fn invalid(description: impl Into<String>) -> Self {
        Self(ErrorBody::new(ErrorCode::InvalidRequest, description))
    }

    /// There is no such thing.
    pub(crate) fn not_found(description: impl Into<String>) -> Self {
        Self(ErrorBody::new(ErrorCode::NotFound, description))
    }

    /// There is no login of this id.
    pub(crate) fn no_such_login() -> Self {
        Self::not_found("no such login; it may have ended more than ten minutes ago")
    }

    /// A token request that brought no token.
    pub(crate) fn no_token(reason: NoToken, session: &SessionKey) -> Self {
        Self(match reason {
            NoToken::LoginRequired(failure) => {
                let why = failure.as_ref().map_or_else(|| "nobody is signed in".to_owned(), in_words);
                ErrorBody::new(ErrorCode::LoginRequired, why).hint(login_hint(session))
            }
            NoToken::Refused(verdict, failure) => {
                let code = match verdict {
                    Verdict::Scope => ErrorCode::InvalidScope,
                    Verdict::Target => ErrorCode::InvalidTarget,
                    _ => ErrorCode::InteractionRequired,
                };
                ErrorBody::new(code, in_words(&failure)).hint(match code {
                    ErrorCode::InteractionRequired => login_hint(session),
                    _ => "ask for a scope and a resource that this login was granted".to_owned(),
                })
            }
            NoToken::ClaimsNotTaken(failure) => ErrorBody::new(
                ErrorCode::InvalidRequest,
                format!("the authorization server does not understand the claims: {}", in_words(&failure)),
            )
            .hint("bring the claims as the API's WWW-Authenticate names them"),
            NoToken::Unavailable { failure, retry_after } => {
                let why =
                    failure.as_ref().map_or_else(|| "no token could be fetched in time".to_owned(), in_words);
                let seconds = retry_after.map_or(1, |pause| pause.as_secs().max(1));
                ErrorBody::new(ErrorCode::TemporarilyUnavailable, why)
                    .hint("nothing is lost; ask again later, or see `fourinsightctl status`")
                    .retry_after(seconds)
            }
            NoToken::NotBearer => ErrorBody::new(
                ErrorCode::ServerError,
                "the server issues a token type other than Bearer, which cannot be handed on",
            )
            .hint("ask the server's administrator for bearer tokens"),
        })
    }
}

impl From<ErrorBody> for ApiError {
    fn from(body: ErrorBody) -> Self {
        Self(body)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self.0)).into_response();
        if let Some(seconds) = self.0.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The command that signs this session in, ready to be pasted into a shell.
pub(super) fn login_command(session: &SessionKey) -> String {
    if *session == SessionKey::default() {
        "fourinsightctl login".to_owned()
    } else if session.as_str().contains(' ') {
        format!("fourinsightctl login '{session}'")
    } else {
        format!("fourinsightctl login {session}")
    }
}

fn login_hint(session: &SessionKey) -> String {
    format!("run `{}`", login_command(session))
}

fn in_words(failure: &Failure) -> String {
    format!("{} ({})", failure.description, failure.error)
}
