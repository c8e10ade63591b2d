//! What callers ask of a session: a token of some key, perhaps one that meets a demand. Pure.

use std::time::Duration;

use super::{Phase, State};
use crate::{
    authority::{Failure, Refusal, Verdict, step_up::StepUp},
    clock::Timestamp,
    session::{
        demand::{Brought, Demand, Ended, Settled},
        entry::Refused,
        event::Effect,
        signed_in::Grant,
    },
    token::TokenKey,
};

impl State {
    pub(super) fn requested(
        &mut self,
        key: TokenKey,
        min_validity: Option<Duration>,
        outcomes: u64,
        now: Timestamp,
    ) -> Vec<Effect> {
        let Phase::SignedIn(session) = &mut self.phase else { return vec![] };
        session.last_used = session.last_used.max(now);
        // An attempt has ended since they looked: that is what they get, not another one each.
        if session.entries.get(&key).is_some_and(|entry| entry.outcomes != outcomes) {
            return vec![];
        }
        if matches!(session.grant, Grant::None { .. }) && key != session.own {
            let failure = Failure::ours(
                "interaction_required",
                "the login brought no refresh token, so it serves no other audience",
            );
            let refused = Refused {
                verdict: Verdict::InteractionRequired,
                failure,
                since: now,
                until: now + Self::REFUSAL_FLOOR,
            };
            session.entry(key, now).refuse(refused);
            return vec![Effect::Publish];
        }
        // Callers are told so by what is published; nothing is asked of the server.
        if session.beyond(&key).is_some() {
            return vec![];
        }
        let waits_for_running = self
            .in_flight
            .as_ref()
            .is_some_and(|running| running.key == key && running.generation == self.generation);
        let entry = session.entry(key, now);
        entry.used_at = now;
        if !waits_for_running && !entry.is_refused(now) {
            entry.request(min_validity, now);
        }
        vec![]
    }

    /// Somebody wants a token that is fetched with this demand.
    pub(super) fn demanded(&mut self, key: TokenKey, demand: Demand, now: Timestamp) -> Vec<Effect> {
        let works_on_it = self.works_on(&key, &demand);
        let Phase::SignedIn(session) = &mut self.phase else { return vec![] };
        session.last_used = session.last_used.max(now);
        // Callers are told what the login cannot serve by what is published.
        if works_on_it || session.beyond(&key).is_some() {
            return vec![];
        }
        if matches!(session.grant, Grant::None { .. }) {
            let failure = Failure::ours(
                "interaction_required",
                "the login brought no refresh token, so what is demanded is not to be had without its person",
            );
            let step_up = demand.claims.clone().map(|claims| StepUp::for_server(claims, failure.clone()));
            let refusal = Refusal { verdict: Verdict::InteractionRequired, failure };
            let mut effects: Vec<_> =
                step_up.map(|step_up| Effect::StepUp(Box::new(step_up))).into_iter().collect();
            effects.extend(session.write_again());
            effects.push(settled(key, demand, Ended::Refused(refusal)));
            return effects;
        }
        let entry = session.entry(key.clone(), now);
        entry.used_at = now;
        // It was looked at before the last token came: that one is what they get, not another one each.
        if demand.claims.is_none() && entry.token.is_some() && entry.declares_cae() {
            return vec![settled(key, demand, Ended::Granted)];
        }
        let ended = match entry.demand(demand.clone(), now) {
            Brought::Waiting => return vec![],
            Brought::Refused(refusal) => Ended::Refused(refusal),
            Brought::TooMany => Ended::Unavailable(Failure::ours(
                "too_many_demands",
                "too many different demands wait for this audience already",
            )),
        };
        vec![settled(key, demand, ended)]
    }

    /// Whether this demand waits to be redeemed, or is being redeemed.
    pub(crate) fn works_on(&self, key: &TokenKey, demand: &Demand) -> bool {
        let Phase::SignedIn(session) = &self.phase else { return false };
        let runs = self.in_flight.as_ref().is_some_and(|running| {
            running.key == *key
                && running.generation == self.generation
                && running.begun.demand.as_ref() == Some(demand)
        });
        runs || session.entries.get(key).is_some_and(|entry| entry.awaits(demand))
    }
}

pub(super) fn settled(key: TokenKey, demand: Demand, ended: Ended) -> Effect {
    Effect::Settled(Box::new(Settled { key, demand, ended }))
}
