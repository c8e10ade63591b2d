//! The only place where an error becomes wire text.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fourinsight_ipc::{ErrorBody, ErrorCode, SessionKey};

use crate::{
    authority::{Failure, Verdict, text},
    session::{Beyond, NoToken},
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

    /// There is no profile of this name.
    pub(crate) fn no_such_profile() -> Self {
        let error = ErrorBody::new(ErrorCode::NotFound, "the configuration has no profile of that name");
        Self(error.hint("`fourinsightctl profile list` lists those that there are"))
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
            NoToken::Beyond(beyond) => out_of_reach(&beyond, session),
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

/// What a login cannot serve, in terms of what it can: never in the words of the request.
fn out_of_reach(beyond: &Beyond, session: &SessionKey) -> ErrorBody {
    let login = login_command(session);
    match beyond {
        Beyond::Resource(named) if named.is_empty() => {
            ErrorBody::new(ErrorCode::InvalidTarget, "the login of this session named no resource")
                .hint(format!("`{login} --resource URI --force` signs in anew for a resource"))
        }
        Beyond::Resource(named) => {
            let words = format!(
                "the login of this session did not name that resource; it can be asked for {}",
                some(named)
            );
            ErrorBody::new(ErrorCode::InvalidTarget, words).hint(format!(
                "`{login} --resource URI --force` signs in anew for one more; repeat --resource for each that is \
                 not in the profile"
            ))
        }
        Beyond::Scope(granted) => {
            let words = format!(
                "the login of this session was not granted that scope; it can be asked for {}",
                some(granted)
            );
            ErrorBody::new(ErrorCode::InvalidScope, words).hint(format!(
                "`{login} --scope SCOPES --force` signs in anew; name all the scopes that it shall have"
            ))
        }
    }
}

/// The first few of a list, in words.
fn some(list: &[String]) -> String {
    const FEW: usize = 8;
    let shown = list.iter().take(FEW).map(|item| text::clean(item)).collect::<Vec<_>>().join(", ");
    match list.len().saturating_sub(FEW) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn login_hint(session: &SessionKey) -> String {
    format!("run `{}`", login_command(session))
}

fn in_words(failure: &Failure) -> String {
    format!("{} ({})", failure.description, failure.error)
}
