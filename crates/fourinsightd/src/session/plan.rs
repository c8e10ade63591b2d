//! What a signed-in session redeems next, and when; which of its audiences it looks at again, and forgets; by when it
//! needs its person. Pure.

use std::time::Duration;

use super::{
    schedule,
    signed_in::{Grant, SignedIn},
};
use crate::{
    clock::Timestamp,
    token::{TokenId, TokenKey},
};

impl SignedIn {
    /// What to redeem next, and when. What has waited longest goes first; who failed goes to the back of the line, so
    /// that no key keeps the others from their turn.
    pub(super) fn next_redemption(&self) -> Option<(Timestamp, &TokenKey)> {
        if !self.renewable() {
            return None;
        }
        let planned = self.entries.iter().filter_map(|(key, entry)| {
            let own = *key == self.own;
            let renewal = if own { self.own_renewal() } else { entry.renewal() };
            let since = entry.wanted_at().into_iter().chain(renewal).min()?;
            let after_own = !own && self.doubt.is_some();
            Some((self.after_pause(since, own), (after_own, since, !own), key))
        });
        let (at, .., key) = planned.min_by_key(|(at, order, _)| (*at, *order))?;
        Some((at, key))
    }

    /// When the next redemption of a key that has no token may start.
    pub(super) fn next_of(&self, key: &TokenKey) -> Option<Timestamp> {
        let entry = self.entries.get(key)?;
        let at = entry.wanted_at().or_else(|| entry.not_before())?;
        Some(self.after_pause(at, *key == self.own))
    }

    /// When the session's own token will be renewed.
    pub(crate) fn next_own_renewal(&self) -> Option<Timestamp> {
        Some(self.after_pause(self.own_renewal()?, true))
    }

    /// Until when nothing is redeemed for the session's own key, or for the others.
    pub(crate) fn paused_until(&self, own: bool) -> Option<Timestamp> {
        let backoff = self.backoff.as_ref().map(|pause| if own { pause.own_until } else { pause.until });
        backoff.into_iter().chain(self.held_until()).max()
    }

    /// The moment from which something that is due at `at` may be done.
    fn after_pause(&self, at: Timestamp, own: bool) -> Timestamp {
        self.paused_until(own).map_or(at, |until| at.max(until))
    }

    /// When its refresh token ends by what the answer just received says, and whether using it moves that end.
    pub(super) fn next_end(
        &self,
        said: Option<Duration>,
        obtained_at: Timestamp,
    ) -> (Option<Timestamp>, bool) {
        let before = match &self.grant {
            Grant::RefreshToken { obtained_at, idle_end: Some(end), is_fixed, .. } => {
                Some((*obtained_at, *end, *is_fixed))
            }
            _ => None,
        };
        match (said, before) {
            (Some(idle), Some((then, end, was_fixed))) => {
                let new_end = obtained_at + idle;
                let fixed = schedule::is_fixed((then, end), (obtained_at, new_end));
                (Some(new_end), fixed.unwrap_or(was_fixed))
            }
            (None, Some((_, end, true))) => (Some(end), true),
            _ => (said.or(self.policy.refresh_idle).map(|idle| obtained_at + idle), false),
        }
    }

    /// By when somebody must sign in again, where that is known: it is not where using the refresh token puts that off.
    pub(crate) fn login_needed_by(&self) -> Option<Timestamp> {
        match &self.grant {
            Grant::None { .. } => self.own_token()?.expiry.end(),
            Grant::RefreshToken { idle_end, is_fixed, .. } => {
                idle_end.filter(|_| *is_fixed || !self.policy.keep_alive)
            }
            Grant::ClientCredentials => None,
        }
    }

    /// Tokens were handed out without a word to the session, each last at its time.
    pub(super) fn used(&mut self, uses: &[(TokenId, Timestamp)]) {
        for entry in self.entries.values_mut() {
            let last = uses.iter().find(|(id, _)| entry.holds(*id)).map(|(_, at)| *at);
            entry.used_at = last.map_or(entry.used_at, |at| entry.used_at.max(at));
        }
    }

    /// Looks at the other audiences: those that nobody has asked for are not renewed, and those whose token is dead by
    /// now are forgotten. Returns whether any was. The one that is being redeemed stays.
    pub(super) fn look_around(&mut self, redeeming: Option<&TokenKey>, now: Timestamp) -> bool {
        let before = self.entries.len();
        let own = &self.own;
        self.entries.retain(|key, entry| {
            if key == own || Some(key) == redeeming {
                return true;
            }
            entry.look(now);
            entry.forget_at().is_none_or(|at| at > now)
        });
        self.entries.len() < before
    }

    /// When to look at them again.
    pub(super) fn next_look(&self) -> Option<Timestamp> {
        let others = self.entries.iter().filter(|(key, _)| **key != self.own);
        others.filter_map(|(_, entry)| entry.look_at().into_iter().chain(entry.forget_at()).min()).min()
    }

    /// When the session's own key is to be redeemed though nobody waits for it.
    fn own_renewal(&self) -> Option<Timestamp> {
        let keep_alive = match &self.grant {
            // An end that does not move is not put off by using the token earlier.
            Grant::RefreshToken { obtained_at, idle_end: Some(end), is_fixed: false, .. }
                if self.policy.keep_alive =>
            {
                Some(schedule::keep_alive(*end, *obtained_at))
            }
            Grant::RefreshToken { .. } | Grant::ClientCredentials => None,
            Grant::None { .. } => return None,
        };
        let entry = self.entries.get(&self.own)?;
        let due = match &entry.token {
            Some(token) => {
                token.renew_at.filter(|_| self.policy.keep_alive || self.last_used > token.obtained_at)
            }
            None => Some(LONG_AGO),
        };
        let at = due.into_iter().chain(keep_alive).min().filter(|_| entry.refused.is_none())?;
        Some(entry.not_before().map_or(at, |earliest| at.max(earliest)))
    }
}

const LONG_AGO: Timestamp = Timestamp::from_millis(0);
