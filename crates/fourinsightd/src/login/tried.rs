//! What a login attempt came to, told to the history.

use fourinsight_ipc::{
    ErrorBody, SessionKey,
    message::{Action, AttemptOutcome, LoginState, LoginStatus},
};

use super::{Logins, callback::NotTheAnswer, failure::LoginFailure};
use crate::{
    authority::Failure,
    history::{Tried, Why},
    profile::Flow,
};

impl Logins {
    /// Tells that a login did not begin; gives what its caller is told. A session that has no name yet has no history.
    pub(super) fn not_begun(
        &self,
        session: Option<&SessionKey>,
        flow: Option<Flow>,
        failure: LoginFailure,
    ) -> ErrorBody {
        let outcome = if failure.refused { AttemptOutcome::Refused } else { AttemptOutcome::Failed };
        let mut tried = Tried::new(self.clock.unix_now(), Action::Login, outcome).because(*failure.why);
        tried.flow = flow.map(Flow::name);
        if let Some(session) = session {
            self.sessions.history().add(session, tried);
        }
        failure.told
    }
}

/// What an attempt that has ended came to. `not_taken` says why its last answer did not count.
pub(super) fn ended(
    at: i64,
    status: &LoginStatus,
    failure: Option<&LoginFailure>,
    not_taken: Option<NotTheAnswer>,
) -> Tried {
    let outcome = match status.state {
        LoginState::Succeeded => AttemptOutcome::Succeeded,
        LoginState::Cancelled => AttemptOutcome::Cancelled,
        LoginState::Expired => AttemptOutcome::Expired,
        _ if failure.is_some_and(|failure| failure.refused) => AttemptOutcome::Refused,
        _ => AttemptOutcome::Failed,
    };
    let why = match (outcome, failure, not_taken, &status.note) {
        (AttemptOutcome::Succeeded, ..) => None,
        (AttemptOutcome::Cancelled, _, _, note) => {
            note.as_ref().map(|note| Why::Failure(Failure::ours("login_replaced", note)))
        }
        (AttemptOutcome::Expired, _, Some(why), _) => {
            Some(Why::Failure(Failure::ours("answer_not_taken", why.to_string())))
        }
        (_, failure, ..) => failure.map(|failure| (*failure.why).clone()),
    };
    let mut tried = Tried::new(at, Action::Login, outcome);
    tried.flow = Flow::named(&status.flow).map(Flow::name);
    match why {
        Some(why) => tried.because(why),
        None => tried,
    }
}
