//! The blocking client.

use std::{fmt, sync::Arc, time::Duration};

use fourinsight_ipc::{
    Endpoint, LocationOptions, Locations, SessionKey,
    message::{
        Backup, BackupRequest, Health, ImportRequest, ImportResponse, LoginRequest, LoginResponse,
        LoginStatus, NewProfile, Preset, ProfileDetails, ProfileList, Rejection, RejectionResponse,
        RekeyRequest, RekeyResponse, RestoreRequest, RestoreResponse, RevokeResponse, SessionAttempts,
        SessionStatus, StoreCheck, Version,
    },
};
use secrecy::SecretString;

use crate::{
    AccessToken, Error, TokenRequest,
    calls::{self, Request},
    connection::{Connection, Failure},
    patience::Interruption,
    pool::{InProcess, Pool},
    reach::{Reach, Target},
};

/// Talks to this user's daemon. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    autostart: bool,
    interruption: Option<Arc<Interruption>>,
}

struct Shared {
    reach: Reach,
    pool: Pool<Connection>,
}

impl Client {
    /// A client of the daemon of this user, found as the environment says. It starts the daemon when it needs to.
    pub fn new() -> Result<Self, Error> {
        Ok(Self::with_locations(Locations::resolve(LocationOptions::default())?))
    }

    /// A client of the daemon at this endpoint. It does not start it unless told to.
    pub fn at(endpoint: Endpoint) -> Self {
        Self::of(Target::Endpoint(endpoint), false)
    }

    /// A client of the daemon that these locations lead to. It starts the daemon when it needs to.
    pub fn with_locations(locations: Locations) -> Self {
        Self::of(Target::Locations(locations), true)
    }

    /// Whether [`token`](Self::token), [`token_for`](Self::token_for) and [`start_login`](Self::start_login) start a
    /// daemon that is not running.
    #[must_use]
    pub fn autostart(mut self, start: bool) -> Self {
        self.autostart = start;
        self
    }

    /// Has `is_over` asked, several times a second and after each signal, while a call waits for its answer: once it
    /// says so the call ends with [`Error::Io`] of the kind `Interrupted`. For programs whose signal handlers do no
    /// more than take a note, as those of Python.
    #[must_use]
    pub fn interrupted_by(mut self, is_over: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.interruption = Some(Arc::new(is_over));
        self
    }

    /// Starts the daemon if it is not running, for callers that want to look before they begin a login: the calls that
    /// may start it do so by themselves.
    pub fn start_daemon(&self) -> Result<(), Error> {
        let here = self.shared.pool.here();
        here.put(self.open(here, true)?);
        Ok(())
    }

    /// The session's own access token, alive and good for a while.
    pub fn token(&self, key: &SessionKey) -> Result<AccessToken, Error> {
        self.call(&calls::token(key)).map(AccessToken::new)
    }

    /// An access token that meets particular demands.
    pub fn token_for(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        self.call(&calls::token_for(request)).map(AccessToken::new)
    }

    /// Reports that an API refused this token. Nobody is given it again. The answer says what becomes of it.
    pub fn reject(&self, token: &AccessToken) -> Result<RejectionResponse, Error> {
        self.report(token, None)
    }

    /// Reports that an API refused this token, with the `WWW-Authenticate` field that it sent, its values joined by
    /// commas if there were several. What it demands is asked of the server, or of the person at the next login; the
    /// answer says which, or which scope is missing.
    pub fn reject_with(
        &self,
        token: &AccessToken,
        www_authenticate: &str,
    ) -> Result<RejectionResponse, Error> {
        self.report(token, Some(www_authenticate))
    }

    /// Where a session stands.
    pub fn status(&self, key: &SessionKey) -> Result<SessionStatus, Error> {
        self.call(&calls::status(key))
    }

    /// What was last tried for a session, newest first, with what is behind each failure and what to do about it.
    pub fn attempts(&self, key: &SessionKey) -> Result<SessionAttempts, Error> {
        self.call(&calls::attempts(key))
    }

    /// Where every session stands, ordered by key.
    pub fn sessions(&self) -> Result<Vec<SessionStatus>, Error> {
        self.call(&calls::sessions()).map(|list| list.sessions)
    }

    /// How the daemon is.
    pub fn health(&self) -> Result<Health, Error> {
        self.call(&calls::health())
    }

    /// Which daemon it is.
    pub fn version(&self) -> Result<Version, Error> {
        self.call(&calls::version())
    }

    /// Begins a login. Its answer says what the person opens.
    pub fn start_login(&self, request: &LoginRequest) -> Result<LoginStatus, Error> {
        self.call(&calls::start_login(request))
    }

    /// Where a login stands: at once when it has ended, else after `wait` at the latest.
    pub fn login(&self, id: &str, wait: Duration) -> Result<LoginStatus, Error> {
        self.call(&calls::login(id, wait))
    }

    /// Answers a login with what the person pasted: the callback URL, or the bare code.
    pub fn respond_to_login(&self, id: &str, pasted: SecretString) -> Result<LoginStatus, Error> {
        self.call(&calls::respond_to_login(id, pasted))
    }

    /// Answers a login with whatever it waits for: a paste, a password, or the answer to its question.
    pub fn answer_login(&self, id: &str, response: &LoginResponse) -> Result<LoginStatus, Error> {
        self.call(&calls::answer_login(id, response))
    }

    /// Ends a login that nobody wants any more.
    pub fn cancel_login(&self, id: &str) -> Result<LoginStatus, Error> {
        self.call(&calls::cancel_login(id))
    }

    /// Takes over a login from another tool's token cache. While it runs the cache's refresh token is sent once; the
    /// cache may be put away once the answer says `durable`.
    pub fn import(&self, request: &ImportRequest) -> Result<ImportResponse, Error> {
        self.call(&calls::import(request))
    }

    /// Revokes a session at its server, as far as the server lets, and forgets it here in every case.
    pub fn revoke(&self, key: &SessionKey) -> Result<RevokeResponse, Error> {
        self.call(&calls::revoke(key))
    }

    /// The profiles of the configuration.
    pub fn profiles(&self) -> Result<ProfileList, Error> {
        self.call(&calls::profiles())
    }

    /// What a profile says, and who says so: the file, or its preset.
    pub fn profile(&self, name: &str) -> Result<ProfileDetails, Error> {
        self.call(&calls::profile(name))
    }

    /// Writes a new profile into the configuration file.
    pub fn new_profile(&self, profile: &NewProfile) -> Result<ProfileDetails, Error> {
        self.call(&calls::new_profile(profile))
    }

    /// What a new profile can begin with.
    pub fn presets(&self) -> Result<Vec<Preset>, Error> {
        self.call(&calls::presets()).map(|list| list.presets)
    }

    /// Looks the store over: the database, every record and journal slot, the files, the key. Changes nothing.
    pub fn check_store(&self) -> Result<StoreCheck, Error> {
        self.call(&calls::check_store())
    }

    /// Seals the store under a new key, in another home if one is named.
    pub fn rekey_store(&self, request: &RekeyRequest) -> Result<RekeyResponse, Error> {
        self.call(&calls::rekey_store(request))
    }

    /// All stored sessions, sealed.
    pub fn back_up_store(&self, request: &BackupRequest) -> Result<Backup, Error> {
        self.call(&calls::back_up_store(request))
    }

    /// Adds the sessions of a backup that are missing here.
    pub fn restore_store(&self, request: &RestoreRequest) -> Result<RestoreResponse, Error> {
        self.call(&calls::restore_store(request))
    }

    fn of(target: Target, autostart: bool) -> Self {
        // A forked child closes its copies; the parent's connections live on.
        let shared = Shared { reach: Reach::new(target), pool: Pool::new(drop) };
        Self { shared: Arc::new(shared), autostart, interruption: None }
    }

    fn report(
        &self,
        token: &AccessToken,
        www_authenticate: Option<&str>,
    ) -> Result<RejectionResponse, Error> {
        let rejection = Rejection {
            token_id: token.id().to_owned(),
            www_authenticate: www_authenticate.map(str::to_owned),
        };
        self.call(&calls::reject(token.session(), &rejection))
    }

    /// Makes a call. What may be repeated goes over a kept-alive connection, and again over a new one should the
    /// daemon have ended that; anything else goes over a new connection, so that it is never in doubt.
    fn call<A>(&self, request: &Request<A>) -> Result<A, Error> {
        let here = self.shared.pool.here();
        let mut idle = if request.repeatable { here.take(|_| true) } else { None };
        let mut repeats = if request.repeatable { calls::MOST_REPEATS } else { 0 };
        loop {
            let mut connection = match idle.take() {
                Some(connection) => connection,
                None => self.open(here, request.starts_daemon)?,
            };
            match connection.exchange(request, self.interruption.as_deref()) {
                Err(Failure::Ended(_)) if repeats > 0 => {
                    repeats -= 1;
                    here.clear();
                }
                Err(failure) => return Err(failure.into()),
                Ok(answered) => {
                    if connection.is_reusable() {
                        connection.wipe();
                        here.put(connection);
                    }
                    return answered;
                }
            }
        }
    }

    fn open(&self, here: &InProcess<Connection>, starts_daemon: bool) -> Result<Connection, Error> {
        let stream = match self.shared.reach.connect() {
            Err(Error::NotRunning { .. }) => {
                self.shared.reach.connect_patiently(self.autostart && starts_daemon, || here.starting())
            }
            other => other,
        }?;
        Ok(Connection::new(stream))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("target", &self.shared.reach.target())
            .field("autostart", &self.autostart)
            .finish_non_exhaustive()
    }
}
