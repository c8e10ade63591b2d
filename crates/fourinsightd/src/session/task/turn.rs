//! A redemption waits for its turn at the server's token endpoint before anything of it is written or sent. Whatever
//! the session is told meanwhile goes before that.

use std::{future::Future, sync::Arc};

use fourinsight_ipc::message::Action;

use super::{Finished, Task, adoption::Proof};
use crate::{
    authority::pace::{NoTurn, Permit},
    session::{
        NotAdopted,
        demand::Demand,
        event::Event,
        redeem::{Redeemed, Redemption},
        state::Phase,
    },
    token::TokenKey,
};

impl Task {
    /// Redeems the refresh token, once its turn has come.
    pub(super) fn redeem(&mut self, key: TokenKey, attempt: u64, demand: Option<Demand>) {
        let (Some(login), Some(refresh_token)) = (&self.login, self.state.refresh_token()) else { return };
        let redemption = Redemption {
            session: self.key.clone(),
            generation: self.state.generation + 1,
            key,
            demand,
            refresh_token: refresh_token.clone(),
            login: Arc::clone(login),
            person: self.state.person().cloned(),
            narrowed: self.state.is_narrowed(),
        };
        self.redeeming = Some(Arc::clone(login));
        let environment = Arc::clone(&self.environment);
        self.in_turn(Action::Refresh, attempt, move |permit| async move {
            redemption.run(&environment, permit).await
        });
    }

    /// Has something done for an attempt once its turn has come.
    pub(super) fn in_turn<F>(
        &mut self,
        action: Action,
        attempt: u64,
        redeem: impl FnOnce(Permit) -> F + Send + 'static,
    ) where
        F: Future<Output = Redeemed> + Send,
    {
        let Some(login) = &self.login else { return };
        let generation = self.state.generation + 1;
        let endpoint = login.registration.token_endpoint.clone();
        let (place, turn) = self.environment.pace.join(&endpoint, self.state.urgency());
        self.place = Some(Box::new(place));
        let environment = Arc::clone(&self.environment);
        self.work = Some(Box::pin(async move {
            Box::new(match turn.await {
                // Nothing begins any more, not even what was about to.
                Ok(_) if *environment.stopping.borrow() => {
                    Finished::NotSent { attempt, why: NoTurn::Withdrawn }
                }
                Ok(permit) => {
                    let Redeemed { outcome, obtained_at, journalled } = redeem(permit).await;
                    environment.pace.note(&endpoint, &outcome);
                    let journalled = journalled.then_some(generation);
                    Finished::Redeemed { action, attempt, outcome, obtained_at, journalled }
                }
                Err(why) => Finished::NotSent { attempt, why },
            })
        }));
    }

    /// Somebody waits for what is in the line.
    pub(super) fn hurry(&self) {
        if let Some(place) = &self.place {
            place.hurry();
        }
    }

    /// What has not been sent yet is not to be sent any more.
    pub(super) fn withdraw(&mut self) {
        if let Some(place) = self.place.take() {
            place.withdraw();
        }
    }

    /// A redemption that was to be done was not begun.
    pub(super) async fn not_sent(&mut self, attempt: u64, why: NoTurn) {
        let now = self.environment.clock.now();
        let pause = match why {
            NoTurn::Paused(pause) => Some(pause),
            NoTurn::Withdrawn => None,
        };
        let waits = self.adopting.is_some();
        let proof = pause.clone().filter(|_| waits);
        let proof = proof.map(|pause| Proof::Bad(NotAdopted::Undecided(pause.into_retry(now))));
        self.handle(Event::NotSent { attempt, pause }).await;
        self.proven(proof).await;
    }

    /// A server works again that did not: a session that has not reached its own for a while need not wait any longer.
    pub(super) async fn recovered(&mut self) {
        let (Phase::SignedIn(_), Some(login)) = (&self.state.phase, &self.login) else { return };
        if let Some(at) = self.environment.pace.recovered_at(&login.registration.token_endpoint) {
            self.handle(Event::Recovered { at }).await;
        }
    }
}
