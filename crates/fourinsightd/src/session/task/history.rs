//! What a session's task tries, told to the history.

use fourinsight_ipc::{
    SessionKey,
    message::{Action, AttemptOutcome, Revocation},
};

use super::{Environment, Task};
use crate::{
    authority::{Failure, Outcome, Refusal, Retry},
    clock::Timestamp,
    history::{Tried, Why},
    login::{NewLogin, NotOpened},
    random, revocation,
    session::{event::Event, snapshot::Snapshot},
    token::TokenId,
};

/// Tells what the session's record says of an earlier run: it keeps the problem, not the attempts.
pub(super) fn recall(environment: &Environment, key: &SessionKey, snapshot: &Snapshot) {
    let Some((failure, since)) = &snapshot.problem else { return };
    let (action, outcome) = match failure.error.as_str() {
        "client_secret_needed" => (Action::ClientCredentials, AttemptOutcome::Failed),
        "access_token_expired" | "access_token_rejected" => (Action::Renewal, AttemptOutcome::Failed),
        _ => (Action::Refresh, AttemptOutcome::Refused),
    };
    let tried = Tried::new(environment.clock.to_unix(*since), action, outcome);
    environment.history.add(key, tried.because(Why::Failure(failure.clone())));
}

impl Task {
    /// Tells that something was tried that has just ended.
    pub(super) fn remember(&self, action: Action, outcome: AttemptOutcome, why: Option<Why>) {
        let tried = Tried::new(self.environment.clock.unix_now(), action, outcome);
        let tried = match why {
            Some(why) => tried.because(why),
            None => tried,
        };
        self.environment.history.add(&self.key, tried);
    }

    /// Tells what came of redeeming the grant, and hands it to the state machine.
    pub(super) async fn answered(
        &mut self,
        action: Action,
        attempt: u64,
        outcome: Outcome,
        obtained_at: Timestamp,
    ) {
        self.remember_redemption(action, &outcome);
        let proof = self.proof(&outcome);
        self.handle(Event::Answered { attempt, outcome, obtained_at, id: TokenId(random::bits()) }).await;
        self.proven(proof).await;
    }

    fn remember_redemption(&self, action: Action, outcome: &Outcome) {
        let (outcome, failure) = match outcome {
            Outcome::Granted(_) => (AttemptOutcome::Succeeded, None),
            Outcome::Retry(Retry { failure, .. }) => (AttemptOutcome::Failed, Some(failure)),
            Outcome::Refused(Refusal { failure, .. }) => (AttemptOutcome::Refused, Some(failure)),
        };
        self.remember(action, outcome, failure.cloned().map(Why::Failure));
    }

    /// Tells what came of opening the session.
    pub(super) fn remember_opening(&self, opened: &Result<NewLogin, NotOpened>) {
        let (outcome, failure) = match opened {
            Ok(_) => (AttemptOutcome::Succeeded, None),
            Err(NotOpened::Undecided(Retry { failure, .. })) => (AttemptOutcome::Failed, Some(failure)),
            Err(NotOpened::Refused(Refusal { failure, .. })) => (AttemptOutcome::Refused, Some(failure)),
        };
        self.remember(Action::ClientCredentials, outcome, failure.cloned().map(Why::Failure));
    }

    /// Tells what came of a revocation.
    pub(super) fn remember_revocation(&self, ended: &revocation::Ended) {
        let outcome = match ended.response.revocation {
            Revocation::Revoked => AttemptOutcome::Succeeded,
            _ => AttemptOutcome::Failed,
        };
        self.remember(Action::Revocation, outcome, ended.failure.clone().map(Why::Failure));
    }

    /// Tells that the session needs its person, when that is because its token has ended and nothing can renew it.
    pub(super) fn remember_end(&self, failure: &Failure) {
        if matches!(failure.error.as_str(), "access_token_expired" | "access_token_rejected") {
            self.remember(Action::Renewal, AttemptOutcome::Failed, Some(Why::Failure(failure.clone())));
        }
    }
}
