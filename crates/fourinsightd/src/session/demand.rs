//! What a token must be fetched with beyond its key, because a caller or an API demands it. Pure.
//!
//! A demand is redeemed once, and what comes of it is the key's token from then on. However many callers wait with the
//! same demand, it is one redemption; and however often callers repeat themselves, the server is asked a few times
//! in half a minute at most.

use std::{collections::VecDeque, time::Duration};

use super::entry::Refused;
use crate::{
    authority::{Failure, Refusal, Registration, claims::Claims},
    clock::Timestamp,
    token::TokenKey,
};

/// What a redemption asks for beyond its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// What the token must tell, or be checked for.
    pub(crate) claims: Option<Claims>,
    /// Whoever uses the token can answer a claims challenge.
    pub(crate) cae: bool,
}

impl Demand {
    /// What to send for it, or for none: what is demanded, and what the client can do.
    pub(super) fn claims(demand: Option<&Self>, registration: &Registration) -> Option<Claims> {
        let claims = demand.and_then(|demand| demand.claims.as_ref());
        registration.claims(claims, demand.is_some_and(|demand| demand.cae))
    }
}

/// How a demand ended, and which.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) key: TokenKey,
    pub(crate) demand: Demand,
    pub(crate) ended: Ended,
}

/// How a demand ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The key's token is one that was fetched with it.
    Granted,
    /// The server, or the daemon in its place, said no; the present token is not touched by that.
    Refused(Refusal),
    /// The server does not understand it.
    NotTaken(Failure),
    /// Nothing was decided.
    Unavailable(Failure),
}

/// What came of bringing a demand.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// It will be redeemed.
    Waiting,
    /// The server has just refused it.
    Refused(Refusal),
    /// There are too many before it.
    TooMany,
}

/// The demands on one key.
#[derive(Debug, Default)]
pub(super) struct Demands {
    /// Brought by callers, oldest first, each with the time of its arrival.
    waiting: VecDeque<(Timestamp, Demand)>,
    /// Brought by the challenge to the token that was rejected, until another token has come.
    of_rejection: Option<Claims>,
    /// What the present token was fetched with.
    met: Option<Claims>,
    /// Some caller can answer a claims challenge: every redemption says so from then on.
    cae: bool,
    /// The present token was fetched saying so.
    cae_met: bool,
    refused: Option<(Demand, Refused)>,
    /// How many redemptions with claims came closely after each other, and when the last began.
    in_a_row: u8,
    last_at: Option<Timestamp>,
}

impl Demands {
    /// The most different demands that wait for one key.
    const MOST_WAITING: usize = 16;

    /// How many redemptions with claims may begin at once, and within which time no more do then.
    const BURST: u8 = 4;
    const FLOOR: Duration = Duration::from_secs(30);

    pub(super) fn bring(&mut self, demand: Demand, now: Timestamp) -> Brought {
        if let Some((_, refused)) =
            self.refused.as_ref().filter(|(other, refused)| *other == demand && refused.until > now)
        {
            let Refused { verdict, failure, .. } = refused.clone();
            return Brought::Refused(Refusal { verdict, failure });
        }
        self.cae |= demand.cae;
        if self.waits(&demand) {
            return Brought::Waiting;
        }
        if self.waiting.len() >= Self::MOST_WAITING {
            return Brought::TooMany;
        }
        self.waiting.push_back((now, demand));
        Brought::Waiting
    }

    /// An API refused the key's token, and wants the next one to meet this.
    pub(super) fn reject(&mut self, claims: Claims) {
        self.of_rejection = Some(claims);
    }

    /// Whether the present token was fetched with these claims.
    pub(super) fn are_met(&self, claims: &Claims) -> bool {
        self.met.as_ref() == Some(claims)
    }

    /// Whether the present token was fetched for callers that can answer a claims challenge.
    pub(super) fn declare_cae(&self) -> bool {
        self.cae_met
    }

    pub(super) fn waits(&self, demand: &Demand) -> bool {
        self.waiting.iter().any(|(_, other)| other == demand)
    }

    /// When the next waiting demand may be redeemed.
    pub(super) fn wanted_at(&self) -> Option<Timestamp> {
        let (at, _) = self.waiting.front()?;
        Some(self.pause().map_or(*at, |until| until.max(*at)))
    }

    /// Whether what waits longest brings claims, and not only the word that its caller can answer a challenge.
    pub(super) fn insist(&self) -> bool {
        self.waiting.front().is_some_and(|(_, demand)| demand.claims.is_some())
    }

    /// Until when no redemption with claims begins, after several.
    pub(super) fn pause(&self) -> Option<Timestamp> {
        self.last_at.filter(|_| self.in_a_row >= Self::BURST).map(|at| at + Self::FLOOR)
    }

    /// A redemption begins: what it asks for, and whether a caller brought that.
    pub(super) fn begin(&mut self, has_token: bool, now: Timestamp) -> (Option<Demand>, bool) {
        let ready = self.wanted_at().is_some_and(|at| at <= now);
        let brought = if ready { self.waiting.pop_front().map(|(_, demand)| demand) } else { None };
        let is_brought = brought.is_some();
        let claims = match brought {
            Some(demand) => demand.claims,
            None => self.of_rejection.clone().filter(|_| !has_token),
        };
        if claims.is_some() {
            let close = self.last_at.is_some_and(|last| now < last + Self::FLOOR);
            self.in_a_row = if close { (self.in_a_row + 1).min(Self::BURST) } else { 1 };
            self.last_at = Some(now);
        }
        let demand = Demand { claims, cae: self.cae };
        ((demand.claims.is_some() || demand.cae).then_some(demand), is_brought)
    }

    /// A redemption brought a token.
    pub(super) fn take(&mut self, demand: Option<&Demand>, now: Timestamp) {
        self.cae_met = demand.is_some_and(|demand| demand.cae);
        self.met = demand.and_then(|demand| demand.claims.clone());
        self.refused = None;
        // Reported while a redemption ran that did not carry it.
        if let Some(claims) = self.of_rejection.take().filter(|claims| self.met.as_ref() != Some(claims)) {
            self.waiting.push_front((now, Demand { claims: Some(claims), cae: self.cae }));
        }
    }

    /// The server refused what a caller brought.
    pub(super) fn refuse(&mut self, demand: Demand, refused: Refused) {
        self.refused = Some((demand, refused));
    }

    /// The server does not understand what an API demanded: the next token comes without.
    pub(super) fn give_up(&mut self) {
        self.of_rejection = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn demand(json: &str) -> Demand {
        Demand { claims: Some(Claims::read(json).unwrap()), cae: false }
    }

    #[test]
    fn the_same_demand_waits_once_and_only_so_many_wait() {
        let mut demands = Demands::default();
        for _ in 0..3 {
            for number in 0..16 {
                let brought = demands.bring(demand(&format!(r#"{{"n":{number}}}"#)), START);
                assert_eq!(brought, Brought::Waiting);
            }
        }
        assert_eq!(demands.bring(demand("{}"), START), Brought::TooMany);
    }

    #[test]
    fn four_at_once_and_then_a_pause() {
        let mut demands = Demands::default();
        let mut now = START;
        let mut begun = Vec::new();
        for _ in 0..9 {
            demands.bring(demand("{}"), now);
            now = now.max(demands.wanted_at().unwrap());
            assert_eq!(demands.begin(true, now), (Some(demand("{}")), true));
            demands.take(Some(&demand("{}")), now);
            begun.push(now.since(START).as_secs());
        }
        assert_eq!(begun, [0, 0, 0, 0, 30, 30, 30, 30, 60]);
    }

    #[test]
    fn the_claims_of_a_rejection_are_sent_until_a_token_has_come() {
        let mut demands = Demands::default();
        let wanted = demand(r#"{"a":null}"#);
        demands.reject(wanted.claims.clone().unwrap());
        assert_eq!(demands.wanted_at(), None);
        assert_eq!(demands.begin(false, START), (Some(wanted.clone()), false));
        assert_eq!(demands.begin(false, START), (Some(wanted.clone()), false));
        demands.take(Some(&wanted), START);
        assert_eq!(demands.begin(true, START), (None, false));
        assert!(demands.are_met(&wanted.claims.unwrap()));
    }

    #[test]
    fn claims_that_are_reported_during_a_plain_renewal_are_redeemed_after_it() {
        let mut demands = Demands::default();
        assert_eq!(demands.begin(false, START), (None, false));
        let wanted = demand(r#"{"a":null}"#);
        demands.reject(wanted.claims.clone().unwrap());
        demands.take(None, START);
        assert_eq!(demands.begin(true, START), (Some(wanted), true));
    }

    #[test]
    fn capabilities_are_declared_from_the_first_wish_on() {
        let mut demands = Demands::default();
        let cae = Demand { claims: None, cae: true };
        demands.bring(cae.clone(), START);
        assert!(!demands.declare_cae());
        assert_eq!(demands.begin(true, START), (Some(cae.clone()), true));
        demands.take(Some(&cae), START);
        assert!(demands.declare_cae());
        assert_eq!(demands.begin(true, START), (Some(cae), false));
    }
}
