//! Judges a raw answer of the token endpoint: granted, try again, or refused.
//!
//! Judging is pure and reads leniently: what a server says clearly counts, whatever is odd beside it. A session
//! ends only by a clear verdict; everything unclear is tried again.

use super::{Outcome, Registration};
use crate::token::Person;

mod granted;
mod raw;
mod refused;

pub(super) use granted::error;
pub use raw::RawAnswer;
pub(super) use refused::ErrorAnswer;
pub(crate) use refused::blames_the_client;

/// What the answer is expected to say about the person.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// The answer to an authorization code: an ID token must hold, with this nonce if one was sent.
    Login {
        /// The `nonce` of the authorization request.
        nonce: Option<&'a str>,
    },
    /// The answer to a refresh token: an ID token must not name anybody else.
    Refresh {
        /// Who signed in, if that is known.
        person: Option<&'a Person>,
    },
}

/// Judges an answer. The time is the wall clock's, in Unix seconds; the server's own `Date` goes before it.
pub fn judge(
    answer: &RawAnswer,
    registration: &Registration,
    expected: Expected<'_>,
    unix_now: i64,
) -> Outcome {
    let server_now = answer.unix_date().unwrap_or(unix_now);
    if answer.may_grant() {
        granted::judge(answer, registration, expected, server_now)
    } else {
        refused::judge(answer, server_now)
    }
}

#[cfg(test)]
mod tests;
