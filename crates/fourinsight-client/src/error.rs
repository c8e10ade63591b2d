//! What can go wrong, by what the caller can do about it.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use fourinsight_ipc::{Endpoint, ErrorBody, ErrorCode, location::LocationError, platform::NotTrusted};

/// Why a call failed. Its text says what was wrong and what to do next, and holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody listens where the daemon should.
    #[error(
        "fourinsightd is not running: nobody listens at {endpoint}; start it with `fourinsightd`, or sign in with `fourinsightctl login`"
    )]
    NotRunning {
        /// Where it was expected.
        endpoint: Endpoint,
    },
    /// The server there belongs to another user.
    #[error("{0}; find out who listens there before you sign in")]
    NotTrusted(#[from] NotTrusted),
    /// The daemon was not running and could not be started.
    #[error("fourinsightd could not be started: {failure}; {}", failure.next(log_file))]
    StartFailed {
        /// What went wrong.
        failure: StartFailure,
        /// The exit code it ended with, if it ran at all and had one. 78 is a configuration error.
        exit_code: Option<i32>,
        /// Where it writes its log.
        log_file: PathBuf,
    },
    /// The session's person must sign in.
    #[error("{}", told(.0))]
    LoginRequired(ErrorBody),
    /// This audience needs a person; the session's other tokens still work.
    #[error("{}", told(.0))]
    InteractionRequired(ErrorBody),
    /// There is no token now; asking again later can help.
    #[error("{}", told(.0))]
    TemporarilyUnavailable(ErrorBody),
    /// The person or the server said no.
    #[error("{}", told(.0))]
    AccessDenied(ErrorBody),
    /// No such session, login or call.
    #[error("{}", told(.0))]
    NotFound(ErrorBody),
    /// The request is wrong: a malformed value, an unknown scope or resource.
    #[error("{}", told(.0))]
    InvalidRequest(ErrorBody),
    /// A defect or a broken part of the daemon, or an error that this version does not know.
    #[error("{}", told(.0))]
    Server(ErrorBody),
    /// The answer is not one of this API.
    #[error("the answer is none of fourinsightd's: {0}; check that daemon and client are of one version")]
    Protocol(&'static str),
    /// The connection failed, or no answer came in time.
    #[error("no answer from fourinsightd: {0}; try again, and see `fourinsightctl status` should it stay so")]
    Io(#[from] io::Error),
    /// Where things are cannot be settled.
    #[error(transparent)]
    Location(#[from] LocationError),
}

/// Why the daemon could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartFailure {
    /// The program is nowhere.
    #[error("the program is neither beside this one nor in PATH")]
    NotInstalled,
    /// Its state folder or log file cannot be written.
    #[error("its state folder cannot be used ({0})")]
    StateFolder(io::Error),
    /// The operating system refused to start it.
    #[error("the operating system refused ({0})")]
    Refused(io::Error),
    /// It ended before it was ready.
    #[error("it ended before it was ready")]
    Ended,
    /// It did not become ready in time.
    #[error("it did not become ready in time")]
    NotReady,
}

impl StartFailure {
    /// What to do about it.
    fn next(&self, log_file: &Path) -> String {
        match self {
            Self::NotInstalled => "install fourinsightd beside it, or put its folder into PATH".to_owned(),
            Self::StateFolder(_) => {
                let folder = log_file.parent().unwrap_or(log_file).display();
                format!("make {folder} writable, or name another with --state-dir or FOURINSIGHT_STATE_DIR")
            }
            Self::Refused(_) => "see whether you can start fourinsightd yourself".to_owned(),
            Self::Ended | Self::NotReady => format!("see why in its log, {}", log_file.display()),
        }
    }
}

impl Error {
    /// Whether the same call may succeed later with nobody doing anything about it.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::TemporarilyUnavailable(_) | Self::Io(_))
    }

    /// The daemon's own words, if it answered.
    pub fn body(&self) -> Option<&ErrorBody> {
        match self {
            Self::LoginRequired(body)
            | Self::InteractionRequired(body)
            | Self::TemporarilyUnavailable(body)
            | Self::AccessDenied(body)
            | Self::NotFound(body)
            | Self::InvalidRequest(body)
            | Self::Server(body) => Some(body),
            _ => None,
        }
    }

    /// How long to wait before asking again, if the daemon said.
    pub fn retry_after(&self) -> Option<Duration> {
        self.body()?.retry_after.map(Duration::from_secs)
    }

    /// The error of an answer: by its code, or by its status where the code is of a newer daemon.
    pub(crate) fn answered(status: u16, body: ErrorBody) -> Self {
        match (body.error, status) {
            (ErrorCode::LoginRequired, _) => Self::LoginRequired(body),
            (ErrorCode::InteractionRequired, _) | (ErrorCode::Unknown, 409) => {
                Self::InteractionRequired(body)
            }
            (ErrorCode::TemporarilyUnavailable, _) | (ErrorCode::Unknown, 503) => {
                Self::TemporarilyUnavailable(body)
            }
            (ErrorCode::AccessDenied, _) | (ErrorCode::Unknown, 403) => Self::AccessDenied(body),
            (ErrorCode::NotFound, _) | (ErrorCode::Unknown, 404) => Self::NotFound(body),
            (
                ErrorCode::InvalidRequest
                | ErrorCode::InvalidScope
                | ErrorCode::InvalidTarget
                | ErrorCode::MethodNotAllowed
                | ErrorCode::PayloadTooLarge,
                _,
            )
            | (ErrorCode::Unknown, 400..=499) => Self::InvalidRequest(body),
            _ => Self::Server(body),
        }
    }
}

/// What went wrong and what to do next, as far as the daemon said.
fn told(body: &ErrorBody) -> String {
    let what = if body.error_description.is_empty() {
        "fourinsightd answered with an error and no description"
    } else {
        &body.error_description
    };
    match &body.hint {
        Some(hint) => format!("{what}; {hint}"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_is_sorted_by_its_status() {
        let sorted = |status| Error::answered(status, ErrorBody::new(ErrorCode::Unknown, "new"));
        assert!(matches!(sorted(400), Error::InvalidRequest(_)));
        assert!(matches!(sorted(403), Error::AccessDenied(_)));
        assert!(matches!(sorted(404), Error::NotFound(_)));
        assert!(matches!(sorted(409), Error::InteractionRequired(_)));
        assert!(matches!(sorted(429), Error::InvalidRequest(_)));
        assert!(matches!(sorted(500), Error::Server(_)));
        assert!(matches!(sorted(503), Error::TemporarilyUnavailable(_)));
    }

    #[test]
    fn a_text_names_the_problem_and_the_next_step() {
        let body = ErrorBody::new(ErrorCode::LoginRequired, "nobody is signed in").hint("run login");
        assert_eq!(Error::answered(409, body).to_string(), "nobody is signed in; run login");
        let silent = Error::answered(500, ErrorBody::new(ErrorCode::ServerError, ""));
        assert_eq!(silent.to_string(), "fourinsightd answered with an error and no description");
    }

    #[test]
    fn an_error_stays_small_enough_to_return_by_value() {
        assert!(size_of::<Error>() <= 128, "{}", size_of::<Error>());
    }

    #[test]
    fn a_daemon_that_does_not_start_names_the_next_step_for_its_reason() {
        let text = |failure| {
            let log_file = PathBuf::from("/state/daemon.log");
            Error::StartFailed { failure, exit_code: None, log_file }.to_string()
        };
        for (failure, next) in [
            (StartFailure::NotInstalled, "; install fourinsightd beside it, or put its folder into PATH"),
            (
                StartFailure::StateFolder(io::ErrorKind::ReadOnlyFilesystem.into()),
                "; make /state writable, or name another with --state-dir or FOURINSIGHT_STATE_DIR",
            ),
            (StartFailure::Ended, "; see why in its log, /state/daemon.log"),
            (StartFailure::NotReady, "; see why in its log, /state/daemon.log"),
        ] {
            let text = text(failure);
            assert!(text.ends_with(next), "{text}");
        }
    }
}
