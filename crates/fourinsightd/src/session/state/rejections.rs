//! What an API's refusal of a token means, and what is done about it. Pure.
//!
//! Only a token that is dead for everyone is taken away from everyone: one whose scope is too small, or whose person
//! did not sign in strongly enough for one API, is served to the others as before.

use std::{collections::BTreeSet, time::Duration};

use super::{Phase, State};
use crate::{
    authority::{
        Failure,
        challenge::{Challenge, INSUFFICIENT_SCOPE, INSUFFICIENT_USER_AUTHENTICATION},
        step_up::StepUp,
    },
    clock::Timestamp,
    session::{
        entry::Entry,
        event::Effect,
        signed_in::{Durability, SignedIn},
    },
    token::{TokenId, TokenKey},
};

/// What a refusal means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// There is no such token, or no longer.
    Unknown,
    /// The token is as good as it can be, but this scope is missing.
    Scope { missing: Option<String> },
    /// A person must sign in otherwise, or again.
    Person,
    /// The key needs another token.
    Replace { key: TokenKey },
}

/// What whoever reported it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reported {
    /// There is no such token, or no longer.
    Unknown,
    /// Another token is on its way, or there.
    Renewing,
    /// Another token is fetched after this pause.
    Paused(Duration),
    /// This scope is missing.
    Scope { missing: Option<String> },
    /// A person must sign in.
    Person(Failure),
}

impl State {
    /// What it means that an API refused this token.
    pub(crate) fn meaning(&self, id: TokenId, challenge: Option<&Challenge>) -> Meaning {
        let Phase::SignedIn(session) = &self.phase else { return Meaning::Unknown };
        let found = session.entries.iter().find(|(_, entry)| entry.holds(id) || entry.has_lost(id));
        let Some((key, entry)) = found else { return Meaning::Unknown };
        let (error, claims) = challenge
            .map_or((None, None), |challenge| (challenge.error.as_deref(), challenge.claims.as_ref()));
        match error {
            Some(INSUFFICIENT_USER_AUTHENTICATION) => Meaning::Person,
            Some(INSUFFICIENT_SCOPE) if claims.is_none() => {
                Meaning::Scope { missing: challenge.and_then(|challenge| missing(challenge, entry)) }
            }
            _ => Meaning::Replace { key: key.clone() },
        }
    }

    pub(super) fn rejected(
        &mut self,
        id: TokenId,
        challenge: Option<&Challenge>,
        now: Timestamp,
    ) -> Vec<Effect> {
        let meaning = self.meaning(id, challenge);
        let Phase::SignedIn(session) = &mut self.phase else { return vec![] };
        match (meaning, challenge) {
            (Meaning::Replace { key }, _) => {
                let Some(entry) = session.entries.get_mut(&key) else { return vec![] };
                let was_served = entry.holds(id);
                entry.reject(id, challenge.and_then(|challenge| challenge.claims.clone()), now);
                if was_served { session.write_again() } else { vec![] }
            }
            // A client that signed in as itself has no person to ask.
            (Meaning::Person, Some(challenge)) if !session.by_client_credentials() => {
                let mut effects = vec![Effect::StepUp(Box::new(StepUp::for_api(challenge)))];
                effects.extend(session.write_again());
                effects
            }
            _ => vec![],
        }
    }

    /// What to tell whoever reported it, after that has happened.
    pub(crate) fn reported(&self, meaning: Meaning, now: Timestamp) -> Reported {
        let key = match meaning {
            Meaning::Unknown => return Reported::Unknown,
            Meaning::Scope { missing } => return Reported::Scope { missing },
            Meaning::Person => {
                return Reported::Person(Failure::ours(
                    "insufficient_user_authentication",
                    "the API wants the person to sign in again, in the way that it asks for",
                ));
            }
            Meaning::Replace { key } => key,
        };
        let session = match &self.phase {
            Phase::SignedIn(session) => session,
            Phase::LoginRequired { failure, .. } => return Reported::Person(failure.clone()),
            Phase::SignedOut | Phase::Opening(_) | Phase::Revoking(_) => return Reported::Unknown,
        };
        if !session.renewable() {
            return Reported::Person(session.why_it_ended());
        }
        let Some(entry) = session.entries.get(&key) else { return Reported::Unknown };
        let runs = self.in_flight.as_ref().is_some_and(|running| running.key == key);
        if runs || entry.token.is_some() {
            return Reported::Renewing;
        }
        if let Some(refused) = entry.refused.as_ref().filter(|refused| refused.until > now) {
            return Reported::Person(refused.failure.clone());
        }
        let pause = session.next_of(&key).map_or(Duration::ZERO, |at| at.since(now));
        if pause.is_zero() { Reported::Renewing } else { Reported::Paused(pause) }
    }
}

impl SignedIn {
    /// The same generation is to be written anew, where the disk holds it at all.
    pub(super) fn write_again(&mut self) -> Vec<Effect> {
        if !self.needs_disk() {
            return vec![Effect::Publish];
        }
        self.durability = Durability::Writing { degraded_since: None };
        vec![Effect::Persist]
    }
}

/// What the API wants and the token has not; all that it wants where nobody knows what the token has.
fn missing(challenge: &Challenge, entry: &Entry) -> Option<String> {
    let wanted = challenge.scope.as_deref()?;
    let has = entry.token.as_ref().and_then(|token| token.scope.as_deref()).unwrap_or_default();
    let has: BTreeSet<&str> = has.split_ascii_whitespace().collect();
    let missing: Vec<&str> = wanted.split_ascii_whitespace().filter(|scope| !has.contains(scope)).collect();
    // Named as granted and refused all the same: then it is not the names that are missing.
    Some(if missing.is_empty() { wanted.to_owned() } else { missing.join(" ") })
}
