//! What came of a redemption, and what that means for the key and for the session. Pure.

use super::{Phase, State};
use crate::{
    authority::{Outcome, Refusal, Retry, Verdict},
    session::{
        entry::Refused,
        event::{Arrival, Effect},
        schedule,
        signed_in::{Durability, Grant},
    },
    token::TokenKey,
};

impl State {
    pub(super) fn answered(&mut self, attempt: u64, outcome: Outcome, arrival: Arrival) -> Vec<Effect> {
        let Some(running) = self.in_flight.take_if(|running| running.attempt == attempt) else {
            return discard(outcome);
        };
        let stale = running.generation != self.generation;
        match &mut self.phase {
            Phase::Revoking(revoking) => {
                let mut effects = match outcome {
                    // The newest tokens are the ones to revoke.
                    Outcome::Granted(tokens) if !stale => {
                        revoking.take(*tokens, arrival);
                        vec![]
                    }
                    outcome => discard(outcome),
                };
                effects.push(Effect::Revoke);
                effects
            }
            _ if stale => discard(outcome),
            Phase::SignedIn(session) => match outcome {
                Outcome::Granted(tokens) => {
                    session.take(&running.key, *tokens, running.on_demand, arrival);
                    if session.needs_disk() { self.write() } else { vec![Effect::Publish] }
                }
                Outcome::Retry(retry) => {
                    session.pause(&running.key, retry, arrival);
                    vec![Effect::Publish]
                }
                Outcome::Refused(refusal) => self.refused(&running.key, refusal, arrival),
            },
            Phase::SignedOut | Phase::Opening(_) | Phase::LoginRequired { .. } => discard(outcome),
        }
    }

    fn refused(&mut self, key: &TokenKey, refusal: Refusal, arrival: Arrival) -> Vec<Effect> {
        let Phase::SignedIn(session) = &mut self.phase else { return vec![] };
        let own = *key == session.own;
        let Arrival { now, chance, .. } = arrival;
        match refusal.verdict {
            // There is no grant to end, only a client that somebody has to set right.
            _ if own && !session.needs_disk() => {
                session.pause_until(key, now + schedule::misconfigured_backoff(chance), refusal.failure, now);
            }
            Verdict::Final if own => {
                let failure = session.last_word(refusal.failure);
                return self.require_login(failure, now);
            }
            Verdict::PersonChanged => {
                session.grant = Grant::None { ended: Some(refusal.failure.clone()) };
                if session.end().is_some_and(|end| end <= now) {
                    return self.require_login(refusal.failure, now);
                }
                session.entry(key.clone(), now).settle();
                return self.write();
            }
            Verdict::Misconfigured => {
                session.pause_until(key, now + schedule::misconfigured_backoff(chance), refusal.failure, now);
            }
            Verdict::Scope | Verdict::Target if own => {
                let retry = Retry { after: None, ambiguous: false, failure: refusal.failure };
                session.pause(key, retry, arrival);
            }
            verdict => {
                let doubted = !own && session.doubt_after(verdict, &refusal.failure, now);
                let verdict = if verdict == Verdict::Final { Verdict::InteractionRequired } else { verdict };
                let refused = Refused {
                    verdict,
                    failure: refusal.failure,
                    since: now,
                    until: now + Self::REFUSAL_FLOOR,
                };
                session.entry(key.clone(), now).refuse(refused);
                // The journal says only that the refresh token was sent; what came of it goes into the record.
                if doubted {
                    session.durability = Durability::Writing { degraded_since: None };
                    return vec![Effect::Persist];
                }
            }
        }
        vec![Effect::Publish]
    }
}

fn discard(outcome: Outcome) -> Vec<Effect> {
    match outcome {
        Outcome::Granted(tokens) => vec![Effect::Discard(tokens)],
        Outcome::Retry(_) | Outcome::Refused(_) => vec![],
    }
}
