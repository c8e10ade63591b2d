//! The state machine, transition by transition.

mod answers;
mod audiences;
mod client_credentials;
mod demands;
mod ephemeral;
mod expiry;
mod forecast;
mod grants;
mod renewal;
mod verdicts;

use std::time::Duration;

use super::{
    event::{Effect, Event, NewGrant},
    schedule::{Chance, Freshness},
    signed_in::{Durability, Grant, Policy, SignedIn},
    state::{Phase, State},
    terms::Terms,
};
use crate::{
    authority::{Failure, Outcome, Refusal, Retry, Verdict},
    clock::Timestamp,
    token::{AccessToken, Lifetime, Person, RefreshToken, TokenId, TokenKey, TokenSet},
};

pub(super) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) fn tokens(access: &str, refresh: Option<&str>, lifetime: i64) -> TokenSet {
    TokenSet {
        access_token: AccessToken::new(access.to_owned()),
        token_type: "Bearer".into(),
        scope: None,
        lifetime: Lifetime::Seconds(lifetime),
        refresh_in: None,
        refresh_token: refresh.map(|token| RefreshToken::new(token.to_owned())),
        refresh_idle: None,
        person: None,
        warnings: vec![],
    }
}

pub(super) fn failure(error: &str) -> Failure {
    Failure::ours(error, "words")
}

fn refused(verdict: Verdict) -> Outcome {
    Outcome::Refused(Refusal { verdict, failure: failure("code") })
}

fn retry() -> Outcome {
    Outcome::Retry(Retry::of(failure("unreachable")))
}

fn granted(access: &str, refresh: Option<&str>) -> Outcome {
    Outcome::Granted(Box::new(tokens(access, refresh, 1000)))
}

/// A state machine at a moment, whose writes all succeed at once unless the test says otherwise.
pub(super) struct Machine {
    pub(super) state: State,
    pub(super) now: Timestamp,
    disk_works: bool,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self { state: State::signed_out(), now: START, disk_works: true }
    }

    fn signed_in_with(grant: TokenSet, policy: Policy) -> Self {
        let mut machine = Self::new();
        let own = TokenKey::new(["api"], []);
        let new = NewGrant {
            tokens: grant,
            own,
            obtained_at: START,
            id: TokenId(0),
            policy,
            by_client_credentials: false,
            terms: Terms::default(),
        };
        machine.event(Event::SignIn(Box::new(new)));
        machine
    }

    fn signed_in() -> Self {
        let policy = Policy { keep_alive: true, refresh_idle: None, in_memory: false };
        Self::signed_in_with(tokens("A1", Some("R1"), 1000), policy)
    }

    /// Takes an event, and the writes that follow from it. Returns the other effects, in order.
    pub(super) fn event(&mut self, event: Event) -> Vec<Effect> {
        let mut pending = self.state.handle(event, self.now, Chance::from_bits(0));
        let mut seen = Vec::new();
        while !pending.is_empty() {
            match pending.remove(0) {
                Effect::Persist => {
                    let event = if self.disk_works { Event::Persisted } else { Event::PersistFailed };
                    let mut next = self.state.handle(event, self.now, Chance::from_bits(0));
                    next.append(&mut pending);
                    pending = next;
                }
                effect => seen.push(effect),
            }
        }
        seen
    }

    fn at(&mut self, second: u64) -> Vec<Effect> {
        self.now = START + seconds(second);
        self.event(Event::Tick { last_used: START })
    }

    fn request(&mut self, key: &TokenKey, min_validity: Option<Duration>) -> Vec<Effect> {
        let entry = match &self.state.phase {
            Phase::SignedIn(session) => session.entries.get(key),
            _ => None,
        };
        let outcomes = entry.map_or(0, |entry| entry.outcomes);
        self.event(Event::Requested { key: key.clone(), min_validity, outcomes })
    }

    fn answer(&mut self, attempt: u64, outcome: Outcome) -> Vec<Effect> {
        self.event(Event::Answered { attempt, outcome, obtained_at: self.now, id: TokenId(attempt) })
    }

    fn session(&self) -> &SignedIn {
        match &self.state.phase {
            Phase::SignedIn(session) => session,
            phase => panic!("not signed in: {phase:?}"),
        }
    }

    fn own_secret(&self) -> Option<&str> {
        self.session().own_token().map(|token| token.secret.expose())
    }

    fn refresh_secret(&self) -> Option<&str> {
        self.state.refresh_token().map(RefreshToken::expose)
    }
}

fn own() -> TokenKey {
    TokenKey::new(["api"], [])
}

fn other() -> TokenKey {
    TokenKey::new(["mail"], ["https://mail.example.com/"])
}

fn redeemed(effects: &[Effect]) -> Option<u64> {
    effects.iter().find_map(|effect| match effect {
        Effect::Redeem { attempt, .. } => Some(*attempt),
        _ => None,
    })
}

fn published(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Publish))
}
