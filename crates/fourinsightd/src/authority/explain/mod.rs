//! What is behind an error, and what to do about it: tables, a file for each family of codes.
//!
//! A row is the code, the cause, and the next step. `{login}` in a next step stands for the command that signs the
//! session in.

use fourinsight_ipc::message::{Action, AttemptOutcome};

use super::Failure;

mod entra;
mod github;
mod oauth;
mod openid;
mod own;

/// What is behind an error, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// A sentence or two.
    pub(crate) cause: &'static str,
    /// What to do next.
    pub(crate) next_step: &'static str,
}

/// Codes, each with its cause and its next step.
type Table = [(&'static str, &'static str, &'static str)];

/// Explains a failure: a server's number says more than its code.
pub(crate) fn failure(failure: &Failure) -> Explanation {
    let detail = failure.detail.as_deref();
    let by_number = detail.and_then(|detail| detail.codes.iter().find_map(|number| entra::number(*number)));
    let by_suberror = || row(entra::SUBERRORS, detail?.suberror.as_deref()?);
    let families = [own::CODES, oauth::CODES, openid::CODES, github::CODES, entra::CODES];
    let by_code = || families.into_iter().find_map(|table| row(table, &failure.error));
    by_number.or_else(by_suberror).or_else(by_code).unwrap_or(UNKNOWN)
}

/// Explains an outcome for which no failure is known.
pub(crate) fn outcome(action: Action, outcome: AttemptOutcome) -> Option<Explanation> {
    match (action, outcome) {
        (Action::Login, AttemptOutcome::Expired) => Some(Explanation {
            cause: "Nobody finished signing in before the time for this login was over.",
            next_step: "Run `{login}`, and finish on the server's page in time.",
        }),
        (Action::Login, AttemptOutcome::Cancelled) => Some(Explanation {
            cause: "The login was cancelled before it was finished.",
            next_step: "If it is still wanted, run `{login}`.",
        }),
        _ => None,
    }
}

/// For a code that no table has.
const UNKNOWN: Explanation = Explanation {
    cause: "The server answered with a code of its own, about which nothing is known here.",
    next_step: "Look the code up in the server's documentation, or show its administrator the code, the time and \
                the identifiers.",
};

fn row(table: &Table, code: &str) -> Option<Explanation> {
    let (_, cause, next_step) = table.iter().find(|(known, ..)| *known == code)?;
    Some(Explanation { cause, next_step })
}

#[cfg(test)]
mod tests;
