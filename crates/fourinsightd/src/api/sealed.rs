//! What is answered while the store is shut: sessions are listed by their keys, tokens are waited for, and nothing is
//! begun that would have to be stored.

use std::time::Duration;

use fourinsight_ipc::{
    ErrorBody, ErrorCode, SessionKey,
    message::{LoginRequest, Problem, SessionState, SessionStatus},
};

use super::{Api, ApiError};
use crate::{authority::Failure, peer::Peer, store::StoreError};

/// Seconds after which it is worth asking again: the store is tried that often.
const RETRY_AFTER: u64 = 2;

impl Api {
    /// The sessions that nobody can read yet.
    pub(super) fn sealed(&self) -> Vec<SessionStatus> {
        let sealed = self.broker.sealed().borrow().clone();
        sealed.into_iter().map(|(key, since)| self.sealed_status(key, since)).collect()
    }

    /// One of them.
    pub(super) fn sealed_session(&self, key: &SessionKey) -> Option<SessionStatus> {
        let since = self.broker.sealed().borrow().get(key).copied();
        since.map(|since| self.sealed_status(key.clone(), since))
    }

    /// Whether this session waits for the store.
    pub(super) fn is_sealed(&self, key: &SessionKey) -> bool {
        self.broker.sealed().borrow().contains_key(key)
    }

    /// Waits, at most so long, until a session can be read, if it is one that waits for the store.
    pub(super) async fn until_readable(
        &self,
        peer: &Peer,
        key: &SessionKey,
        wait: Duration,
    ) -> Result<(), ApiError> {
        if !self.is_sealed(key) || self.session(peer, key).is_some() {
            return Ok(());
        }
        let (mut sealed, mut stopping) = (self.broker.sealed(), self.broker.environment().stopping.clone());
        tokio::select! {
            // The sender is the broker's own, and so still there.
            _ = sealed.wait_for(|sealed| !sealed.contains_key(key)) => Ok(()),
            _ = stopping.wait_for(|stopping| *stopping) => Err(self.locked()),
            () = tokio::time::sleep(wait) => Err(self.locked()),
        }
    }

    /// Refuses what is to be done to a session that waits for the store.
    pub(super) fn readable(&self, peer: &Peer, key: &SessionKey) -> Result<(), ApiError> {
        if self.is_sealed(key) && self.session(peer, key).is_none() { Err(self.locked()) } else { Ok(()) }
    }

    /// Refuses a login that could not be kept as it asks to be.
    pub(super) async fn can_keep(&self, request: &LoginRequest) -> Result<(), ErrorBody> {
        if request.lifetime().is_stored() {
            return self.writable().await;
        }
        if !request.until_logout && !request.client_session && self.is_sealed(&request.session) {
            return Err(self.locked().0);
        }
        Ok(())
    }

    /// Refuses what would have to be stored and cannot be.
    pub(super) async fn writable(&self) -> Result<(), ErrorBody> {
        let mut ready = self.store.ready().await;
        if matches!(ready, Err(StoreError::Locked { .. })) {
            // The file may name another home by now, which counts for as long as none is chosen. Should it be bad,
            // its problem is told by whoever else reads it.
            let _ = self.config.reload();
            ready = self.store.ready().await;
        }
        match ready {
            Err(StoreError::Locked { why }) => Err(locked(&why)),
            // A disk that fails is no reason to send anybody away: what cannot be written now is written later.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn sealed_status(&self, key: SessionKey, since: i64) -> SessionStatus {
        let failure = failure(&self.why());
        let mut status = SessionStatus::new(key, SessionState::Unknown);
        status.problem = Some(Problem { error: failure.error, description: failure.description, since });
        status
    }

    fn locked(&self) -> ApiError {
        ApiError(locked(&self.why()))
    }

    fn why(&self) -> String {
        self.store.key().problem.unwrap_or_else(|| "the store is being read".to_owned())
    }
}

fn failure(why: &str) -> Failure {
    Failure::ours("store_locked", why)
}

/// The answer to what cannot be done before the store is unlocked.
pub(super) fn locked(why: &str) -> ErrorBody {
    let failure = failure(why);
    let words = format!("{} ({})", failure.description, failure.error);
    ErrorBody::new(ErrorCode::TemporarilyUnavailable, words)
        .hint("nothing is lost; unlock the keyring or bring the key back, then ask again; see `fourinsightctl status`")
        .retry_after(RETRY_AFTER)
}
