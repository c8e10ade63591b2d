//! Whose login session the process at the other end of a connection belongs to. Most never need to say: it is read
//! when it is first asked for, once for each connection.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{extract::FromRequestParts, http::request::Parts};
use fourinsight_ipc::platform::{self, AsyncStream, LoginSession};

use crate::clock::Clock;

/// The process at the other end of a connection. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Peer(Arc<Facts>);

#[derive(Default)]
struct Facts {
    /// What its login session is asked for with; `None` when the system does not say who it is.
    caller: Option<u32>,
    /// When it had connected, since the machine started.
    since_boot: Duration,
    login_session: OnceLock<Option<LoginSession>>,
}

impl Peer {
    /// The peer of a connection that has just been accepted.
    pub(crate) fn of(stream: &AsyncStream, clock: &Clock) -> Self {
        // Read first: whoever gets the id of a process that was there afterwards has started later than that.
        let since_boot = clock.since_boot();
        let caller = platform::async_caller(stream).ok().filter(|caller| *caller != 0);
        Self(Arc::new(Facts { caller, since_boot, login_session: OnceLock::new() }))
    }

    /// A peer of this login session.
    #[cfg(test)]
    pub(crate) fn in_login_session(session: LoginSession) -> Self {
        let login_session = OnceLock::from(Some(session));
        Self(Arc::new(Facts { login_session, ..Facts::default() }))
    }

    /// Its login session, if it has one.
    pub(crate) fn login_session(&self) -> Option<&LoginSession> {
        let Facts { caller, since_boot, login_session } = &*self.0;
        let read = || {
            let found = platform::login_session((*caller)?, *since_boot);
            found
                .inspect_err(|error| tracing::debug!(%error, "a peer's login session cannot be read"))
                .ok()?
        };
        login_session.get_or_init(read).as_ref()
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
