//! The asynchronous client: the same calls, the same rules, on tokio.

use std::{fmt, io, mem, sync::Arc, time::Duration};

use fourinsight_ipc::{
    Endpoint, LocationOptions, Locations, SessionKey,
    message::{
        Backup, BackupRequest, Health, ImportRequest, ImportResponse, LoginRequest, LoginResponse,
        LoginStatus, NewProfile, Preset, ProfileDetails, ProfileList, Rejection, RejectionResponse,
        RekeyRequest, RekeyResponse, RestoreRequest, RestoreResponse, RevokeResponse, SessionAttempts,
        SessionStatus, StoreCheck, Version,
    },
    platform::AsyncStream,
};
use secrecy::SecretString;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime,
    task::spawn_blocking,
    time::timeout,
};

use crate::{
    AccessToken, Error, TokenRequest,
    answer::Answer,
    calls::{self, Request},
    connection::{Failure, ended, late},
    pool::Pool,
    reach::{Reach, Target},
};

/// [`Client`](crate::Client) with `async` methods. Clones share its connections.
///
/// It works inside a tokio runtime with time and I/O enabled. A call that is dropped half way takes its connection
/// with it and disturbs no other.
#[derive(Clone)]
pub struct AsyncClient {
    shared: Arc<Shared>,
    autostart: bool,
}

struct Shared {
    reach: Reach,
    pool: Pool<Connection>,
}

/// A connection works only while the runtime that opened it is driven.
struct Connection {
    stream: AsyncStream,
    answer: Answer,
    runtime: runtime::Id,
}

impl AsyncClient {
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

    /// The session's own access token, alive and good for a while.
    pub async fn token(&self, key: &SessionKey) -> Result<AccessToken, Error> {
        self.call(&calls::token(key)).await.map(AccessToken::new)
    }

    /// An access token that meets particular demands.
    pub async fn token_for(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        self.call(&calls::token_for(request)).await.map(AccessToken::new)
    }

    /// Reports that an API refused this token. Nobody is given it again. The answer says what becomes of it.
    pub async fn reject(&self, token: &AccessToken) -> Result<RejectionResponse, Error> {
        self.report(token, None).await
    }

    /// Reports that an API refused this token, with the `WWW-Authenticate` field that it sent, its values joined by
    /// commas if there were several. What it demands is asked of the server, or of the person at the next login; the
    /// answer says which, or which scope is missing.
    pub async fn reject_with(
        &self,
        token: &AccessToken,
        www_authenticate: &str,
    ) -> Result<RejectionResponse, Error> {
        self.report(token, Some(www_authenticate)).await
    }

    /// Where a session stands.
    pub async fn status(&self, key: &SessionKey) -> Result<SessionStatus, Error> {
        self.call(&calls::status(key)).await
    }

    /// What was last tried for a session, newest first, with what is behind each failure and what to do about it.
    pub async fn attempts(&self, key: &SessionKey) -> Result<SessionAttempts, Error> {
        self.call(&calls::attempts(key)).await
    }

    /// Where every session stands, ordered by key.
    pub async fn sessions(&self) -> Result<Vec<SessionStatus>, Error> {
        self.call(&calls::sessions()).await.map(|list| list.sessions)
    }

    /// How the daemon is.
    pub async fn health(&self) -> Result<Health, Error> {
        self.call(&calls::health()).await
    }

    /// Which daemon it is.
    pub async fn version(&self) -> Result<Version, Error> {
        self.call(&calls::version()).await
    }

    /// Begins a login. Its answer says what the person opens.
    pub async fn start_login(&self, request: &LoginRequest) -> Result<LoginStatus, Error> {
        self.call(&calls::start_login(request)).await
    }

    /// Where a login stands: at once when it has ended, else after `wait` at the latest.
    pub async fn login(&self, id: &str, wait: Duration) -> Result<LoginStatus, Error> {
        self.call(&calls::login(id, wait)).await
    }

    /// Answers a login with what the person pasted: the callback URL, or the bare code.
    pub async fn respond_to_login(&self, id: &str, pasted: SecretString) -> Result<LoginStatus, Error> {
        self.call(&calls::respond_to_login(id, pasted)).await
    }

    /// Answers a login with whatever it waits for: a paste, a password, or the answer to its question.
    pub async fn answer_login(&self, id: &str, response: &LoginResponse) -> Result<LoginStatus, Error> {
        self.call(&calls::answer_login(id, response)).await
    }

    /// Ends a login that nobody wants any more.
    pub async fn cancel_login(&self, id: &str) -> Result<LoginStatus, Error> {
        self.call(&calls::cancel_login(id)).await
    }

    /// Takes over a login from another tool's token cache. While it runs the cache's refresh token is sent once; the
    /// cache may be put away once the answer says `durable`.
    pub async fn import(&self, request: &ImportRequest) -> Result<ImportResponse, Error> {
        self.call(&calls::import(request)).await
    }

    /// Revokes a session at its server, as far as the server lets, and forgets it here in every case.
    pub async fn revoke(&self, key: &SessionKey) -> Result<RevokeResponse, Error> {
        self.call(&calls::revoke(key)).await
    }

    /// The profiles of the configuration.
    pub async fn profiles(&self) -> Result<ProfileList, Error> {
        self.call(&calls::profiles()).await
    }

    /// What a profile says, and who says so: the file, or its preset.
    pub async fn profile(&self, name: &str) -> Result<ProfileDetails, Error> {
        self.call(&calls::profile(name)).await
    }

    /// Writes a new profile into the configuration file.
    pub async fn new_profile(&self, profile: &NewProfile) -> Result<ProfileDetails, Error> {
        self.call(&calls::new_profile(profile)).await
    }

    /// What a new profile can begin with.
    pub async fn presets(&self) -> Result<Vec<Preset>, Error> {
        self.call(&calls::presets()).await.map(|list| list.presets)
    }

    /// Looks the store over: the database, every record and journal slot, the files, the key. Changes nothing.
    pub async fn check_store(&self) -> Result<StoreCheck, Error> {
        self.call(&calls::check_store()).await
    }

    /// Seals the store under a new key, in another home if one is named.
    pub async fn rekey_store(&self, request: &RekeyRequest) -> Result<RekeyResponse, Error> {
        self.call(&calls::rekey_store(request)).await
    }

    /// All stored sessions, sealed.
    pub async fn back_up_store(&self, request: &BackupRequest) -> Result<Backup, Error> {
        self.call(&calls::back_up_store(request)).await
    }

    /// Adds the sessions of a backup that are missing here.
    pub async fn restore_store(&self, request: &RestoreRequest) -> Result<RestoreResponse, Error> {
        self.call(&calls::restore_store(request)).await
    }

    fn of(target: Target, autostart: bool) -> Self {
        // Dropping a parent's connection in a forked child would take it out of the epoll instance that both share.
        let shared = Shared { reach: Reach::new(target), pool: Pool::new(mem::forget) };
        Self { shared: Arc::new(shared), autostart }
    }

    async fn report(
        &self,
        token: &AccessToken,
        www_authenticate: Option<&str>,
    ) -> Result<RejectionResponse, Error> {
        let rejection = Rejection {
            token_id: token.id().to_owned(),
            www_authenticate: www_authenticate.map(str::to_owned),
        };
        self.call(&calls::reject(token.session(), &rejection)).await
    }

    /// Makes a call, by the rules of the blocking client.
    async fn call<A>(&self, request: &Request<A>) -> Result<A, Error> {
        let here = self.shared.pool.here();
        let runtime = runtime::Handle::current().id();
        let mut idle =
            if request.repeatable { here.take(|connection| connection.runtime == runtime) } else { None };
        let mut repeats = if request.repeatable { calls::MOST_REPEATS } else { 0 };
        loop {
            let mut connection = match idle.take() {
                Some(connection) => connection,
                None => Connection {
                    stream: self.open(request.starts_daemon).await?,
                    answer: Answer::new(),
                    runtime,
                },
            };
            let exchanged = timeout(request.limit, connection.exchange(request)).await;
            match exchanged.unwrap_or_else(|_| Err(Failure::of(late()))) {
                Err(Failure::Ended(_)) if repeats > 0 => {
                    repeats -= 1;
                    here.clear();
                }
                Err(failure) => return Err(failure.into()),
                Ok(answered) => {
                    if connection.answer.kept_alive() {
                        connection.answer.clear();
                        here.put(connection);
                    }
                    return answered;
                }
            }
        }
    }

    async fn open(&self, starts_daemon: bool) -> Result<AsyncStream, Error> {
        match self.shared.reach.connect_async().await {
            Err(Error::NotRunning { .. }) => {}
            other => return other,
        }
        // Waiting for a daemon to appear is rare and blocks: it has a thread of its own.
        let shared = Arc::clone(&self.shared);
        let start = self.autostart && starts_daemon;
        spawn_blocking(move || {
            shared.reach.connect_patiently(start, || shared.pool.here().starting()).map(drop)
        })
        .await
        .map_err(io::Error::other)??;
        self.shared.reach.connect_async().await
    }
}

impl Connection {
    async fn exchange<A>(&mut self, request: &Request<A>) -> Result<Result<A, Error>, Failure> {
        self.answer.clear();
        // A server that refuses a connection answers and closes without reading: its answer is there all the same.
        let written = self.stream.write_all(&request.bytes).await;
        loop {
            match self.stream.read(self.answer.space()).await {
                Ok(0) => return Err(Failure::of(written.err().unwrap_or_else(ended))),
                Ok(count) => {
                    if self.answer.received(count)? {
                        return Ok(self.answer.meaning(request.read));
                    }
                }
                Err(error) => return Err(Failure::of(error)),
            }
        }
    }
}

impl fmt::Debug for AsyncClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncClient")
            .field("target", &self.shared.reach.target())
            .field("autostart", &self.autostart)
            .finish()
    }
}
