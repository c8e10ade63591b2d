//! What a caller sees: what its login session has of its own, before what everyone shares.

use std::sync::Arc;

use fourinsight_ipc::{
    ErrorBody, ErrorCode, SessionKey,
    message::{LoginRequest, LoginStatus},
};

use super::Api;
use crate::{
    history::Tried,
    login::{Logins, SignIn as _},
    peer::Peer,
    session::{Handle, Shown},
    sys,
    until_logout::Own,
};

impl Api {
    /// The session of a key.
    pub(super) fn session(&self, peer: &Peer, key: &SessionKey) -> Option<Handle> {
        self.own_session(peer, key).or_else(|| self.broker.session(key))
    }

    /// Every session; of two with the same key the one that its key leads to.
    pub(super) fn sessions(&self, peer: &Peer) -> Vec<Handle> {
        let own = self.own(peer).map(|own| own.broker.sessions()).unwrap_or_default();
        let mut seen: Vec<_> = own.into_iter().filter(exists).collect();
        let shared = self.broker.sessions();
        let hidden = |other: &Handle| seen.iter().any(|own| own.key == other.key);
        let shared: Vec<_> = shared.into_iter().filter(|session| !hidden(session)).collect();
        seen.extend(shared);
        seen
    }

    /// Sessions that somebody is signing in to, each with the profile.
    pub(super) fn signing_in(&self, peer: &Peer) -> Vec<(SessionKey, String)> {
        let own = self.own(peer).map(|own| own.logins.pending()).unwrap_or_default();
        own.into_iter().chain(self.logins.pending()).collect()
    }

    /// What was tried for a session.
    pub(super) fn tried(&self, peer: &Peer, key: &SessionKey) -> Option<Vec<Tried>> {
        let of_own = || self.own(peer)?.broker.history().of(key);
        let shared = || self.broker.history().of(key);
        if self.own_session(peer, key).is_some() { of_own() } else { shared().or_else(of_own) }
    }

    /// What the logins make of an attempt, wherever it is.
    pub(super) fn attempt<T>(&self, peer: &Peer, id: &str, ask: impl FnOnce(&Logins) -> T) -> T {
        match self.own(peer).filter(|own| own.logins.has(id)) {
            Some(own) => ask(&own.logins),
            None => ask(&self.logins),
        }
    }

    /// Begins a login: in the caller's login session, where that is asked for.
    pub(super) async fn begin(&self, peer: &Peer, request: LoginRequest) -> Result<LoginStatus, ErrorBody> {
        self.can_keep(&request).await?;
        if !request.until_logout {
            // The session of a client has a name that nobody could choose.
            if !request.client_session && self.own_session(peer, &request.session).is_some() {
                return Err(in_the_way());
            }
            return self.logins.begin(request).await;
        }
        let session = peer.login_session().ok_or_else(no_login_session)?.clone();
        let environment = self.broker.environment();
        let over = sys::logged_out(session.clone(), environment.ticks.clone());
        let own = self.until_logout.of_or_new(session.clone(), (environment, &self.logins), over);
        let begun = own.logins.begin(request).await?;
        if self.until_logout.of(&session).is_none_or(|living| !Arc::ptr_eq(&living, &own)) {
            own.logins.cancel(&begun.id);
            return Err(no_login_session());
        }
        Ok(begun)
    }

    /// What the caller's login session has of its own.
    pub(super) fn own(&self, peer: &Peer) -> Option<Arc<Own>> {
        if self.until_logout.is_empty() {
            return None;
        }
        self.until_logout.of(peer.login_session()?)
    }

    fn own_session(&self, peer: &Peer, key: &SessionKey) -> Option<Handle> {
        self.own(peer)?.broker.session(key).filter(exists)
    }
}

/// Whether it is a session still: one that is signed out is none any more.
fn exists(session: &Handle) -> bool {
    session.snapshot().shown != Shown::SignedOut
}

fn no_login_session() -> ErrorBody {
    let what = "The system names no login session that the caller belongs to, so nothing would end this one.";
    ErrorBody::new(ErrorCode::InvalidRequest, what).hint(
        "run `fourinsightctl login --until-logout` on a terminal or in a desktop session, or use --ephemeral, which ends with the daemon",
    )
}

fn in_the_way() -> ErrorBody {
    let what = "This session lasts until you log out, and would hide another one of the same key.";
    ErrorBody::new(ErrorCode::InvalidRequest, what)
        .hint("use --until-logout again, or another KEY, or `fourinsightctl revoke` this one first")
}
