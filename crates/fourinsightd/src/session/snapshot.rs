//! A session as everyone but its task sees it: made anew at each publication, never changed.

use std::sync::Arc;

use fourinsight_ipc::{SessionKey, message::KeptBy};

use super::{
    entry::Refused,
    record::Login,
    schedule::Freshness,
    served::Served,
    signed_in::{Durability, Grant, SignedIn},
    state::{Phase, State},
    terms::{Beyond, Terms},
};
use crate::{
    authority::Failure,
    clock::Timestamp,
    profile,
    token::{Expiry, Person, TokenId, TokenKey},
};

/// One moment of a session.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) shown: Shown,
    pub(crate) own: TokenKey,
    /// The session's own view first.
    views: Box<[(TokenKey, View)]>,
    pub(crate) login: Option<Arc<Login>>,
    /// The name of the profile that signed in, or last tried to.
    pub(crate) profile: Option<String>,
    pub(crate) person: Option<Arc<Person>>,
    pub(crate) generation: u64,
    pub(crate) next_renewal: Option<Timestamp>,
    /// Whether a renewal could start: there is a refresh token, and the disk takes what comes of using it.
    pub(crate) renewable: bool,
    /// Whether it is signed in by an access token alone, which nothing can renew.
    pub(crate) ends: bool,
    /// Until when a failure keeps the session from trying again, and its own key if it is signed in.
    pub(crate) retry_at: Option<Timestamp>,
    /// The same for its other keys.
    others_retry_at: Option<Timestamp>,
    /// What it cannot be asked for, where that is known.
    terms: Terms,
    /// That its server refuses it for long, and since when.
    refused: Option<Box<(Failure, Timestamp)>>,
    /// By when somebody must sign in again, where that is known.
    pub(crate) login_needed_by: Option<Timestamp>,
    /// What is wrong, and since when.
    pub(crate) problem: Option<(Failure, Timestamp)>,
    pub(crate) degraded: bool,
    /// Where the newest refresh token is kept.
    pub(crate) kept_by: KeptBy,
    /// How its refresh token fares, while it has one.
    pub(crate) rotation: Option<Rotation>,
    /// Which of the session's tasks this is from: one that starts anew has forgotten what it was asked for.
    pub(crate) run: u32,
}

/// How a session's refresh token fares.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    pub(crate) last_at: Option<Timestamp>,
    pub(crate) behaviour: profile::Rotation,
    pub(crate) learnt: bool,
    /// When it was sent last without an answer, for which generation, and what that means.
    pub(crate) interrupted: Option<(Timestamp, u64, String)>,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    SignedOut,
    SigningIn,
    SignedIn,
    LoginRequired,
    Revoking,
}

/// One audience.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) token: Option<Arc<Served>>,
    pub(crate) outcomes: u64,
    pub(crate) refused: Option<Arc<Refused>>,
    /// The token was fetched for callers that can answer a claims challenge.
    pub(crate) cae: bool,
    used_at: Timestamp,
}

impl View {
    /// When it was last asked for.
    pub(crate) fn used_at(&self) -> Timestamp {
        self.token.as_ref().map_or(self.used_at, |token| self.used_at.max(token.used_at()))
    }

    /// Why this audience gets no new token for now.
    pub(crate) fn refused_at(&self, now: Timestamp) -> Option<&Refused> {
        self.refused.as_deref().filter(|refused| refused.until > now)
    }
}

impl Snapshot {
    /// The view of a key; `None` stands for the session's own.
    pub(crate) fn view(&self, key: Option<&TokenKey>) -> Option<&View> {
        match key {
            None => self.views.first().map(|(_, view)| view),
            Some(key) => self.views.iter().find(|(other, _)| other == key).map(|(_, view)| view),
        }
    }

    /// The other audiences.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&TokenKey, &View)> {
        self.views.iter().filter(|(key, _)| *key != self.own).map(|(key, view)| (key, view))
    }

    /// When the token of another audience is renewed though nobody waits for it; `None` while nobody uses it.
    pub(crate) fn next_renewal_of(&self, other: &View) -> Option<Timestamp> {
        let token = &other.token.as_ref()?.token;
        let wanted = self.renewable && other.refused.is_none() && other.used_at() > token.obtained_at;
        token.renew_at.filter(|_| wanted).max(self.others_retry_at.filter(|_| wanted))
    }

    /// When the tokens of the other audiences were last asked for.
    pub(super) fn uses(&self) -> Vec<(TokenId, Timestamp)> {
        let tokens = self.others().filter_map(|(_, view)| view.token.as_ref());
        tokens.map(|token| (token.token.id, token.used_at())).collect()
    }

    /// What of a key the session's login cannot serve.
    pub(super) fn beyond(&self, key: Option<&TokenKey>) -> Option<Beyond> {
        self.terms.beyond(&self.own, key?)
    }

    /// Until when nothing is tried for a key.
    pub(super) fn retry_at(&self, key: Option<&TokenKey>) -> Option<Timestamp> {
        if key.is_none_or(|key| *key == self.own) { self.retry_at } else { self.others_retry_at }
    }

    /// That its server refuses it for long, and its access token has ended meanwhile: a login is what would help.
    pub(crate) fn refused_for_long(&self, now: Timestamp) -> Option<&(Failure, Timestamp)> {
        let lives = self.own_token().is_some_and(|token| token.freshness(now, None) != Freshness::Expired);
        self.refused.as_deref().filter(|_| !lives)
    }

    /// The session's own token, if there is one.
    pub(crate) fn own_token(&self) -> Option<&Arc<Served>> {
        self.view(None)?.token.as_ref()
    }

    /// When the session's own token ends.
    pub(crate) fn own_expiry(&self) -> Option<Expiry> {
        self.own_token().map(|served| served.token.expiry)
    }

    /// Makes a snapshot; tokens that were in the last one keep their prepared form.
    pub(crate) fn of(
        state: &State,
        login: Option<&Arc<Login>>,
        key: &SessionKey,
        last: Option<&Self>,
    ) -> Self {
        let mut snapshot = Self {
            shown: Shown::SignedOut,
            own: TokenKey::default(),
            views: Box::default(),
            login: login.cloned(),
            profile: login.map(|login| login.profile.clone()),
            person: None,
            generation: state.generation,
            next_renewal: None,
            renewable: false,
            ends: false,
            retry_at: None,
            others_retry_at: None,
            terms: Terms::default(),
            refused: None,
            login_needed_by: None,
            problem: None,
            degraded: false,
            kept_by: last.map_or(KeptBy::Record, |last| last.kept_by),
            rotation: None,
            run: last.map_or(0, |last| last.run),
        };
        match &state.phase {
            Phase::SignedOut => {}
            Phase::LoginRequired { failure, since } => {
                snapshot.shown = Shown::LoginRequired;
                snapshot.problem = Some((failure.clone(), *since));
                snapshot.profile = snapshot.profile.or_else(|| last?.profile.clone());
            }
            Phase::Opening(opening) => {
                snapshot.shown = Shown::SigningIn;
                snapshot.profile = Some(opening.profile.clone());
                snapshot.retry_at = opening.backoff.as_ref().map(|backoff| backoff.until);
                snapshot.next_renewal = snapshot.retry_at;
                let paused = opening.backoff.as_ref();
                snapshot.problem = paused.map(|backoff| (backoff.failure.clone(), backoff.since));
            }
            Phase::Revoking(_) => snapshot.shown = Shown::Revoking,
            Phase::SignedIn(session) => snapshot.show(session, key, last),
        }
        snapshot
    }

    fn show(&mut self, session: &SignedIn, key: &SessionKey, last: Option<&Self>) {
        let own = session.entries.get_key_value(&session.own);
        let others = session.entries.iter().filter(|(other, _)| **other != session.own);
        let views = own.into_iter().chain(others).map(|(token_key, entry)| {
            let prepared = entry.token.as_ref().map(|token| {
                let known = last.and_then(|last| last.view(Some(token_key))?.token.clone());
                let known = known.filter(|known| known.token.id == token.id);
                known.unwrap_or_else(|| Arc::new(Served::new(Arc::clone(token), key)))
            });
            let view = View {
                token: prepared,
                outcomes: entry.outcomes,
                refused: entry.refused.clone(),
                cae: entry.declares_cae(),
                used_at: entry.used_at,
            };
            (token_key.clone(), view)
        });
        self.views = views.collect();
        self.shown = Shown::SignedIn;
        self.own = session.own.clone();
        self.person.clone_from(&session.person);
        self.next_renewal = session.next_own_renewal();
        self.retry_at = session.paused_until(true);
        self.others_retry_at = session.paused_until(false);
        if let Grant::RefreshToken { .. } = session.grant {
            self.terms = session.terms.clone();
            let (behaviour, learnt) = session.behaviour();
            let interrupted = session.interruption();
            self.rotation = Some(Rotation {
                last_at: session.rotating.last_at,
                behaviour,
                learnt,
                interrupted: interrupted.map(|(it, description)| (it.since, it.generation, description)),
            });
        }
        let unsaved = matches!(session.durability, Durability::Degraded { .. });
        self.degraded = unsaved || session.waits_for_disk();
        self.renewable = session.renewable() && !(unsaved && session.needs_disk());
        self.ends = !session.renewable();
        self.problem = session.problem();
        self.refused = session.refused_for_long().map(Box::new);
        self.login_needed_by = session.login_needed_by();
    }
}
