//! What a session must assume after its server refused another audience: that the refresh token is spent. Pure.

use super::{
    event::Effect,
    rotation,
    signed_in::{Durability, Grant, SignedIn},
};
use crate::{
    authority::{Failure, Verdict},
    clock::Timestamp,
    profile::Rotation,
};

/// The server refused another audience, and may have used up the refresh token with that; or the session was restored
/// from a backup, and the server may have replaced the refresh token since. The next grant ends the doubt, as does the
/// refusal of the session's own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// The server's code for that refusal, cleaned; [`RESTORED`](Self::RESTORED) after a restore.
    pub(crate) error: String,
    pub(crate) since: Timestamp,
}

impl Doubt {
    /// What stands for the server's code in a session that was restored.
    const RESTORED: &str = "restored_from_backup";

    /// Of a session that was restored from a backup.
    pub(crate) fn restored(now: Timestamp) -> Self {
        Self { error: Self::RESTORED.to_owned(), since: now }
    }

    fn is_restored(&self) -> bool {
        self.error == Self::RESTORED
    }
}

impl SignedIn {
    /// Another audience was refused. Returns whether the refresh token is in doubt from here on.
    pub(super) fn doubt_after(&mut self, verdict: Verdict, failure: &Failure, now: Timestamp) -> bool {
        if !matches!(self.grant, Grant::RefreshToken { .. }) || !self.terms.refusal_may_spend(verdict) {
            return false;
        }
        let doubt = || Box::new(Doubt { error: failure.error.clone(), since: now });
        self.doubt.get_or_insert_with(doubt);
        if let Rotation::Grace(_) = self.terms.rotation {
            // The old one still works for a little while: using it now is what saves the login.
            let own = self.own.clone();
            self.entry(own, now).request(None, now);
        }
        true
    }

    /// The journal says only that the refresh token was sent; what came of it goes into the record.
    pub(super) fn persist_doubt(&mut self) -> Vec<Effect> {
        self.durability = Durability::Writing { degraded_since: None };
        vec![Effect::Persist]
    }

    /// Until when a refresh token in doubt is left alone: a strict server would end the living access token too.
    pub(super) fn held_until(&self) -> Option<Timestamp> {
        self.interruption_held_until().or_else(|| self.doubt_held_until())
    }

    fn doubt_held_until(&self) -> Option<Timestamp> {
        let may_harm = if self.doubt.as_ref()?.is_restored() {
            // No grace lasts as long as a backup.
            !self.old_ones_stay_good()
        } else {
            self.terms.rotation == Rotation::Strict
        };
        self.own_token().filter(|_| may_harm)?.expiry.end()
    }

    /// Why nothing is redeemed for now, and since when.
    pub(super) fn why_it_is_held(&self) -> Option<(Failure, Timestamp)> {
        self.held_until()?;
        if self.interruption_held_until().is_some()
            && let Some((interrupted, description)) = self.interruption()
        {
            return Some((rotation::failure(description), interrupted.since));
        }
        let Doubt { error, since } = self.doubt.as_deref()?;
        if self.doubt.as_ref()?.is_restored() {
            let description = "the session was restored from a backup, and the server may have given a newer refresh \
                               token since; the access token is served to its end before the refresh token is tried";
            return Some((Failure::ours("rotation_in_doubt", description), *since));
        }
        let description = format!(
            "the server refused a token for another audience ({error}) and may have used up the refresh token with \
             that; the access token is served to its end before the refresh token is tried again"
        );
        Some((Failure::ours("rotation_in_doubt", description), *since))
    }

    /// The server's last word on the session, with what may have led to it.
    pub(super) fn last_word(&self, failure: Failure) -> Failure {
        let Some(doubt) = self.doubt.as_deref() else {
            return self.last_word_after_interruption(failure);
        };
        if doubt.is_restored() {
            let description = format!(
                "{}; the session was restored from a backup, whose refresh token the server may have replaced since it \
                 was made",
                failure.description
            );
            return Failure { description, ..failure };
        }
        let error = &doubt.error;
        let description = format!(
            "{}; before that the server had refused a token for another audience ({error}), and may have used up the \
             refresh token with that",
            failure.description
        );
        Failure { description, ..failure }
    }
}
