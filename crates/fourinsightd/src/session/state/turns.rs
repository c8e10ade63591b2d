//! Redemptions that wait for their turn at the server, and those that did not get one. Pure.

use super::{InFlight, Phase, State, requests::settled};
use crate::{
    authority::pace::{Pause, Urgency},
    clock::Timestamp,
    session::{demand::Ended, event::Effect},
};

impl State {
    /// How urgent the redemption is that has just begun.
    pub(crate) fn urgency(&self) -> Urgency {
        let (Phase::SignedIn(session), Some(running)) = (&self.phase, &self.in_flight) else {
            return Urgency { is_waited_for: false, ends_at: None };
        };
        let token = session.entries.get(&running.key).and_then(|entry| entry.token.as_ref());
        Urgency {
            is_waited_for: running.begun.is_waited_for,
            ends_at: token.and_then(|token| token.expiry.end()),
        }
    }

    /// Nothing was sent for an attempt: the server is not to be asked before the end of `pause`; without one, it was
    /// given up for something that goes before it.
    pub(super) fn not_sent(&mut self, attempt: u64, pause: Option<Pause>, now: Timestamp) -> Vec<Effect> {
        let Some(running) = self.in_flight.take_if(|running| running.attempt == attempt) else {
            return vec![];
        };
        let InFlight { key, begun, generation, .. } = *running;
        match &mut self.phase {
            Phase::Revoking(_) => vec![Effect::Revoke],
            Phase::SignedIn(session) if generation == self.generation => {
                let Some(pause) = pause else {
                    session.entry(key, now).begin_later(begun, now);
                    return vec![];
                };
                let until = pause.until;
                let failure = pause.into_failure();
                session.hold(&key, until, failure.clone(), now);
                let mut effects = vec![Effect::Publish];
                effects.extend(begun.demand.map(|demand| settled(key, demand, Ended::Unavailable(failure))));
                effects
            }
            _ => vec![],
        }
    }

    /// The server works again since `at`: what was tried before that in vain is tried again now, once in a row of
    /// failures, so that a server which works now and then is not asked more than before.
    pub(super) fn recovered(&mut self, at: Timestamp, now: Timestamp) -> Vec<Effect> {
        let Phase::SignedIn(session) = &mut self.phase else { return vec![] };
        if session.rotating.interrupted.is_some() && session.has_something_to_lose(now) {
            // A refresh token that the server may have acted on has a time of its own.
            return vec![];
        }
        let hurried = session.backoff.as_mut().is_some_and(|backoff| backoff.hurry(at, now));
        if hurried { vec![Effect::Publish] } else { vec![] }
    }
}
