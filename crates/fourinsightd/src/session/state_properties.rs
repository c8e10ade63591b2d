//! What always holds, whatever happens in whatever order.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    demand::{Demand, Ended, Settled},
    event::{Effect, Event, NewGrant},
    schedule::{Chance, Freshness},
    signed_in::{Durability, Grant, Policy},
    state::{Phase, State},
    state_tests::{START, failure, tokens},
    terms::Terms,
};
use crate::{
    authority::{Outcome, Refusal, Retry, Verdict, challenge::Challenge, claims::Claims},
    clock::Timestamp,
    login::NotOpened,
    profile::Rotation,
    token::{TokenId, TokenKey},
};

mod steps;

use steps::{Answer, Brings, Step, Why, step};

/// The machine and what has been seen of it from outside.
struct Watched {
    state: State,
    now: Timestamp,
    disk_works: bool,
    in_flight: Vec<u64>,
    /// Generations whose persistence was attempted.
    written: u64,
    next_id: u64,
    revoking_at_server: bool,
    /// An attempt to open the session runs.
    opening: bool,
}

impl Watched {
    fn event(&mut self, event: Event, may_drop_grant: bool) -> Result<(), TestCaseError> {
        let had_grant = self.has_grant();
        let degraded = self.is_degraded();
        let tick = matches!(event, Event::Tick { .. });
        let mut effects = self.state.handle(event, self.now, Chance::from_bits(u64::MAX / 3));
        while !effects.is_empty() {
            match effects.remove(0) {
                Effect::Persist => {
                    self.written = self.state.generation;
                    let event = if self.disk_works { Event::Persisted } else { Event::PersistFailed };
                    let mut next = self.state.handle(event, self.now, Chance::from_bits(7));
                    next.append(&mut effects);
                    effects = next;
                }
                Effect::Redeem { key, attempt, .. } => {
                    prop_assert!(self.in_flight.is_empty(), "two redemptions in flight");
                    self.check_redemption(&key)?;
                    let rotates = self.state.refresh_token().is_some();
                    prop_assert!(!rotates || !self.is_degraded(), "a degraded session started a rotation");
                    prop_assert!(self.has_grant(), "there is nothing to redeem");
                    self.in_flight.push(attempt);
                }
                Effect::Open => {
                    prop_assert!(!self.opening, "two attempts to open");
                    prop_assert!(matches!(self.state.phase, Phase::Opening(_)));
                    self.opening = true;
                }
                Effect::Publish => {
                    prop_assert_eq!(
                        self.written,
                        self.state.generation,
                        "published before a write was attempted"
                    );
                }
                Effect::Revoke => {
                    prop_assert!(self.in_flight.is_empty(), "revoking while a redemption runs");
                    self.revoking_at_server = true;
                }
                Effect::Settled(settled) => {
                    let Settled { key, ended, .. } = *settled;
                    let Phase::SignedIn(session) = &self.state.phase else { continue };
                    let has_token = session.entries.get(&key).is_some_and(|entry| entry.token.is_some());
                    prop_assert!(ended != Ended::Granted || has_token, "granted, and yet there is no token");
                }
                Effect::Discard(_) | Effect::Forget | Effect::StepUp(_) => {}
            }
        }
        prop_assert!(
            may_drop_grant || !had_grant || self.has_grant(),
            "a grant was dropped without a verdict (degraded before: {})",
            degraded
        );
        if tick && let Some(deadline) = self.state.next_deadline() {
            prop_assert!(
                deadline > self.now,
                "a deadline in the past after a tick: {:?} {:?}",
                deadline,
                self.now
            );
        }
        Ok(())
    }

    /// Nothing is asked for that the login does not reach, and nothing that may end a token which still lives.
    fn check_redemption(&self, key: &TokenKey) -> Result<(), TestCaseError> {
        let Phase::SignedIn(session) = &self.state.phase else { return Ok(()) };
        if let Grant::RefreshToken { .. } = session.grant {
            prop_assert!(*key == own() || is_granted(key), "a request beyond the grant: {:?}", key);
        }
        let strict = session.terms.rotation == Rotation::Strict;
        let interrupted = session.rotating.interrupted.as_ref();
        if interrupted.is_some_and(|interrupted| interrupted.held || strict)
            || (session.doubt.is_some() && strict)
        {
            let end = session.own_token().and_then(|token| token.expiry.end());
            prop_assert!(
                end.is_none_or(|end| end <= self.now),
                "a refresh token in doubt was sent too early"
            );
        }
        Ok(())
    }

    /// After a tick, what is dead and unwanted is forgotten; what was asked for since it arrived is not.
    fn check_memory(&self) -> Result<(), TestCaseError> {
        let Phase::SignedIn(session) = &self.state.phase else { return Ok(()) };
        if !self.in_flight.is_empty() {
            return Ok(());
        }
        for (_, entry) in session.entries.iter().filter(|(key, _)| **key != own()) {
            prop_assert!(entry.forget_at().is_none_or(|at| at > self.now), "not forgotten: {:?}", entry);
        }
        Ok(())
    }

    fn has_grant(&self) -> bool {
        matches!(&self.state.phase, Phase::SignedIn(session) if session.renewable())
    }

    fn is_degraded(&self) -> bool {
        matches!(&self.state.phase, Phase::SignedIn(session) if session.durability != Durability::Durable)
    }

    fn reject(&mut self, why: Why) -> Result<(), TestCaseError> {
        let Phase::SignedIn(session) = &self.state.phase else { return Ok(()) };
        let Some(id) = session.own_token().map(|token| token.id) else { return Ok(()) };
        let challenge = match why {
            Why::Unsaid => None,
            Why::Claims(number) => Some(Challenge { claims: Some(claims(number)), ..Challenge::default() }),
            Why::Person => Some(Challenge {
                error: Some("insufficient_user_authentication".into()),
                ..Challenge::default()
            }),
        };
        self.event(Event::Rejected { id, challenge: challenge.map(Box::new) }, false)?;
        if why == Why::Person {
            let Phase::SignedIn(session) = &self.state.phase else { return Ok(()) };
            let serves = session.own_token().map(|token| token.id) == Some(id);
            prop_assert!(serves, "a token that is good for other APIs was taken away");
            return Ok(());
        }
        let Phase::SignedIn(session) = &self.state.phase else { return Ok(()) };
        prop_assert!(
            session.entries.values().all(|entry| entry.token.as_ref().is_none_or(|token| token.id != id)),
            "a rejected token is still held"
        );
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Pass(seconds) => {
                self.now = self.now + Duration::from_secs(seconds);
                self.event(Event::Tick { last_used: START }, false)?;
                self.check_memory()
            }
            Step::Use(number) => {
                let Phase::SignedIn(session) = &self.state.phase else { return Ok(()) };
                let mut tokens = session.entries.values().filter_map(|entry| entry.token.as_ref());
                let Some(id) = tokens.nth(number).map(|token| token.id) else { return Ok(()) };
                let before = session.entries.len();
                self.event(Event::Used(vec![(id, self.now)]), false)?;
                let Phase::SignedIn(session) = &self.state.phase else { return Ok(()) };
                prop_assert!(session.entries.len() >= before, "forgotten while it was used");
                Ok(())
            }
            Step::Request(key, wanted) => {
                let key = if key == 0 { own() } else { TokenKey::new([format!("s{key}").as_str()], []) };
                let known = match &self.state.phase {
                    Phase::SignedIn(session) => session.entries.get(&key).map_or(0, |entry| entry.outcomes),
                    _ => 0,
                };
                let min_validity = wanted.map(Duration::from_secs);
                self.event(Event::Requested { key, min_validity, outcomes: known }, false)
            }
            Step::Demand(key, number) => {
                let key = if key == 0 { own() } else { TokenKey::new([format!("s{key}").as_str()], []) };
                let claims = (number > 0).then(|| claims(number));
                let demand = Demand { claims, cae: number % 2 == 0 };
                self.event(Event::Demanded { key, demand }, false)
            }
            Step::Reject(why) => self.reject(why),
            Step::Answer(answer) => {
                let Some(attempt) = self.in_flight.pop() else { return Ok(()) };
                let fatal = matches!(answer, Answer::Refused(Verdict::Final | Verdict::PersonChanged));
                let outcome = Self::outcome(&answer);
                let id = self.id();
                self.event(Event::Answered { attempt, outcome, obtained_at: self.now, id }, fatal)
            }
            Step::SignIn { grant, lifetime, rotation } => {
                if matches!(self.state.phase, Phase::Revoking(_)) {
                    return Ok(());
                }
                self.opening = false;
                self.sign_in(grant, lifetime, rotation)
            }
            Step::Open => {
                if !matches!(self.state.phase, Phase::SignedOut | Phase::LoginRequired { .. }) {
                    return Ok(());
                }
                self.event(Event::Open { profile: "batch".into() }, false)
            }
            Step::Opened(answer) => {
                if !std::mem::take(&mut self.opening) {
                    return Ok(());
                }
                let event = match Self::outcome(&answer) {
                    Outcome::Granted(_) => {
                        return self.sign_in(Brings::ClientCredentials, 1000, Rotation::Unknown);
                    }
                    Outcome::Retry(retry) => NotOpened::Undecided(retry),
                    Outcome::Refused(refusal) => NotOpened::Refused(refusal),
                };
                self.event(Event::NotOpened(event), false)
            }
            Step::Revoke => {
                self.opening = false;
                self.event(Event::Revoke, true)
            }
            Step::RevocationEnded => {
                if !std::mem::take(&mut self.revoking_at_server) {
                    return Ok(());
                }
                self.event(Event::RevocationEnded, true)
            }
            Step::DiskWorks(works) => {
                self.disk_works = works;
                Ok(())
            }
            Step::Stop => self.event(Event::Stop, false),
        }
    }

    fn sign_in(&mut self, grant: Brings, lifetime: i64, rotation: Rotation) -> Result<(), TestCaseError> {
        let refresh = (grant == Brings::RefreshToken).then_some("R");
        let new = NewGrant {
            tokens: tokens("login", refresh, lifetime),
            own: own(),
            obtained_at: self.now,
            id: self.id(),
            policy: Policy { keep_alive: true, refresh_idle: None, in_memory: false },
            by_client_credentials: grant == Brings::ClientCredentials,
            terms: Terms { bounded: true, granted: Some(granted().into()), rotation },
        };
        self.event(Event::SignIn(Box::new(new)), true)
    }

    fn outcome(answer: &Answer) -> Outcome {
        match answer {
            Answer::Granted { refresh, lifetime } => {
                Outcome::Granted(Box::new(tokens("next", refresh.then_some("R'"), *lifetime)))
            }
            Answer::Retry(after) => Outcome::Retry(Retry {
                after: after.map(Duration::from_secs),
                ambiguous: true,
                refused: after.is_some_and(|pause| pause % 2 == 1),
                failure: failure("later"),
            }),
            Answer::Refused(verdict) => {
                Outcome::Refused(Refusal { verdict: *verdict, failure: failure("no") })
            }
        }
    }

    fn id(&mut self) -> TokenId {
        self.next_id += 1;
        TokenId(self.next_id)
    }

    /// A snapshot never offers a dead token as fresh.
    fn check_freshness(&self) -> Result<(), TestCaseError> {
        let Phase::SignedIn(session) = &self.state.phase else { return Ok(()) };
        for token in session.entries.values().filter_map(|entry| entry.token.as_ref()) {
            let dead = token.expiry.end().is_some_and(|end| end <= self.now);
            let fresh = super::schedule::freshness(token, self.now, None);
            prop_assert_eq!(dead, fresh == Freshness::Expired);
        }
        if let Grant::RefreshToken { .. } = session.grant {
            prop_assert!(session.entries.len() <= super::signed_in::SignedIn::MOST_KEYS);
        }
        Ok(())
    }
}

fn claims(number: u8) -> Claims {
    Claims::read(&format!(r#"{{"n":{number}}}"#)).unwrap()
}

fn own() -> TokenKey {
    TokenKey::new(["api"], [])
}

/// What the server says at each login that it granted: more audiences than a session holds.
fn granted() -> String {
    (1..67).map(|number| format!("s{number}")).collect::<Vec<_>>().join(" ")
}

fn is_granted(key: &TokenKey) -> bool {
    let granted = granted();
    key.scopes().all(|scope| granted.split(' ').any(|known| known == scope))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_over_any_sequence_of_events(steps in prop::collection::vec(step(), 1..120)) {
        let mut watched = Watched {
            state: State::signed_out(),
            now: START,
            disk_works: true,
            in_flight: vec![],
            written: 0,
            next_id: 0,
            revoking_at_server: false,
            opening: false,
        };
        for step in steps {
            watched.step(step)?;
            watched.check_freshness()?;
        }
    }
}
