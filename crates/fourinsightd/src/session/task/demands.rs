//! Callers that wait for a token fetched with their own demands, and reports that an API refused one.

use tokio::sync::oneshot;

use super::Task;
use crate::{
    authority::{challenge::Challenge, step_up::StepUp},
    session::{
        demand::{Demand, Ended, Settled},
        event::Event,
        state::{Meaning, Reported},
    },
    token::{TokenId, TokenKey},
};

/// Who waits for the end of a demand.
pub(super) struct Claimant {
    key: TokenKey,
    demand: Demand,
    done: oneshot::Sender<Ended>,
}

impl Task {
    pub(super) async fn demand(&mut self, key: TokenKey, demand: Demand, done: oneshot::Sender<Ended>) {
        self.claimants.push(Claimant { key: key.clone(), demand: demand.clone(), done });
        self.handle(Event::Demanded { key, demand }).await;
    }

    pub(super) async fn reject(&mut self, id: TokenId, challenge: Option<Challenge>) -> Reported {
        let meaning = self.state.meaning(id, challenge.as_ref());
        if meaning == Meaning::Person && challenge.as_ref().is_some_and(|challenge| self.knows(challenge)) {
            // However often an API says so, nothing is written anew.
            return self.state.reported(meaning, self.environment.clock.now());
        }
        self.handle(Event::Rejected { id, challenge: challenge.map(Box::new) }).await;
        self.state.reported(meaning, self.environment.clock.now())
    }

    /// Tells those who wait for it how a demand ended.
    pub(super) fn settled(&mut self, settled: &Settled) {
        let Settled { key, demand, ended } = settled;
        for claimant in self.claimants.extract_if(.., |one| one.key == *key && one.demand == *demand) {
            // A caller that has gone away needs no answer.
            let _ = claimant.done.send(ended.clone());
        }
    }

    /// Lets go of those whose demand nobody works on any more: a login or a revocation has come between. They ask
    /// again like anybody else.
    pub(super) fn release_claimants(&mut self) {
        let state = &self.state;
        self.claimants.retain(|one| !one.done.is_closed() && state.works_on(&one.key, &one.demand));
    }

    /// Whether the next login will ask for all of this anyway.
    fn knows(&self, challenge: &Challenge) -> bool {
        let known = self.login.as_ref().and_then(|login| login.step_up.as_deref());
        let now = self.environment.clock.unix_now();
        known.is_some_and(|known| StepUp::for_api(challenge).after(Some(known), now) == *known)
    }

    /// Remembers what the next login must ask for. It is part of the session's record.
    pub(super) fn remember_step_up(&mut self, step_up: StepUp) {
        let now = self.environment.clock.unix_now();
        if let Some(login) = &self.login {
            let mut login = (**login).clone();
            login.step_up = Some(Box::new(step_up.after(login.step_up.as_deref(), now)));
            self.login = Some(login.into());
        }
    }
}
