//! Taking over a login that another tool obtained: the record first, then one redemption as the proof, and the session
//! signed out again where that proves nothing.

use std::sync::Arc;

use fourinsight_ipc::message::Lifetime;
use tokio::sync::oneshot;

use super::Task;
use crate::{
    authority::{Outcome, Refusal, Registration, Retry, issuer},
    session::{
        event::{Event, NewRefreshToken},
        record::{Login, StoredPerson},
        signed_in::Durability,
        state::Phase,
    },
    token::RefreshToken,
};

/// What a login brings that is taken over.
#[derive(Debug)]
pub(crate) struct Adoption {
    pub(crate) profile: String,
    pub(crate) registration: Registration,
    pub(crate) scopes: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) refresh_idle: Option<u64>,
    pub(crate) keep_alive: bool,
    pub(crate) refresh_token: RefreshToken,
    /// The `session_key` of `fourinsight.api` that it was for, where the session's key cannot say that itself.
    pub(crate) original_key: Option<String>,
    /// Names the refresh token without revealing it, so that the same cache is known again.
    pub(crate) fingerprint: String,
    /// Whether the other tool was told who signed in.
    pub(crate) names_person: bool,
}

/// Why a login was not taken over. The session is as it was before.
#[derive(Debug)]
pub(crate) enum NotAdopted {
    /// Somebody is signed in to the session, or was and has not been signed out.
    Taken,
    /// The disk does not take the record; nothing was sent.
    Unsaved,
    /// Nobody knows whether the server would renew it.
    Undecided(Retry),
    /// The server does not renew it.
    Refused(Refusal),
    /// Another login or a revocation came meanwhile, or the daemon stops.
    Interrupted,
}

/// Where the outcome of an adoption goes.
pub(super) type Waiting = oneshot::Sender<Result<(), NotAdopted>>;

/// What an outcome proves.
pub(super) enum Proof {
    Good,
    Bad(NotAdopted),
}

impl Task {
    /// Begins: the outcome follows when the server has answered.
    pub(super) async fn adopt(&mut self, adoption: Adoption, done: Waiting) {
        if !matches!(self.state.phase, Phase::SignedOut) {
            // A caller that has gone away needs no answer, here and below.
            let _ = done.send(Err(NotAdopted::Taken));
            return;
        }
        let login = Login {
            profile: adoption.profile,
            registration: self.environment.registrations.share(Arc::new(adoption.registration)),
            scopes: adoption.scopes,
            resources: adoption.resources,
            refresh_idle: adoption.refresh_idle,
            keep_alive: adoption.keep_alive,
            granted: None,
            original_key: adoption.original_key,
            person: None,
            step_up: None,
            imported: Some(adoption.fingerprint),
            names_person: adoption.names_person,
            lifetime: Lifetime::default(),
        };
        let new = NewRefreshToken {
            token: adoption.refresh_token,
            own: login.own_key(),
            policy: login.policy(),
            terms: login.terms(),
        };
        self.login = Some(Arc::new(login));
        tracing::info!(session = %self.key, "taking over a login");
        self.handle(Event::Adopt(Box::new(new))).await;
        if self.work.is_none() {
            let stopping = *self.environment.stopping.borrow();
            self.handle(Event::Abandon).await;
            let why = if stopping { NotAdopted::Interrupted } else { NotAdopted::Unsaved };
            let _ = done.send(Err(why));
            return;
        }
        self.adopting = Some(done);
    }

    /// Whoever waits for an adoption is told that it came to nothing.
    pub(super) fn interrupt_adoption(&mut self) {
        if let Some(done) = self.adopting.take() {
            let _ = done.send(Err(NotAdopted::Interrupted));
        }
    }

    /// What an outcome means for the adoption under way, if one is. A login that was taken over learns by it who
    /// signed in, which its record is to keep.
    pub(super) fn proof(&mut self, outcome: &Outcome) -> Option<Proof> {
        if let Outcome::Granted(tokens) = outcome
            && self.adopting.is_some()
            && let (Some(login), Phase::SignedIn(session)) = (self.login.as_mut(), &mut self.state.phase)
        {
            let login = Arc::make_mut(login);
            login.granted = Login::granted_otherwise(&login.scopes, tokens.scope.as_ref());
            session.terms = login.terms();
        }
        if let Outcome::Granted(tokens) = outcome
            && let Some(person) = &tokens.person
            && let Some(login) = self.login.as_mut().filter(|login| login.is_unproven())
        {
            let login = Arc::make_mut(login);
            issuer::pin(Arc::make_mut(&mut login.registration), person);
            login.person = Some(StoredPerson::from(person));
        }
        self.adopting.as_ref()?;
        Some(match outcome {
            Outcome::Granted(_) => Proof::Good,
            Outcome::Retry(retry) => Proof::Bad(NotAdopted::Undecided(retry.clone())),
            Outcome::Refused(refusal) => Proof::Bad(NotAdopted::Refused(refusal.clone())),
        })
    }

    /// Ends the adoption, once the state machine has taken the outcome.
    pub(super) async fn proven(&mut self, proof: Option<Proof>) {
        let (Some(proof), Some(done)) = (proof, self.adopting.take()) else { return };
        let ended = match proof {
            Proof::Good if self.state.has_own_token() => Ok(()),
            Proof::Good => Err(NotAdopted::Interrupted),
            Proof::Bad(why) => {
                self.handle(Event::Abandon).await;
                Err(why)
            }
        };
        if ended.is_ok()
            && let Phase::SignedIn(session) = &self.state.phase
        {
            let durable = session.durability == Durability::Durable;
            tracing::info!(session = %self.key, durable, "a login has been taken over");
        }
        let _ = done.send(ended);
    }
}
