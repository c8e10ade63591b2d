//! What an attempt waits for, and how what a person brings is read.

use fourinsight_ipc::{
    ErrorBody, ErrorCode,
    message::{LoginResponse, Wanted},
};
use secrecy::ExposeSecret;

use super::{
    authorize::AnswerMode,
    callback::{Answer, Expected},
    package::{self, Packages},
    pasted,
};

/// What ends an attempt's wait.
#[derive(Debug)]
pub(super) enum Awaits {
    /// The callback of an authorization request.
    Callback(Expected),
    /// A package; or the callback, where an authorization request was sent as well.
    Package { packages: Packages, callback: Option<Expected> },
    /// A user name and a password.
    Password,
    /// Nothing that anybody brings: the daemon asks the server by itself.
    Nothing,
}

impl Awaits {
    /// The callback that would be taken.
    pub(super) fn callback(&self) -> Option<&Expected> {
        match self {
            Self::Callback(expected) => Some(expected),
            Self::Package { callback, .. } => callback.as_ref(),
            Self::Password | Self::Nothing => None,
        }
    }

    /// The port that is listened on, if it is.
    pub(super) fn port(&self) -> Option<u16> {
        self.callback().map(|expected| expected.redirect_uri.port()).filter(|port| *port != 0)
    }

    /// What the person has to bring where no browser can.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        match self {
            Self::Callback(expected) if expected.redirect_uri.host().is_some() => None,
            Self::Callback(Expected { mode: AnswerMode::Fragment, .. }) => Some(Wanted::TokenCallback),
            Self::Callback(_) => Some(Wanted::Callback),
            Self::Package { .. } => Some(Wanted::Package),
            Self::Password => Some(Wanted::Password),
            Self::Nothing => None,
        }
    }

    /// Reads what the person brought. Wrong input is an error that repeats nothing of it, and ends nothing.
    pub(super) fn read(&self, response: &LoginResponse) -> Result<Answer, ErrorBody> {
        match (self, response) {
            (Self::Password, LoginResponse { username: Some(username), password: Some(password), .. }) => {
                password_of(username, password.expose_secret())
            }
            (Self::Password, _) => {
                Err(invalid("This login waits for a user name and a password.", "send username and password"))
            }
            (Self::Callback(expected), LoginResponse { pasted: Some(text), .. }) => {
                pasted::read(expected, text.expose_secret())
            }
            (Self::Package { packages, callback }, LoginResponse { pasted: Some(text), .. }) => {
                match (package::read(packages, text.expose_secret()), callback) {
                    (Some(answer), _) => answer,
                    (None, Some(expected)) => pasted::read(expected, text.expose_secret()),
                    (None, None) => Err(package::not_a_package()),
                }
            }
            (Self::Nothing, _) => {
                Err(invalid("This login takes no paste, and no other answer.", "wait for its end"))
            }
            _ => Err(invalid("The answer holds nothing that was pasted.", "send it as pasted")),
        }
    }
}

fn password_of(username: &str, password: &str) -> Result<Answer, ErrorBody> {
    let usable = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    if usable(username) && usable(password) {
        return Ok(Answer::Password { username: username.to_owned(), password: password.into() });
    }
    Err(invalid("The user name or the password is empty, or holds control characters.", "type both again"))
}

fn invalid(what: &str, next: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, what).hint(format!("{next}; this login goes on waiting"))
}
