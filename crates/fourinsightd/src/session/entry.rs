//! One audience of a session: its access token and what is being done about it. Pure.

use std::{sync::Arc, time::Duration};

use super::demand::{Brought, Demand, Demands};
use crate::{
    authority::{Failure, Verdict, claims::Claims},
    clock::Timestamp,
    token::{Token, TokenId},
};

/// The token of one key.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) token: Option<Arc<Token>>,
    /// How many attempts for this key have ended, however they ended.
    pub(crate) outcomes: u64,
    /// Why this key has no token though the session has.
    pub(crate) refused: Option<Arc<Refused>>,
    /// When somebody last asked for it.
    pub(crate) used_at: Timestamp,
    requested: Option<Request>,
    /// The token that an API refused, until the next one has come.
    rejected: Option<TokenId>,
    /// The present token replaced one that an API had refused.
    after_rejection: bool,
    not_before: Option<Timestamp>,
    /// Boxed, because most keys never see any.
    demands: Option<Box<Demands>>,
    /// Nobody has asked for the token for so long that it is not renewed.
    idle: bool,
}

/// What a redemption that begins is to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Begun {
    /// The validity that was asked for.
    pub(super) on_demand: Option<Duration>,
    pub(super) demand: Option<Demand>,
    /// A caller brought the demand. Whoever else waits for the key is not bound to what comes of it.
    pub(super) is_brought: bool,
    /// Somebody asked for it.
    pub(super) is_waited_for: bool,
}

/// A refusal that concerns this key only.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) verdict: Verdict,
    pub(crate) failure: Failure,
    /// When the server said so.
    pub(crate) since: Timestamp,
    /// Until when it stands; a request after that tries again.
    pub(crate) until: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    at: Timestamp,
    min_validity: Option<Duration>,
}

impl Entry {
    /// How soon an API that refuses every token is given the next one.
    const REJECTION_FLOOR: Duration = Duration::from_secs(30);

    /// How long whoever asked may still be waiting for what came of it.
    const LONGEST_WAIT: Duration = Duration::from_mins(5);

    pub(super) fn new(used_at: Timestamp) -> Self {
        Self {
            token: None,
            outcomes: 0,
            refused: None,
            used_at,
            requested: None,
            rejected: None,
            after_rejection: false,
            not_before: None,
            demands: None,
            idle: false,
        }
    }

    /// An entry as its record tells it.
    pub(crate) fn restored(token: Option<Token>, used_at: Timestamp) -> Self {
        Self { token: token.map(Arc::new), ..Self::new(used_at) }
    }

    pub(super) fn holds(&self, id: TokenId) -> bool {
        self.token.as_ref().is_some_and(|token| token.id == id)
    }

    /// Whether this is the token that an API refused and that none has followed yet.
    pub(super) fn has_lost(&self, id: TokenId) -> bool {
        self.rejected == Some(id)
    }

    pub(super) fn is_refused(&self, now: Timestamp) -> bool {
        self.refused.as_ref().is_some_and(|refused| refused.until > now)
    }

    /// When the token is to be renewed though nobody waits for it: where somebody has asked for it since it arrived, and
    /// no person must answer first.
    pub(super) fn renewal(&self) -> Option<Timestamp> {
        let renew_at = self.token.as_ref()?.renew_at?;
        let wanted = self.is_used() && !self.idle && self.refused.is_none();
        wanted.then(|| self.not_before.map_or(renew_at, |earliest| renew_at.max(earliest)))
    }

    /// Looks whether the token is wanted now that its renewal is due, or has been in vain for long.
    pub(super) fn look(&mut self, now: Timestamp) {
        let Some(token) = &self.token else { return };
        let due = token.renew_at.is_some_and(|at| at <= now);
        let dead = token.expiry.end().is_some_and(|end| end <= now);
        let abandoned = dead && self.used_at + Self::LONGEST_WAIT <= now;
        self.idle = (due && !self.is_used()) || abandoned;
    }

    /// When to look whether the token is wanted: by then it may have been asked for without a word to the session.
    pub(super) fn look_at(&self) -> Option<Timestamp> {
        let renew_at = self.token.as_ref()?.renew_at?;
        (!self.idle && !self.is_used() && self.requested.is_none() && !self.has_demands()).then_some(renew_at)
    }

    /// When there is no reason left to remember it; `None` while its token is to be fetched or renewed.
    pub(super) fn forget_at(&self) -> Option<Timestamp> {
        if self.requested.is_some() || self.renewal().is_some() || self.has_demands() {
            return None;
        }
        let asked = self.used_at + Self::LONGEST_WAIT;
        let stands = self.refused.as_ref().map_or(asked, |refused| refused.until);
        let end = self.token.as_ref().map_or(Some(asked), |token| token.expiry.end())?;
        Some(asked.max(stands).max(end))
    }

    fn has_demands(&self) -> bool {
        self.demands.as_ref().is_some_and(|demands| demands.wanted_at().is_some())
    }

    fn is_used(&self) -> bool {
        self.token.as_ref().is_some_and(|token| self.used_at > token.obtained_at)
    }

    /// When a redemption was asked for and may start.
    pub(super) fn wanted_at(&self) -> Option<Timestamp> {
        let after_pause = |at: Timestamp| self.not_before.map_or(at, |earliest| earliest.max(at));
        let requested = self.requested.map(|request| after_pause(request.at));
        let demanded = self.demands.as_ref().and_then(|demands| {
            let at = demands.wanted_at()?;
            // Claims have a pace of their own; the word that a caller can answer a challenge hurries nothing.
            Some(if demands.insist() { at } else { after_pause(at) })
        });
        requested.into_iter().chain(demanded).min()
    }

    /// Somebody wants a token that meets this.
    pub(super) fn demand(&mut self, demand: Demand, now: Timestamp) -> Brought {
        self.demands.get_or_insert_default().bring(demand, now)
    }

    /// Whether somebody waits for a token that meets this.
    pub(super) fn awaits(&self, demand: &Demand) -> bool {
        self.demands.as_ref().is_some_and(|demands| demands.waits(demand))
    }

    /// The server refused a demand that a caller brought.
    pub(super) fn refuse_demand(&mut self, demand: Demand, refused: Refused) {
        self.demands.get_or_insert_default().refuse(demand, refused);
    }

    /// The server does not understand what an API demanded: another token is fetched without it.
    pub(super) fn give_up_demand(&mut self, now: Timestamp) {
        if let Some(demands) = &mut self.demands {
            demands.give_up();
        }
        self.request(None, now);
    }

    /// Whether the token was fetched for callers that can answer a claims challenge.
    pub(super) fn declares_cae(&self) -> bool {
        self.demands.as_ref().is_some_and(|demands| demands.declare_cae())
    }

    /// When the next redemption may start at the earliest.
    pub(super) fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    pub(super) fn request(&mut self, min_validity: Option<Duration>, now: Timestamp) {
        let earlier = self.requested;
        self.requested = Some(Request {
            at: earlier.map_or(now, |request| request.at),
            min_validity: min_validity.max(earlier.and_then(|request| request.min_validity)),
        });
    }

    /// A redemption starts.
    pub(super) fn begin(&mut self, now: Timestamp) -> Begun {
        let has_token = self.token.is_some();
        let begun = self.demands.as_mut().map(|demands| demands.begin(has_token, now));
        let (demand, is_brought) = begun.unwrap_or((None, false));
        let is_waited_for = self.requested.is_some() || is_brought;
        // The server may refuse what a caller brought; then the others still wait.
        let requested = if is_brought {
            self.requested
        } else {
            self.not_before = None;
            self.requested.take()
        };
        let on_demand = requested.and_then(|request| request.min_validity);
        Begun { on_demand, demand, is_brought, is_waited_for }
    }

    /// A redemption that was to begin has not: whoever asked for it still waits.
    pub(super) fn begin_later(&mut self, begun: Begun, now: Timestamp) {
        if let Some(demand) = begun.demand.filter(|_| begun.is_brought) {
            self.demand(demand, now);
        } else if begun.is_waited_for {
            self.request(begun.on_demand, now);
        }
    }

    /// A redemption with this demand ended with this token.
    pub(super) fn take(&mut self, token: Token, demand: Option<&Demand>, now: Timestamp) {
        self.token = Some(Arc::new(token));
        self.after_rejection = self.rejected.take().is_some();
        self.refused = None;
        self.not_before = None;
        if let Some(demands) = &mut self.demands {
            demands.take(demand, now);
        }
        self.settle();
    }

    /// A redemption ended.
    pub(super) fn settle(&mut self) {
        self.requested = None;
        self.outcomes += 1;
    }

    /// A redemption ended and decided nothing: the others go first.
    pub(super) fn pause(&mut self, now: Timestamp) {
        self.not_before = Some(now);
        self.settle();
    }

    pub(super) fn refuse(&mut self, refused: Refused) {
        self.refused = Some(Arc::new(refused));
        self.settle();
    }

    /// The token must never be handed out again; another one is wanted, which is to meet these claims. A second
    /// report of the same token only adds what it demands.
    pub(super) fn reject(&mut self, id: TokenId, claims: Option<Claims>, now: Timestamp) {
        let repeats = claims
            .as_ref()
            .is_none_or(|claims| self.demands.as_ref().is_some_and(|demands| demands.are_met(claims)));
        if let Some(claims) = claims {
            self.demands.get_or_insert_default().reject(claims);
        }
        let Some(token) = self.token.take_if(|token| token.id == id) else { return };
        let floor = token.obtained_at + Self::REJECTION_FLOOR;
        self.not_before = if self.after_rejection && repeats {
            Some(floor)
        } else {
            // Demands that are new each time have a pace of their own.
            self.demands.as_ref().and_then(|demands| demands.pause())
        };
        self.rejected = Some(id);
        self.request(None, now);
    }
}
