//! What came of a redemption, and what that means for the key and for the session. Pure.

use super::{InFlight, Phase, State, requests::settled};
use crate::{
    authority::{Outcome, Refusal, Retry, Verdict, claims::Claims, step_up::StepUp},
    clock::Timestamp,
    session::{
        demand::Ended,
        entry::{Begun, Refused},
        event::{Arrival, Effect},
        schedule::{self, Chance},
        signed_in::{Grant, SignedIn},
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
            Phase::SignedIn(session) => {
                let InFlight { key, begun, generation, .. } = *running;
                let (mut effects, ended) = match outcome {
                    Outcome::Granted(tokens) => {
                        session.take(&key, *tokens, &begun, arrival);
                        let effects = if session.needs_disk() { self.write() } else { vec![Effect::Publish] };
                        (effects, Ended::Granted)
                    }
                    Outcome::Retry(retry) if is_not_understood(&retry, &begun, key == session.own) => {
                        let doubted = session.doubt_retry(&key, &retry, arrival.now);
                        session.go_on_without(&key, &begun, arrival.now);
                        let effects = if doubted { session.persist_doubt() } else { vec![Effect::Publish] };
                        (effects, Ended::NotTaken(retry.failure))
                    }
                    Outcome::Retry(retry) => {
                        let failure = retry.failure.clone();
                        let doubted = session.doubt_retry(&key, &retry, arrival.now);
                        if key == session.own && !session.by_client_credentials() {
                            if retry.refused {
                                session.refused_again(failure.clone(), arrival.now);
                            } else {
                                // What is busy or out of reach now and then does not refuse.
                                session.refusals = None;
                            }
                        }
                        session.pause(&key, retry.clone(), arrival);
                        let interrupted = session.interrupt(&retry, generation + 1, arrival);
                        let effects = if doubted || interrupted {
                            session.persist_doubt()
                        } else {
                            vec![Effect::Publish]
                        };
                        (effects, Ended::Unavailable(failure))
                    }
                    Outcome::Refused(refusal) => {
                        (self.refused(&key, &begun, refusal.clone(), arrival), Ended::Refused(refusal))
                    }
                };
                effects.extend(begun.demand.map(|demand| settled(key, demand, ended)));
                effects
            }
            Phase::SignedOut | Phase::Opening(_) | Phase::LoginRequired { .. } => discard(outcome),
        }
    }

    fn refused(&mut self, key: &TokenKey, begun: &Begun, refusal: Refusal, arrival: Arrival) -> Vec<Effect> {
        let Phase::SignedIn(session) = &mut self.phase else { return vec![] };
        let own = *key == session.own;
        let Arrival { now, chance, .. } = arrival;
        let mut effects = Vec::new();
        // Only a person can bring what was asked for, and what the server names of itself (Entra does).
        let named = refusal.failure.detail.as_ref().and_then(|detail| detail.claims.as_ref());
        let asked = begun.demand.as_ref().and_then(|demand| demand.claims.as_ref());
        let needs_person = matches!(refusal.verdict, Verdict::Final | Verdict::InteractionRequired);
        if let Some(claims) = Claims::joined(named, asked)
            && needs_person
            && !session.by_client_credentials()
        {
            let step_up = StepUp::for_server(claims, refusal.failure.clone());
            effects.push(Effect::StepUp(Box::new(step_up)));
        }
        if let Some(demand) = begun.demand.as_ref().filter(|demand| demand.claims.is_some()) {
            let concerns_all = match refusal.verdict {
                Verdict::PersonChanged | Verdict::Misconfigured => true,
                Verdict::Final => own,
                Verdict::InteractionRequired | Verdict::Scope | Verdict::Target => false,
            };
            // Whoever does not make the demand goes on without it.
            if begun.is_brought && !concerns_all {
                if !own {
                    session.doubt_after(refusal.verdict, &refusal.failure, now);
                }
                session.entry(key.clone(), now).refuse_demand(demand.clone(), refused_now(refusal, now));
                effects.extend(session.write_again());
                return effects;
            }
        }
        let steps_up = !effects.is_empty();
        effects.extend(self.refused_for_all(key, refusal, steps_up, chance, arrival));
        effects
    }

    fn refused_for_all(
        &mut self,
        key: &TokenKey,
        refusal: Refusal,
        steps_up: bool,
        chance: Chance,
        arrival: Arrival,
    ) -> Vec<Effect> {
        let now = arrival.now;
        let Phase::SignedIn(session) = &mut self.phase else { return vec![] };
        let own = *key == session.own;
        match refusal.verdict {
            // There is no grant to end, only a client that somebody has to set right.
            _ if own && session.by_client_credentials() => {
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
                if own {
                    session.refused_again(refusal.failure.clone(), now);
                }
                session.pause_until(key, now + schedule::misconfigured_backoff(chance), refusal.failure, now);
            }
            Verdict::Scope | Verdict::Target if own => {
                session.refused_again(refusal.failure.clone(), now);
                let retry = Retry { refused: true, ..Retry::of(refusal.failure) };
                session.pause(key, retry, arrival);
            }
            verdict => {
                let doubted = !own && session.doubt_after(verdict, &refusal.failure, now);
                session.entry(key.clone(), now).refuse(refused_now(refusal, now));
                // The journal says only that the refresh token was sent; what came of it goes into the record, and so
                // does what the next login must carry.
                if doubted || steps_up {
                    return session.write_again();
                }
            }
        }
        vec![Effect::Publish]
    }
}

impl SignedIn {
    /// The server does not understand a demand: the key goes on without it.
    fn go_on_without(&mut self, key: &TokenKey, begun: &Begun, now: Timestamp) {
        if !begun.is_brought {
            self.entry(key.clone(), now).give_up_demand(now);
        }
    }

    /// An answer for a key decided nothing. Returns whether it put the refresh token in doubt.
    fn doubt_retry(&mut self, key: &TokenKey, retry: &Retry, now: Timestamp) -> bool {
        *key != self.own
            && retry.ambiguous
            && self.doubt_after(Verdict::InteractionRequired, &retry.failure, now)
    }
}

/// Whether the server found nothing wrong but the request, and it had claims in it. For another key than the own one
/// that may have cost the refresh token all the same.
fn is_not_understood(retry: &Retry, begun: &Begun, own: bool) -> bool {
    let claims = begun.demand.as_ref().and_then(|demand| demand.claims.as_ref());
    claims.is_some() && !(own && retry.ambiguous) && retry.failure.error == "invalid_request"
}

fn refused_now(refusal: Refusal, now: Timestamp) -> Refused {
    let Refusal { verdict, failure } = refusal;
    // Where it is not the own key that it is said of, the grant itself may live.
    let verdict = if verdict == Verdict::Final { Verdict::InteractionRequired } else { verdict };
    Refused { verdict, failure, since: now, until: now + State::REFUSAL_FLOOR }
}

fn discard(outcome: Outcome) -> Vec<Effect> {
    match outcome {
        Outcome::Granted(tokens) => vec![Effect::Discard(tokens)],
        Outcome::Retry(_) | Outcome::Refused(_) => vec![],
    }
}
