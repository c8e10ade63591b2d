//! The session state machine. Pure: events and the time go in, effects come out; `task.rs` carries them out.
//!
//! ```text
//!   SignedOut, LoginRequired --Open--> Opening --SignIn--> SignedIn, Opening --NotOpened(Refused)--> LoginRequired
//!   SignedOut --SignIn--> SignedIn --Refused(Final)--> LoginRequired --SignIn--> SignedIn
//!   any --Revoke--> Revoking --RevocationEnded--> SignedOut
//! ```
//!
//! "Fresh" and "expired" are no states: they are what [`freshness`](super::schedule::freshness) says at the moment
//! of a request. A login attempt is no state either, so a failed login never touches a working session.
//!
//! What always holds, and `state_properties.rs` tries to break: at most one redemption is in flight; only a final
//! verdict, a changed person or a revocation drops a grant; nothing is published before its persistence was
//! attempted; a degraded session starts no redemption.
//!
//! A session that is in memory only takes the same way: its disk is always as it should be, namely without it. When
//! the daemon stops it is revoked, because nobody could use its tokens afterwards.

mod answers;
mod rejections;
mod requests;
mod turns;

pub(crate) use rejections::{Meaning, Reported};

use std::time::Duration;

use super::{
    entry::Begun,
    event::{Arrival, Effect, Event, NewGrant},
    opening::Opening,
    revoking::Revoking,
    schedule::Chance,
    signed_in::{Backoff, Durability, Grant, SignedIn},
};
use crate::{
    authority::Failure,
    clock::Timestamp,
    login::NotOpened,
    token::{Person, RefreshToken, TokenKey},
};

/// A session.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// Counts the records this session has had: one for each login, each redemption, each verdict.
    pub(crate) generation: u64,
    attempts: u64,
    in_flight: Option<Box<InFlight>>,
    stopping: bool,
    /// When the disk is tried again with what it refused of a session that nobody is signed in to.
    unsaved: Option<Timestamp>,
}

/// Where a session stands.
#[derive(Debug)]
pub(crate) enum Phase {
    SignedOut,
    Opening(Opening),
    SignedIn(SignedIn),
    LoginRequired { failure: Failure, since: Timestamp },
    Revoking(Revoking),
}

#[derive(Debug)]
struct InFlight {
    attempt: u64,
    generation: u64,
    key: TokenKey,
    begun: Begun,
}

impl State {
    /// How long a refusal that needs a person stands before a later request tries again.
    pub(crate) const REFUSAL_FLOOR: Duration = Duration::from_mins(1);
    pub(super) const PERSIST_RETRY: Duration = Duration::from_secs(1);

    /// A session that nobody has signed in to.
    pub(crate) fn signed_out() -> Self {
        Self::restored(0, Phase::SignedOut)
    }

    /// A session as its record tells it.
    pub(crate) fn restored(generation: u64, phase: Phase) -> Self {
        Self { phase, generation, attempts: 0, in_flight: None, stopping: false, unsaved: None }
    }

    /// Takes up a redemption that an earlier run of the daemon began; its answer follows as
    /// [`Event::Answered`] with the attempt returned here.
    pub(crate) fn take_up(&mut self, key: TokenKey) -> u64 {
        self.begin(key, Begun::default())
    }

    /// Nobody knows whether the refresh token still counts: says so, and leaves it alone until `until`.
    pub(crate) fn doubt(&mut self, failure: Failure, until: Timestamp, since: Timestamp) {
        if let Phase::SignedIn(session) = &mut self.phase {
            session.backoff = Some(Box::new(Backoff::until(until, 0, failure, since)));
        }
    }

    /// The daemon stops: nothing is redeemed from here on.
    pub(crate) fn begin_nothing(&mut self) {
        self.stopping = true;
    }

    /// Who signed in, as far as known.
    pub(crate) fn person(&self) -> Option<&Person> {
        match &self.phase {
            Phase::SignedIn(session) => session.person.as_deref(),
            _ => None,
        }
    }

    /// When the session's own token ends.
    pub(crate) fn own_end(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::SignedIn(session) => session.own_token().and_then(|token| token.expiry.end()),
            _ => None,
        }
    }

    /// Whether the client's own credentials are what is redeemed.
    pub(crate) fn by_client_credentials(&self) -> bool {
        matches!(&self.phase, Phase::SignedIn(session) if session.by_client_credentials())
    }

    /// Whether a refusal, or an answer that never came, may have cost the refresh token.
    pub(crate) fn is_in_doubt(&self) -> bool {
        matches!(&self.phase, Phase::SignedIn(session) if session.doubt.is_some() || session.rotating.interrupted.is_some())
    }

    /// Whether the server may have narrowed the grant to less than the session's own key.
    pub(crate) fn is_narrowed(&self) -> bool {
        matches!(&self.phase, Phase::SignedIn(SignedIn { narrowed: true, .. }))
    }

    /// The refresh token to redeem now, if there is one.
    pub(crate) fn refresh_token(&self) -> Option<&RefreshToken> {
        match &self.phase {
            Phase::SignedIn(SignedIn { grant: Grant::RefreshToken { token, .. }, .. }) => Some(token),
            _ => None,
        }
    }

    /// When [`Event::Tick`] is needed at the latest, if nothing else happens.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let session = match &self.phase {
            Phase::Opening(opening) if !self.stopping => return opening.deadline(),
            Phase::SignedIn(session) => session,
            _ => return self.unsaved,
        };
        let write = match session.durability {
            Durability::Degraded { retry_at, .. } => Some(retry_at),
            Durability::Durable | Durability::Writing { .. } => None,
        };
        if self.in_flight.is_some() || self.stopping || (write.is_some() && session.needs_disk()) {
            return write;
        }
        let redemption = session.next_redemption().map(|(at, _)| at);
        redemption.into_iter().chain(session.next_look()).chain(session.end()).chain(write).min()
    }

    /// Takes one event.
    pub(crate) fn handle(&mut self, event: Event, now: Timestamp, chance: Chance) -> Vec<Effect> {
        let mut effects = match event {
            Event::Open { profile } => {
                self.phase = Phase::Opening(Opening::new(profile));
                vec![Effect::Publish]
            }
            Event::NotOpened(why) => self.not_opened(why, now, chance),
            Event::SignIn(grant) => self.sign_in(*grant, now, chance),
            Event::Adopt(new) => self.adopt(*new, now),
            Event::Abandon => self.abandon(),
            Event::Restore { phase, generation } => self.restore(*phase, generation, now),
            Event::Tick { last_used } => self.tick(last_used, now),
            Event::Used(uses) => {
                if let Phase::SignedIn(session) = &mut self.phase {
                    session.used(&uses);
                }
                vec![]
            }
            Event::Interrupted { found, key } => self.interrupted(found, key, now),
            Event::Requested { key, min_validity, outcomes } => {
                self.requested(key, min_validity, outcomes, now)
            }
            Event::Demanded { key, demand } => self.demanded(key, demand, now),
            Event::Rejected { id, challenge } => self.rejected(id, challenge.as_deref(), now),
            Event::Answered { attempt, outcome, obtained_at, id } => {
                self.answered(attempt, outcome, Arrival { obtained_at, id, now, chance })
            }
            Event::NotSent { attempt, pause } => self.not_sent(attempt, pause, now),
            Event::Recovered { at } => self.recovered(at, now),
            Event::Persisted => self.persisted(Durability::Durable),
            Event::PersistFailed => {
                self.persisted(Durability::Degraded { retry_at: now + Self::PERSIST_RETRY, since: now })
            }
            Event::Revoke => self.revoke(),
            Event::RevocationEnded => {
                self.phase = Phase::SignedOut;
                self.unsaved = None;
                vec![Effect::Forget, Effect::Publish]
            }
            Event::ForgetFailed => {
                self.unsaved = Some(now + Self::PERSIST_RETRY);
                vec![]
            }
            Event::Stop => {
                self.stopping = true;
                if self.ends_with_the_daemon() { self.revoke() } else { vec![] }
            }
        };
        effects.extend(self.open_if_due(now));
        effects.extend(self.redeem_what_is_due(now));
        effects
    }

    /// Whether nobody can use the session's tokens once the daemon has stopped.
    fn ends_with_the_daemon(&self) -> bool {
        matches!(&self.phase, Phase::SignedIn(session) if session.policy.in_memory)
    }

    fn open_if_due(&mut self, now: Timestamp) -> Option<Effect> {
        let Phase::Opening(opening) = &mut self.phase else { return None };
        (!self.stopping && opening.begin(now)).then_some(Effect::Open)
    }

    fn not_opened(&mut self, why: NotOpened, now: Timestamp, chance: Chance) -> Vec<Effect> {
        let Phase::Opening(opening) = &mut self.phase else { return vec![] };
        match why {
            NotOpened::Undecided(retry) => opening.pause(retry, now, chance),
            // What is stored stays: the next start tries again.
            NotOpened::Refused(refusal) => {
                self.phase = Phase::LoginRequired { failure: refusal.failure, since: now };
            }
        }
        vec![Effect::Publish]
    }

    fn sign_in(&mut self, new: NewGrant, now: Timestamp, chance: Chance) -> Vec<Effect> {
        let mut session = SignedIn::new(new.own.clone(), new.policy, new.terms, now);
        if new.by_client_credentials {
            session.grant = Grant::ClientCredentials;
        }
        let arrival = Arrival { obtained_at: new.obtained_at, id: new.id, now, chance };
        session.take(&new.own, new.tokens, &Begun::default(), arrival);
        self.phase = Phase::SignedIn(session);
        if self.stopping && self.ends_with_the_daemon() { self.revoke() } else { self.write() }
    }

    fn tick(&mut self, last_used: Timestamp, now: Timestamp) -> Vec<Effect> {
        let Phase::SignedIn(session) = &mut self.phase else { return self.save_again(now) };
        session.last_used = session.last_used.max(last_used);
        if session.end().is_some_and(|end| end <= now) && self.in_flight.is_none() {
            let failure = session.why_it_ended();
            return self.require_login(failure, now);
        }
        let redeeming = self.in_flight.as_ref().map(|running| &running.key);
        let forgot = session.look_around(redeeming, now);
        match session.durability {
            Durability::Durable if forgot && session.needs_disk() => {
                session.durability = Durability::Writing { degraded_since: None };
                vec![Effect::Persist]
            }
            Durability::Degraded { retry_at, since } if retry_at <= now => {
                session.durability = Durability::Writing { degraded_since: Some(since) };
                vec![Effect::Persist]
            }
            _ if forgot => vec![Effect::Publish],
            _ => vec![],
        }
    }

    fn require_login(&mut self, failure: Failure, since: Timestamp) -> Vec<Effect> {
        self.phase = Phase::LoginRequired { failure, since };
        self.write()
    }

    /// Tries the disk again with what it refused of a session that nobody is signed in to.
    fn save_again(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.unsaved.take_if(|at| *at <= now).is_none() {
            return vec![];
        }
        vec![if matches!(self.phase, Phase::SignedOut) { Effect::Forget } else { Effect::Persist }]
    }

    /// Whether only memory knows what the session is now, or that it is gone.
    pub(super) fn is_unsaved(&self) -> bool {
        match &self.phase {
            Phase::SignedIn(session) => session.durability != Durability::Durable,
            _ => self.unsaved.is_some(),
        }
    }

    fn persisted(&mut self, durability: Durability) -> Vec<Effect> {
        self.unsaved = match (&self.phase, durability) {
            (Phase::LoginRequired { .. } | Phase::Revoking(_), Durability::Degraded { retry_at, .. }) => {
                Some(retry_at)
            }
            _ => None,
        };
        if let Phase::SignedIn(session) = &mut self.phase {
            session.durability = match (session.durability, durability) {
                (
                    Durability::Writing { degraded_since: Some(since) },
                    Durability::Degraded { retry_at, .. },
                ) => Durability::Degraded { retry_at, since },
                (_, durability) => durability,
            };
        }
        vec![Effect::Publish]
    }

    fn revoke(&mut self) -> Vec<Effect> {
        let revoking = match std::mem::replace(&mut self.phase, Phase::SignedOut) {
            Phase::SignedIn(session) => Revoking::of(session),
            Phase::Revoking(revoking) => {
                self.phase = Phase::Revoking(revoking);
                return vec![];
            }
            Phase::SignedOut | Phase::Opening(_) | Phase::LoginRequired { .. } => Revoking::nothing(),
        };
        self.phase = Phase::Revoking(revoking);
        let mut effects = vec![Effect::Persist];
        if self.in_flight.is_none() {
            effects.push(Effect::Revoke);
        }
        effects
    }

    /// A new record: everything in flight for an older one is void from here on.
    pub(super) fn write(&mut self) -> Vec<Effect> {
        self.generation += 1;
        self.unsaved = None;
        if let Phase::SignedIn(session) = &mut self.phase {
            session.durability = Durability::Writing { degraded_since: None };
        }
        vec![Effect::Persist]
    }

    fn redeem_what_is_due(&mut self, now: Timestamp) -> Option<Effect> {
        let Phase::SignedIn(session) = &mut self.phase else { return None };
        let waits_for_disk = session.needs_disk() && session.durability != Durability::Durable;
        if self.in_flight.is_some() || self.stopping || waits_for_disk {
            return None;
        }
        if session.close_window(now) {
            return Some(Effect::Publish);
        }
        let (at, key) = session.next_redemption()?;
        if at > now {
            return None;
        }
        let key = key.clone();
        let begun = session.entry(key.clone(), now).begin(now);
        let demand = begun.demand.clone();
        let attempt = self.begin(key.clone(), begun);
        Some(Effect::Redeem { key, attempt, demand })
    }

    fn begin(&mut self, key: TokenKey, begun: Begun) -> u64 {
        self.attempts += 1;
        let running = InFlight { attempt: self.attempts, generation: self.generation, key, begun };
        self.in_flight = Some(Box::new(running));
        self.attempts
    }
}
