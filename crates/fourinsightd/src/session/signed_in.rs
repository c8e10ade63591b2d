//! What a signed-in session holds, and what it wants to do next. Pure.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    doubt::Doubt,
    entry::{Begun, Entry},
    event::Arrival,
    refusals::Refusals,
    rotation::Rotating,
    schedule,
    terms::{Beyond, Terms},
    unsent::{is_unsent, storage_failed},
};
use crate::{
    authority::{Failure, Retry},
    clock::Timestamp,
    token::{Person, RefreshToken, Token, TokenKey, TokenSet},
};

/// What a signed-in session holds.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) grant: Grant,
    /// The key of what the login asked for.
    pub(crate) own: TokenKey,
    pub(crate) person: Option<Arc<Person>>,
    /// Boxed, because the map sets aside room for eleven from the first on, and most sessions have one.
    pub(crate) entries: BTreeMap<TokenKey, Box<Entry>>,
    /// Boxed, like all that most sessions never have.
    pub(crate) backoff: Option<Box<Backoff>>,
    pub(crate) durability: Durability,
    pub(crate) policy: Policy,
    pub(crate) last_used: Timestamp,
    pub(crate) terms: Terms,
    /// A refresh named its scopes: a server that narrows the grant by that widens it again only when told to.
    pub(crate) narrowed: bool,
    /// Whether the refresh token may be spent.
    pub(crate) doubt: Option<Box<Doubt>>,
    /// The server's refusals in a row.
    pub(super) refusals: Option<Box<Refusals>>,
    pub(crate) rotating: Rotating,
}

/// What renews the access tokens.
#[derive(Debug)]
pub(crate) enum Grant {
    /// RFC 6749 section 6.
    RefreshToken {
        /// The newest one.
        token: RefreshToken,
        /// When it was last issued or used.
        obtained_at: Timestamp,
        /// When it ends unless it is used before; `None` when it does not, or nobody said.
        idle_end: Option<Timestamp>,
        /// Using it does not move that end, as far as the server's answers tell.
        is_fixed: bool,
    },
    /// The client's own credentials (RFC 6749 section 4.4). Asking spends nothing, and nothing of it is stored.
    ClientCredentials,
    /// Nothing: the login brought none, or (`ended`) it must not be used any more.
    None {
        /// Why there is none any more.
        ended: Option<Failure>,
    },
}

/// What the profile says about renewing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) keep_alive: bool,
    /// How long the server keeps an unused refresh token, when it does not say so itself.
    pub(crate) refresh_idle: Option<Duration>,
    /// Nothing of the session is to be on the disk.
    pub(crate) in_memory: bool,
}

/// Whether the disk holds what memory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    Durable,
    /// The record is being written; `degraded_since` when earlier tries have failed.
    Writing {
        degraded_since: Option<Timestamp>,
    },
    Degraded {
        retry_at: Timestamp,
        since: Timestamp,
    },
}

/// A pause of the whole session, after a failure that decided nothing.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    pub(crate) until: Timestamp,
    /// For the session's own key it ends earlier when another audience is all that is known to fail.
    pub(crate) own_until: Timestamp,
    pub(crate) failures: u32,
    pub(crate) failure: Failure,
    pub(crate) since: Timestamp,
    /// When it began, where nothing but the server's health decides how long it lasts.
    outage_at: Option<Timestamp>,
    /// In this row of failures it was cut short once.
    hurried: bool,
}

impl Backoff {
    /// A pause that only time ends.
    pub(super) fn until(until: Timestamp, failures: u32, failure: Failure, since: Timestamp) -> Self {
        Self { until, own_until: until, failures, failure, since, outage_at: None, hurried: false }
    }

    /// The server works again since `at`: ends the pause if it began before that, and was not cut short before.
    pub(super) fn hurry(&mut self, at: Timestamp, now: Timestamp) -> bool {
        let hurries = !self.hurried && self.until > now && self.outage_at.is_some_and(|began| began <= at);
        if hurries {
            (self.until, self.own_until, self.hurried) = (now, now, true);
        }
        hurries
    }
}

impl SignedIn {
    /// The most audiences a session holds tokens for.
    pub(crate) const MOST_KEYS: usize = 64;

    pub(super) fn new(own: TokenKey, policy: Policy, terms: Terms, now: Timestamp) -> Self {
        Self {
            grant: Grant::None { ended: None },
            own,
            person: None,
            entries: BTreeMap::new(),
            backoff: None,
            durability: Durability::Durable,
            policy,
            last_used: now,
            terms,
            narrowed: false,
            doubt: None,
            refusals: None,
            rotating: Rotating::default(),
        }
    }

    /// Whether there is something to renew access tokens with.
    pub(crate) fn renewable(&self) -> bool {
        !matches!(self.grant, Grant::None { .. })
    }

    /// Whether a token must be on the disk before it is shown, and before the next is asked for: where asking spends
    /// what the disk holds.
    pub(super) fn needs_disk(&self) -> bool {
        !self.policy.in_memory && !self.by_client_credentials()
    }

    /// Whether the client's own credentials are what is redeemed.
    pub(super) fn by_client_credentials(&self) -> bool {
        matches!(self.grant, Grant::ClientCredentials)
    }

    /// The session's own token.
    pub(crate) fn own_token(&self) -> Option<&Token> {
        self.entries.get(&self.own)?.token.as_deref()
    }

    /// What of a key this login cannot serve, whoever is asked. Only a refresh token is held to its login.
    pub(super) fn beyond(&self, key: &TokenKey) -> Option<Beyond> {
        let Grant::RefreshToken { .. } = self.grant else { return None };
        self.terms.beyond(&self.own, key)
    }

    /// The entry of a key; a new one may cost the least recently used its place.
    pub(super) fn entry(&mut self, key: TokenKey, now: Timestamp) -> &mut Entry {
        if !self.entries.contains_key(&key) && self.entries.len() >= Self::MOST_KEYS {
            let least = self.entries.iter().filter(|(other, _)| **other != self.own);
            let least = least.min_by_key(|(_, entry)| entry.used_at).map(|(other, _)| other.clone());
            least.map(|least| self.entries.remove(&least));
        }
        self.entries.entry(key).or_insert_with(|| Box::new(Entry::new(now)))
    }

    /// Takes what a server granted for a key.
    pub(super) fn take(&mut self, key: &TokenKey, tokens: TokenSet, begun: &Begun, arrival: Arrival) {
        let Arrival { obtained_at, id, now, chance } = arrival;
        let used = match &self.grant {
            Grant::RefreshToken { token, .. } => Some(token.expose()),
            Grant::ClientCredentials | Grant::None { .. } => None,
        };
        let replaced =
            used.map(|used| tokens.refresh_token.as_ref().is_some_and(|newer| newer.expose() != used));
        self.rotating.granted(replaced, obtained_at);
        let (end, fixed) = self.next_end(tokens.refresh_idle.map(Duration::from_secs), obtained_at);
        match (&mut self.grant, tokens.refresh_token) {
            (Grant::ClientCredentials, _) | (Grant::None { .. }, None) => {}
            (grant, Some(token)) => {
                *grant = Grant::RefreshToken { token, obtained_at, idle_end: end, is_fixed: fixed };
            }
            // RFC 6749 section 6: without a new refresh token the old one stays in use.
            (Grant::RefreshToken { obtained_at: at, idle_end, is_fixed, .. }, None) => {
                (*at, *idle_end, *is_fixed) = (obtained_at, end, fixed);
            }
        }
        let renewable = self.renewable();
        let expiry = schedule::expiry(tokens.lifetime, obtained_at, renewable);
        let renew_at =
            schedule::renewal(expiry, obtained_at, tokens.refresh_in, chance).filter(|_| renewable);
        let life = expiry.end().map(|at| at.since(obtained_at));
        let token = Token {
            id,
            secret: tokens.access_token,
            token_type: tokens.token_type,
            scope: tokens.scope,
            obtained_at,
            expiry,
            renew_at,
            on_demand: begun
                .on_demand
                .zip(life)
                .is_some_and(|(wanted, life)| schedule::is_out_of_reach(wanted, life)),
        };
        self.person = self.person.take().or_else(|| tokens.person.map(Arc::new));
        self.backoff = self.backoff.take().filter(|_| life.is_some_and(|life| life.is_zero()));
        self.narrowed |= *key != self.own && key.scopes().next().is_some();
        self.doubt = None;
        self.refusals = None;
        self.entry(key.clone(), now).take(token, begun.demand.as_ref(), now);
        if life.is_some_and(|life| life.is_zero()) && renewable {
            let failure = Failure::ours(
                "expired_on_arrival",
                "the server issues access tokens that have already expired",
            );
            self.back_off(key, Retry::of(failure), arrival);
        }
    }

    /// An attempt for a key decided nothing.
    pub(super) fn pause(&mut self, key: &TokenKey, retry: Retry, arrival: Arrival) {
        if is_unsent(&retry.failure) {
            return self.wait_for_disk(key, retry.failure, arrival.now);
        }
        self.back_off(key, retry, arrival);
        self.entry(key.clone(), arrival.now).pause(arrival.now);
    }

    /// An attempt for a key shows that nothing will work before `until`.
    pub(super) fn pause_until(&mut self, key: &TokenKey, until: Timestamp, failure: Failure, now: Timestamp) {
        let (failures, since) =
            self.backoff.take().map_or((0, now), |backoff| (backoff.failures, backoff.since));
        self.backoff = Some(Box::new(Backoff::until(until, failures + 1, failure, since)));
        self.entry(key.clone(), now).pause(now);
    }

    /// Nothing is to be sent before `until`. Nothing was, so this is no failure of this session.
    pub(super) fn hold(&mut self, key: &TokenKey, until: Timestamp, failure: Failure, now: Timestamp) {
        let (failures, since) =
            self.backoff.take().map_or((0, now), |backoff| (backoff.failures, backoff.since));
        self.backoff = Some(Box::new(Backoff::until(until, failures, failure, since)));
        self.entry(key.clone(), now).pause(now);
    }

    /// The server refused the session's own key, and gave no verdict.
    pub(super) fn refused_again(&mut self, failure: Failure, now: Timestamp) {
        self.refusals = Some(Box::new(Refusals::after(self.refusals.as_deref(), failure, now)));
    }

    /// That the server has refused for long, and since when.
    pub(super) fn refused_for_long(&self) -> Option<(Failure, Timestamp)> {
        self.refusals.as_ref().filter(|refusals| refusals.are_for_long()).map(|refusals| refusals.in_words())
    }

    /// When a session that nothing can renew needs its person again.
    pub(super) fn end(&self) -> Option<Timestamp> {
        let Grant::None { .. } = self.grant else { return None };
        match self.own_token() {
            Some(token) => token.expiry.end(),
            None => Some(Timestamp::from_millis(0)),
        }
    }

    pub(super) fn why_it_ended(&self) -> Failure {
        if let Grant::None { ended: Some(failure) } = &self.grant {
            return failure.clone();
        }
        match self.own_token() {
            Some(_) => Failure::ours(
                "access_token_expired",
                "the access token has expired and the login brought no refresh token",
            ),
            None => Failure::ours(
                "access_token_rejected",
                "an API refused the access token and the login brought no refresh token",
            ),
        }
    }

    /// What is wrong, and since when.
    pub(crate) fn problem(&self) -> Option<(Failure, Timestamp)> {
        let degraded = match self.durability {
            Durability::Degraded { since, .. } | Durability::Writing { degraded_since: Some(since) } => {
                Some(since)
            }
            Durability::Durable | Durability::Writing { degraded_since: None } => None,
        };
        let unsaved = degraded.map(|since| {
            let description = if self.policy.in_memory {
                "the disk refuses to delete what it holds of the login before this one; that is tried every second"
            } else {
                "the disk refuses the session's record; it is kept in memory and written every second"
            };
            (storage_failed(description), since)
        });
        let paused = || self.backoff.as_ref().map(|backoff| (backoff.failure.clone(), backoff.since));
        let refused = || {
            let refused = self.entries.get(&self.own)?.refused.as_ref()?;
            Some((refused.failure.clone(), refused.since))
        };
        let ended = || match &self.grant {
            Grant::None { ended: Some(failure) } => {
                Some((failure.clone(), self.own_token().map_or(self.last_used, |token| token.obtained_at)))
            }
            _ => None,
        };
        unsaved.or_else(paused).or_else(|| self.why_it_is_held()).or_else(refused).or_else(ended)
    }

    fn back_off(&mut self, key: &TokenKey, retry: Retry, arrival: Arrival) {
        let (failures, since, hurried) = self.backoff.take().map_or((1, arrival.now, false), |backoff| {
            (backoff.failures + 1, backoff.since, backoff.hurried)
        });
        let mut pause = schedule::backoff(failures, retry.after, arrival.chance);
        if *key == self.own && self.refusals.as_ref().is_some_and(|refusals| refusals.are_for_long()) {
            pause = pause.max(schedule::misconfigured_backoff(arrival.chance));
        }
        let own_pause = if *key == self.own || retry.after.is_some() {
            pause
        } else {
            pause.min(schedule::backoff(1, None, arrival.chance))
        };
        self.backoff = Some(Box::new(Backoff {
            until: arrival.now + pause,
            own_until: arrival.now + own_pause,
            failures,
            // What the server asked for stands.
            outage_at: retry.after.is_none().then_some(arrival.now),
            hurried,
            failure: retry.failure,
            since,
        }));
    }
}
