//! Exit codes, and the one line that explains each: `error: what; what to do next`.

use std::{fmt, process::ExitCode};

use fourinsight_client::{Error, StartFailure};
use fourinsight_ipc::{ErrorBody, ErrorCode, SessionKey, location::LocationError};

use crate::{daemon_log, render::clean};

/// How the program ends. Scripts rely on these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// What was asked is done.
    Done = 0,
    /// It failed: a login timed out, there is no such session, something broke.
    Failure = 1,
    /// The command line is wrong, or asks for what the session is not.
    Usage = 2,
    /// A person must sign in, or answer a question.
    LoginRequired = 3,
    /// The daemon is not running, or the server at its socket is not trusted.
    NoDaemon = 4,
    /// The person or the server said no.
    Denied = 5,
    /// Forgotten here; the server has no revocation endpoint.
    RevocationUnsupported = 6,
    /// Forgotten here; the server refused, or could not be reached.
    RevocationFailed = 7,
    /// Try again later.
    TemporarilyUnavailable = 8,
    /// Another daemon serves the same state.
    AnotherInstance = 75,
    /// The configuration is wrong.
    Configuration = 78,
    /// Interrupted by the person.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what was asked, and what to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How the program ends.
    pub(crate) exit: Exit,
    what: String,
    next: String,
}

impl Failure {
    /// A failure; `what` and `next` are phrases without a full stop.
    pub(crate) fn new(exit: Exit, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { exit, what: what.into(), next: next.into() }
    }

    /// What the daemon answered, in its words, with this exit code.
    pub(crate) fn answered(exit: Exit, body: &ErrorBody) -> Self {
        let what = match body.error_description.trim() {
            "" => default_description(body.error),
            description => description,
        };
        let hint = body.hint.as_deref().map(str::trim).filter(|hint| !hint.is_empty());
        let next = match (hint, body.retry_after) {
            (Some(hint), _) => hint.to_owned(),
            (None, Some(seconds)) => format!("try again in {seconds} s"),
            (None, None) => default_hint(body.error).to_owned(),
        };
        Self::new(exit, phrase(what), phrase(&next))
    }

    /// The same failure with another next step, where the command makes the usual one useless.
    pub(crate) fn but_next(self, next: &str) -> Self {
        Self { next: next.to_owned(), ..self }
    }

    /// The same failure with something more to do next.
    pub(crate) fn and_next(self, more: &str) -> Self {
        Self { next: format!("{}; {more}", self.next), ..self }
    }

    /// The same failure, saying whose it is: for commands that go on with other sessions.
    pub(crate) fn of_session(self, key: &SessionKey) -> Self {
        self.of(key)
    }

    /// The same failure, saying what it is about.
    pub(crate) fn of(self, whose: &dyn fmt::Display) -> Self {
        Self { what: format!("{whose}: {}", self.what), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}; {}", self.what, self.next)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = exit_of(&error);
        if let Some(body) = error.body() {
            return Self::answered(exit, body);
        }
        // The client's own texts, like the last line of the daemon's log, name the next step behind a semicolon.
        let text = match &error {
            Error::StartFailed { failure: StartFailure::Ended, exit_code, log_file } if *exit_code != Some(75) => {
                daemon_log::last_error(log_file).map(|why| format!("fourinsightd could not start: {why}"))
            }
            Error::StartFailed { exit_code: Some(75), .. } => Some(
                "another fourinsightd runs on this state folder, but does not answer at this socket; leave out --socket and FOURINSIGHT_SOCKET, or stop the other one"
                    .to_owned(),
            ),
            _ => None,
        };
        let text = text.unwrap_or_else(|| error.to_string());
        let (what, next) = text.split_once("; ").unwrap_or((&text, default_step(exit)));
        Self::new(exit, phrase(what), phrase(next))
    }
}

impl From<LocationError> for Failure {
    fn from(error: LocationError) -> Self {
        Self::from(Error::Location(error))
    }
}

/// The exit code of what the client reports.
fn exit_of(error: &Error) -> Exit {
    match error {
        Error::StartFailed { exit_code: Some(75), .. } => Exit::AnotherInstance,
        Error::StartFailed { exit_code: Some(78), .. } | Error::Location(_) => Exit::Configuration,
        Error::NotRunning { .. } | Error::NotTrusted(_) | Error::StartFailed { .. } => Exit::NoDaemon,
        Error::TemporarilyUnavailable(_) => Exit::TemporarilyUnavailable,
        Error::LoginRequired(_) | Error::InteractionRequired(_) => Exit::LoginRequired,
        Error::AccessDenied(_) => Exit::Denied,
        Error::InvalidRequest(_) => Exit::Usage,
        _ => Exit::Failure,
    }
}

/// The exit code of a login attempt that failed with this error.
pub(crate) fn exit_of_login(error: ErrorCode) -> Exit {
    match error {
        ErrorCode::AccessDenied => Exit::Denied,
        ErrorCode::LoginRequired | ErrorCode::InteractionRequired => Exit::LoginRequired,
        ErrorCode::TemporarilyUnavailable => Exit::TemporarilyUnavailable,
        _ => Exit::Failure,
    }
}

/// Cleaned for a terminal, on one line, without a capital at the beginning and a full stop at the end.
pub(crate) fn phrase(text: &str) -> String {
    let text = clean(text);
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        // An abbreviation such as RFC keeps its capitals.
        (Some(first), Some(second)) if first.is_ascii_uppercase() && !second.is_ascii_uppercase() => {
            format!("{}{}", first.to_ascii_lowercase(), letters.as_str())
        }
        _ => text.to_owned(),
    }
}

fn default_description(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::InvalidRequest | ErrorCode::MethodNotAllowed | ErrorCode::PayloadTooLarge => {
            "the daemon cannot take this request"
        }
        ErrorCode::InvalidScope => "the scope is unknown or was not granted",
        ErrorCode::InvalidTarget => "the resource is unknown or was not granted",
        ErrorCode::AccessDenied => "it was denied",
        ErrorCode::NotFound => "there is no such session or login",
        ErrorCode::LoginRequired => "this session needs a login",
        ErrorCode::InteractionRequired => "the server wants to ask its person something",
        ErrorCode::TemporarilyUnavailable => "there is no token right now",
        _ => "the daemon failed",
    }
}

fn default_hint(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::LoginRequired | ErrorCode::InteractionRequired | ErrorCode::AccessDenied => {
            "run `fourinsightctl login`"
        }
        ErrorCode::TemporarilyUnavailable => "try again",
        _ => "see `fourinsightctl status`",
    }
}

fn default_step(exit: Exit) -> &'static str {
    match exit {
        Exit::NoDaemon => "start it with `fourinsightd`, or sign in with `fourinsightctl login`",
        Exit::Configuration => "correct the configuration, then run it again",
        _ => "try again, then look at `fourinsightctl status` and the daemon's log",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use fourinsight_ipc::{Endpoint, platform::NotTrusted};

    use super::*;

    fn body(error: ErrorCode) -> ErrorBody {
        ErrorBody::new(error, "It went wrong.").hint("Do this.")
    }

    fn started(exit_code: Option<i32>) -> Error {
        Error::StartFailed {
            failure: StartFailure::Ended,
            exit_code,
            log_file: PathBuf::from("/x/daemon.log"),
        }
    }

    #[test]
    fn each_error_has_its_exit_code_and_is_one_line_with_a_next_step() {
        let endpoint = || Endpoint::new("/x/broker.sock").unwrap();
        for (error, exit) in [
            (Error::NotRunning { endpoint: endpoint() }, 4),
            (Error::NotTrusted(NotTrusted { endpoint: endpoint().to_string() }), 4),
            (started(None), 4),
            (started(Some(1)), 4),
            (started(Some(75)), 75),
            (started(Some(78)), 78),
            (Error::Location(LocationError::NoHome), 78),
            (Error::LoginRequired(body(ErrorCode::LoginRequired)), 3),
            (Error::InteractionRequired(body(ErrorCode::InteractionRequired)), 3),
            (Error::TemporarilyUnavailable(body(ErrorCode::TemporarilyUnavailable)), 8),
            (Error::AccessDenied(body(ErrorCode::AccessDenied)), 5),
            (Error::NotFound(body(ErrorCode::NotFound)), 1),
            (Error::InvalidRequest(body(ErrorCode::InvalidScope)), 2),
            (Error::Server(body(ErrorCode::ServerError)), 1),
            (Error::Protocol("no status line"), 1),
            (Error::Io(std::io::ErrorKind::TimedOut.into()), 1),
        ] {
            let shown = format!("{error:?}");
            let failure = Failure::from(error);
            assert_eq!(failure.exit as u8, exit, "{shown}");
            let line = failure.to_string();
            assert!(line.starts_with("error: ") && line.contains("; ") && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn the_daemons_words_are_cleaned_and_joined() {
        let body = ErrorBody::new(ErrorCode::LoginRequired, "Gone.\x1b[2J\n").hint(" Sign in. ");
        assert_eq!(
            Failure::answered(Exit::LoginRequired, &body).to_string(),
            "error: gone.\u{fffd}[2J; sign in"
        );
        let body = ErrorBody::new(ErrorCode::ServerError, "TLS failed.").hint("A certificate is missing.");
        assert_eq!(
            Failure::answered(Exit::Failure, &body).to_string(),
            "error: TLS failed; a certificate is missing"
        );
    }

    #[test]
    fn a_daemon_that_could_not_start_is_quoted() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let line = "2026-01-02T03:04:05Z ERROR fourinsightd: /c.toml:2: unknown key `isuer`; the nearest known key is `issuer`\n";
        std::fs::write(log.path(), line).unwrap();
        let log_file = log.path().to_owned();
        let error = Error::StartFailed { failure: StartFailure::Ended, exit_code: Some(78), log_file };
        assert_eq!(
            Failure::from(error).to_string(),
            "error: fourinsightd could not start: /c.toml:2: unknown key `isuer`; the nearest known key is `issuer`"
        );
    }

    #[test]
    fn an_answer_without_words_gets_ours() {
        let line = |body| Failure::answered(Exit::Failure, &body).to_string();
        let silent = ErrorBody::new(ErrorCode::TemporarilyUnavailable, "");
        assert_eq!(line(silent.clone()), "error: there is no token right now; try again");
        assert_eq!(line(silent.retry_after(7)), "error: there is no token right now; try again in 7 s");
        assert_eq!(
            line(ErrorBody::new(ErrorCode::Unknown, "")),
            "error: the daemon failed; see `fourinsightctl status`"
        );
    }

    #[test]
    fn a_denied_login_and_a_failed_one_differ() {
        assert_eq!(exit_of_login(ErrorCode::AccessDenied), Exit::Denied);
        assert_eq!(exit_of_login(ErrorCode::ServerError), Exit::Failure);
        assert_eq!(exit_of_login(ErrorCode::InvalidScope), Exit::Failure);
        assert_eq!(exit_of_login(ErrorCode::TemporarilyUnavailable), Exit::TemporarilyUnavailable);
    }
}
