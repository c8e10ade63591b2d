//! What went wrong with a login, as the local API and the browser's page tell it.
//!
//! Words that came through the browser are told on the local API only, cleaned; the page never shows anything of
//! a request that it answers.

use fourinsight_ipc::{ErrorBody, ErrorCode};

use super::{callback::AuthorizationError, opener::NotOpened};
use crate::{
    authority::{Failure, Refusal, Retry, Verdict, client_auth},
    history::Why,
};

/// A failed login.
#[derive(Clone, Debug)]
pub(super) struct LoginFailure {
    /// For the local API.
    pub(super) told: ErrorBody,
    /// For the browser's page.
    pub(super) shown: ErrorBody,
    /// For the history.
    pub(super) why: Box<Why>,
    /// The server, or the person, said no.
    pub(super) refused: bool,
}

impl From<ErrorBody> for LoginFailure {
    fn from(error: ErrorBody) -> Self {
        let why = Box::new(Why::Told(error.clone()));
        Self { told: error.clone(), why, refused: error.error == ErrorCode::AccessDenied, shown: error }
    }
}

impl LoginFailure {
    /// Told in these words; the failure behind it decided nothing.
    fn undecided(told: ErrorBody, failure: &Failure) -> Self {
        Self { why: Box::new(Why::Failure(failure.clone())), ..told.into() }
    }

    /// The same; where the profile's own words can be to blame, with what its preset says about such.
    pub(super) fn with_help(mut self, help: Option<&str>) -> Self {
        if matches!(self.told.error, ErrorCode::AccessDenied | ErrorCode::InvalidRequest) {
            self.told = with_help(self.told, help);
        }
        self
    }

    /// Told in these words; the failure behind it is a refusal.
    fn refused(told: ErrorBody, failure: &Failure) -> Self {
        Self { refused: true, ..Self::undecided(told, failure) }
    }
}

/// The error with what a profile's preset says about such.
pub(super) fn with_help(error: ErrorBody, help: Option<&str>) -> ErrorBody {
    match (help, error.hint.clone()) {
        (Some(help), Some(next)) => error.hint(format!("{next}; {help}")),
        (Some(help), None) => error.hint(help),
        (None, _) => error,
    }
}

/// The server answered the authorization request with an error (RFC 6749 section 4.1.2.1, OpenID Connect Core
/// section 3.1.2.6).
pub(super) fn authorization(answer: &AuthorizationError) -> LoginFailure {
    let (code, what, next) = match answer.error.as_str() {
        "access_denied" => (
            ErrorCode::AccessDenied,
            "The sign-in was declined, by the person or by the server.",
            "run the login again and accept, or ask the server's administrator for access",
        ),
        "invalid_scope" => (
            ErrorCode::InvalidScope,
            "The server does not grant the scopes that were asked for.",
            "correct the scopes of the profile, or those given with --scope",
        ),
        "invalid_target" => (
            ErrorCode::InvalidTarget,
            "The server does not know the resources that were asked for.",
            "correct the resources of the profile, or those given with --resource",
        ),
        "server_error" | "temporarily_unavailable" => (
            ErrorCode::TemporarilyUnavailable,
            "The server cannot sign anyone in at the moment.",
            "run the login again later",
        ),
        "login_required" | "interaction_required" | "consent_required" | "account_selection_required" => (
            ErrorCode::InteractionRequired,
            "The server would have to ask something but was told not to.",
            "remove prompt from authorize_params in the profile",
        ),
        "invalid_request" | "unauthorized_client" | "unsupported_response_type" => (
            ErrorCode::InvalidRequest,
            "The server refused the request as this client made it.",
            "compare the profile's client_id, redirect_uri and authorize_params with the client's registration",
        ),
        _ => (
            ErrorCode::AccessDenied,
            "The server refused the sign-in.",
            "run the login again, or ask the server's administrator",
        ),
    };
    let failure = Failure::new(&answer.error, answer.description.as_deref().unwrap_or_default());
    let words = format!(" The server says: {}", words(&failure));
    LoginFailure {
        told: ErrorBody::new(code, format!("{what}{words}")).hint(next),
        shown: ErrorBody::new(code, what).hint(next),
        why: Box::new(Why::Failure(failure)),
        refused: code != ErrorCode::TemporarilyUnavailable,
    }
}

/// The code's exchange decided nothing.
pub(super) fn retry(retry: &Retry) -> LoginFailure {
    if client_auth::is_unusable(&retry.failure) {
        return client_unproven(&retry.failure);
    }
    let error = ErrorBody::new(ErrorCode::TemporarilyUnavailable, words(&retry.failure))
        .hint("run the login again, since the code of this attempt may be used up");
    LoginFailure::undecided(pausing(error, retry), &retry.failure)
}

/// The server refused the code's exchange.
pub(super) fn refusal(refusal: &Refusal) -> LoginFailure {
    if refusal.failure.error == "invalid_id_token" {
        return with_next_step(ErrorCode::AccessDenied, &refusal.failure, "run the login again");
    }
    let (code, next) = match refusal.verdict {
        Verdict::Final | Verdict::PersonChanged => (ErrorCode::AccessDenied, "run the login again"),
        Verdict::InteractionRequired => (
            ErrorCode::InteractionRequired,
            "run the login again with --force, and answer what the server asks",
        ),
        Verdict::Scope => {
            (ErrorCode::InvalidScope, "correct the scopes of the profile, or those given with --scope")
        }
        Verdict::Target => {
            (ErrorCode::InvalidTarget, "correct the resources of the profile, or those given with --resource")
        }
        Verdict::Misconfigured => (
            ErrorCode::InvalidRequest,
            "compare client_id and the secret, key or certificate of the profile with the client's registration",
        ),
    };
    let told =
        ErrorBody::new(code, format!("The server refused the login: {}", words(&refusal.failure))).hint(next);
    LoginFailure::refused(told, &refusal.failure)
}

/// The client could not sign in as itself.
pub(super) fn client_credentials(why: &NotOpened) -> LoginFailure {
    let (code, failure, next) = match why {
        NotOpened::Refused(refused) => match refused.verdict {
            Verdict::Scope | Verdict::Target => return refusal(refused),
            _ => (
                ErrorCode::AccessDenied,
                &refused.failure,
                "compare client_id, client_auth and the secret, key or certificate with the client's registration",
            ),
        },
        NotOpened::Undecided(Retry { failure, .. }) if client_auth::is_unusable(failure) => {
            (ErrorCode::InvalidRequest, failure, "run the login again")
        }
        NotOpened::Undecided(retry) => {
            (ErrorCode::TemporarilyUnavailable, &retry.failure, "run the login again later")
        }
    };
    let error = ErrorBody::new(code, words(failure)).hint(next);
    match why {
        NotOpened::Undecided(retry) => LoginFailure::undecided(pausing(error, retry), failure),
        NotOpened::Refused(_) => LoginFailure::refused(error, failure),
    }
}

/// The person, or the server for them, declined the user code.
pub(super) fn declined(failure: &Failure) -> LoginFailure {
    let what = format!("The sign-in was declined, by the person or by the server. {}", words(failure));
    let told = ErrorBody::new(ErrorCode::AccessDenied, what).hint("run the login again, and allow it");
    LoginFailure::refused(told, failure)
}

/// The server refused a request of the device flow.
pub(super) fn device_refusal(refused: &Refusal) -> LoginFailure {
    let failure = refusal(refused);
    match refused.verdict {
        Verdict::Misconfigured => {
            let next = "see whether the server lets this client use the device flow (Entra: \"Allow public client \
                        flows\"), and compare client_id and the secret or key with its registration";
            LoginFailure::refused(failure.told.hint(next), &refused.failure)
        }
        _ => failure,
    }
}

/// No user code could be had now.
pub(super) fn no_user_code(retry: &Retry) -> LoginFailure {
    if client_auth::is_unusable(&retry.failure) {
        return client_unproven(&retry.failure);
    }
    let error = ErrorBody::new(ErrorCode::TemporarilyUnavailable, words(&retry.failure))
        .hint("check that the server can be reached, and run the login again");
    LoginFailure::undecided(pausing(error, retry), &retry.failure)
}

/// The server's device authorization is of no use.
pub(super) fn unusable_device(failure: &Failure) -> LoginFailure {
    let next = "see whether the server has the device flow, and use another flow if it has not";
    with_next_step(ErrorCode::InvalidRequest, failure, next)
}

/// What the last poll met, for an attempt that ended without an answer.
pub(super) fn last_poll(failure: &Failure) -> LoginFailure {
    let text = format!("The server gave no clear answer at the end. {}", words(failure));
    LoginFailure::undecided(ErrorBody::new(ErrorCode::TemporarilyUnavailable, text), failure)
}

/// The server's endpoints could not be found.
pub(super) fn discovery(failure: &Failure) -> LoginFailure {
    let (code, next) = match failure.error.as_str() {
        "invalid_issuer" | "invalid_metadata" | "issuer_mismatch" | "discovery_failed" => {
            (ErrorCode::InvalidRequest, "correct the issuer or the endpoints of the profile")
        }
        _ => (
            ErrorCode::TemporarilyUnavailable,
            "check that the server can be reached, and run the login again",
        ),
    };
    with_next_step(code, failure, next)
}

/// The daemon's own part broke.
pub(super) fn broken() -> ErrorBody {
    ErrorBody::new(ErrorCode::ServerError, "The login ended because of a defect in the daemon.")
        .hint("see the daemon's log, and run the login again")
}

/// The client secret is in none of its places, so there is no use in beginning.
pub(super) fn without_secret(failure: &Failure, help: Option<&str>) -> LoginFailure {
    let (what, next) =
        failure.description.split_once("; ").unwrap_or((&failure.description, "correct client_secret"));
    let told = ErrorBody::new(ErrorCode::InvalidRequest, format!("The login was not begun: {what}."));
    LoginFailure::undecided(told.hint(help.unwrap_or(next)), failure)
}

/// Nothing was sent, and waiting does not help.
fn client_unproven(failure: &Failure) -> LoginFailure {
    let told = ErrorBody::new(ErrorCode::InvalidRequest, words(failure)).hint("then run the login again");
    LoginFailure::undecided(told, failure)
}

/// The error with the pause that the server asks for.
fn pausing(error: ErrorBody, retry: &Retry) -> ErrorBody {
    match retry.after {
        Some(after) => error.retry_after(after.as_secs()),
        None => error,
    }
}

/// The failure with the next step that its words name, else with this one.
fn with_next_step(code: ErrorCode, failure: &Failure, next: &str) -> LoginFailure {
    let text = words(failure);
    let (what, next) = text.split_once("; ").unwrap_or((&text, next));
    LoginFailure::undecided(ErrorBody::new(code, what).hint(next), failure)
}

/// The server's code stands before its words. Codes of our own say nothing that the words do not.
fn words(failure: &Failure) -> String {
    match (failure.error.as_str(), failure.description.as_str()) {
        (code, "") => code.to_owned(),
        (
            "server_unreachable" | "invalid_issuer" | "invalid_metadata" | "issuer_mismatch"
            | "discovery_failed" | "invalid_id_token",
            words,
        ) => words.to_owned(),
        (code, words) => format!("{code}: {words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error: &str, description: Option<&str>) -> LoginFailure {
        authorization(&AuthorizationError {
            error: error.to_owned(),
            description: description.map(str::to_owned),
        })
    }

    #[test]
    fn each_error_of_the_server_has_its_kind_and_its_next_step() {
        for (error, code) in [
            ("access_denied", ErrorCode::AccessDenied),
            ("invalid_scope", ErrorCode::InvalidScope),
            ("invalid_target", ErrorCode::InvalidTarget),
            ("server_error", ErrorCode::TemporarilyUnavailable),
            ("temporarily_unavailable", ErrorCode::TemporarilyUnavailable),
            ("login_required", ErrorCode::InteractionRequired),
            ("consent_required", ErrorCode::InteractionRequired),
            ("unauthorized_client", ErrorCode::InvalidRequest),
            ("unsupported_response_type", ErrorCode::InvalidRequest),
            ("brand_new", ErrorCode::AccessDenied),
        ] {
            let failure = answer(error, None);
            assert_eq!((failure.told.error, failure.shown.error), (code, code), "{error}");
            assert!(failure.told.error_description.ends_with(error), "{error}");
            assert!(failure.told.hint.is_some() && failure.shown.hint.is_some());
        }
    }

    #[test]
    fn a_server_that_cannot_be_found_is_told_with_one_next_step() {
        let failure = Failure::new("discovery_failed", "the issuer has no metadata; check `issuer`");
        let error = discovery(&failure).told;
        assert_eq!(error.error, ErrorCode::InvalidRequest);
        assert_eq!(error.error_description, "the issuer has no metadata");
        assert_eq!(error.hint.as_deref(), Some("check `issuer`"));
        let error = discovery(&Failure::new("server_unreachable", "it could not be reached")).told;
        assert_eq!(error.error, ErrorCode::TemporarilyUnavailable);
        assert_eq!(error.error_description, "it could not be reached");
        assert!(error.hint.is_some_and(|hint| hint.contains("run the login again")));
    }

    #[test]
    fn the_servers_words_are_cleaned_and_kept_off_the_page() {
        let failure = answer("acc\u{1b}[1mess", Some("c4nary\r\n\u{202e}evil"));
        assert!(failure.told.error_description.ends_with("acc[1mess: c4nary evil"), "{failure:?}");
        assert!(!format!("{:?}", failure.shown).contains("c4nary"));
        assert!(!format!("{:?}", failure.shown).contains("[1m"));
    }
}
