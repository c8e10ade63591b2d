//! What callers ask of a session and tell it: a token of some key is wanted, a token was refused by an API. Pure.

use std::time::Duration;

use super::{Phase, State};
use crate::{
    authority::{Failure, Verdict},
    clock::Timestamp,
    session::{
        entry::Refused,
        event::Effect,
        signed_in::{Durability, Grant},
    },
    token::{TokenId, TokenKey},
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

    pub(super) fn rejected(&mut self, id: TokenId, now: Timestamp) -> Vec<Effect> {
        let Phase::SignedIn(session) = &mut self.phase else { return vec![] };
        let Some(entry) = session.entries.values_mut().find(|entry| entry.holds(id)) else { return vec![] };
        entry.reject(now);
        if !session.needs_disk() {
            return vec![Effect::Publish];
        }
        session.durability = Durability::Writing { degraded_since: None };
        vec![Effect::Persist]
    }
}
