//! Why a login was not taken over, in words. In every case the cache is as it was.

use fourinsight_ipc::{ErrorBody, ErrorCode, SessionKey};

use crate::{
    authority::{Failure, Refusal, Retry, Verdict, client_auth},
    session::NotAdopted,
};

/// The proof did not succeed; where the profile's own words can be to blame, with what its preset says about such.
pub(super) fn not_adopted(why: &NotAdopted, session: &SessionKey, help: Option<&str>) -> ErrorBody {
    let body = told(why, session);
    match (help, body.hint.clone()) {
        (Some(help), Some(next)) if is_of_the_profile(why) => body.hint(format!("{next}; {help}")),
        _ => body,
    }
}

fn is_of_the_profile(why: &NotAdopted) -> bool {
    match why {
        NotAdopted::Undecided(retry) => client_auth::is_unusable(&retry.failure),
        NotAdopted::Refused(refusal) => refusal.verdict == Verdict::Misconfigured,
        _ => false,
    }
}

fn told(why: &NotAdopted, session: &SessionKey) -> ErrorBody {
    match why {
        NotAdopted::Taken => taken(session),
        NotAdopted::Unsaved => ErrorBody::new(
            ErrorCode::ServerError,
            "The disk does not take the session's record. Nothing was sent, and the file is untouched.",
        )
        .hint("make room on the disk and the state folder writable, then import again"),
        NotAdopted::Interrupted => ErrorBody::new(
            ErrorCode::TemporarilyUnavailable,
            "Another login or a revocation came in between, or the daemon is stopping. The file is untouched.",
        )
        .hint("see `fourinsightctl status`, then import again"),
        NotAdopted::Undecided(retry) => undecided(retry),
        NotAdopted::Refused(refusal) => refused(refusal),
    }
}

/// The session is not free.
pub(super) fn taken(session: &SessionKey) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::InvalidRequest,
        format!("Session {session} has a login already, which an import does not replace. Nothing was sent."),
    )
    .hint(format!(
        "import into another session with --session KEY, or sign this one out first with `fourinsightctl revoke {session}`"
    ))
}

/// The server could not be found.
pub(super) fn not_discovered(failure: &Failure) -> ErrorBody {
    ErrorBody::new(ErrorCode::TemporarilyUnavailable, format!("{}. Nothing was sent.", words(failure)))
        .hint("check the profile and the network, then import again; the file is untouched")
}

fn undecided(retry: &Retry) -> ErrorBody {
    if client_auth::is_unusable(&retry.failure) {
        return ErrorBody::new(
            ErrorCode::InvalidRequest,
            format!("The client cannot prove itself, so nothing was sent: {}.", words(&retry.failure)),
        )
        .hint("correct the profile, then import again; the file is untouched");
    }
    let error = ErrorCode::TemporarilyUnavailable;
    let body = if retry.ambiguous {
        let what = "The server gave no usable answer, so nobody knows whether the refresh token is spent";
        ErrorBody::new(error, format!("{what}: {}.", words(&retry.failure))).hint(
            "the file is untouched: import it again within the minute, which most servers take for a repetition; \
             should they refuse, sign in with `fourinsightctl login`",
        )
    } else {
        let what = "The server could not renew the login, and has not touched it";
        ErrorBody::new(error, format!("{what}: {}.", words(&retry.failure)))
            .hint("import again later; the file is untouched")
    };
    match retry.after {
        Some(pause) => body.retry_after(pause.as_secs().max(1)),
        None => body,
    }
}

fn refused(refusal: &Refusal) -> ErrorBody {
    let (code, next) = match refusal.verdict {
        Verdict::Final | Verdict::PersonChanged => (
            ErrorCode::LoginRequired,
            "the file is untouched, but its login is over, perhaps because another program renewed it since; sign in \
             anew with `fourinsightctl login`",
        ),
        Verdict::InteractionRequired => (
            ErrorCode::InteractionRequired,
            "the server wants to ask its person something: sign in with `fourinsightctl login`; the file is untouched",
        ),
        Verdict::Scope => {
            (ErrorCode::InvalidScope, "correct the scopes of the profile; the file is untouched")
        }
        Verdict::Target => {
            (ErrorCode::InvalidTarget, "correct the resources of the profile; the file is untouched")
        }
        Verdict::Misconfigured => (
            ErrorCode::InvalidRequest,
            "compare client_id and the secret, key or certificate of the profile with the client's registration; \
             the file is untouched",
        ),
    };
    ErrorBody::new(code, format!("The server does not renew this login: {}.", words(&refusal.failure)))
        .hint(next)
}

fn words(failure: &Failure) -> String {
    format!("{} ({})", failure.description.trim_end_matches('.'), failure.error)
}
