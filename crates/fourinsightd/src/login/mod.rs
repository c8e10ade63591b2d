//! Login attempts: a person signs in with a browser, and a session gets its tokens.
//!
//! | module | what it does |
//! |---|---|
//! | `authorize` | writes the address that the person opens |
//! | `redirect_uri` | says where the browser comes back to |
//! | `sockets`, `loopback` | listen there, and answer what comes |
//! | `plan` | settles what a login is to do, by its request and the configuration |
//! | `prepare` | makes an attempt ready, by its flow |
//! | `awaits` | what an attempt waits for |
//! | `pasted`, `package` | read what the person pastes when nothing can come back |
//! | `callback` | judges an answer, whoever brings it |
//! | `redemption` | turns the answer into tokens |
//! | `device` | has the person enter a code elsewhere instead, and polls (RFC 8628) |
//! | `again` | says how a server is made to ask again, and whom it is told to expect |
//! | `attempt` | carries one attempt from the answer to the session, and asks its person where that is needed |
//! | `known` | what a session was signed in with before, and whether another person would take that place |
//! | `beside` | keeps the attempts for a login session's own sessions apart |
//! | `unattended`, `opener` | logins that need no person: by client credentials |
//! | `of_client` | names a session by the client that it belongs to |
//! | `page`, `failure`, `tried` | tell how it ended |
//!
//! An attempt is not a session's state: it has its own deadline, and one that fails leaves a working session alone.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fourinsight_ipc::{
    ErrorBody, ErrorCode, SessionKey,
    message::{Lifetime, LoginRequest, LoginResponse, LoginState, LoginStatus},
};
use tokio::sync::watch;

use self::{
    attempt::Attempt, authorize::Wish, failure::LoginFailure, plan::Plan, prepare::Prepared,
    redemption::Redemption, redirect_uri::RedirectUri,
};
use crate::{
    authority::{Registration, client_auth, discovery, pace::Pace},
    clock::{Clock, Timestamp},
    config::ConfigFile,
    history::History,
    holds::Hold,
    http::HttpExchange,
    profile::{Flow, Profile},
    token::TokenSet,
};

mod again;
mod attempt;
mod authorize;
mod awaits;
mod beside;
mod callback;
mod device;
mod failure;
mod known;
mod loopback;
mod of_client;
mod opener;
mod package;
mod page;
mod pasted;
mod plan;
mod prepare;
mod redemption;
mod redirect_uri;
mod sockets;
#[cfg(test)]
mod tests;
mod tried;
mod unattended;

pub use known::{Known, SignedInAs};
pub(crate) use opener::{NotOpened, Opener, Turn, is_brought};
pub(crate) use plan::LONGEST_ORIGINAL;

/// All login attempts of this daemon.
pub struct Logins {
    exchange: Arc<dyn HttpExchange>,
    clock: Clock,
    sessions: Arc<dyn SignIn>,
    config: Arc<ConfigFile>,
    servers: Arc<discovery::Cache>,
    attempts: Mutex<HashMap<String, Arc<Attempt>>>,
    names: of_client::Names,
    /// Held from cancelling an earlier attempt to listing the later one.
    turn: tokio::sync::Mutex<()>,
}

/// Where a successful login goes.
pub trait SignIn: Send + Sync {
    /// What the session was signed in with before.
    fn known(&self, session: &SessionKey) -> Known;

    /// Keeps the sessions from ending while a login is on its way to one of them.
    fn hold(&self) -> Hold {
        Hold::default()
    }

    /// What was tried for each session.
    fn history(&self) -> &History;

    /// How often servers are asked.
    fn pace(&self) -> &Pace;

    /// Whether a session has a token to hand out, and its server has not refused its client since.
    fn is_open(&self, _session: &SessionKey) -> bool {
        false
    }

    /// Keeps a client's own session, which has been opened, for as long as somebody asks for its token.
    fn keep_while_used(&self, _session: &SessionKey) {}

    /// Signs the session in; returns when that is durable.
    fn sign_in<'a>(&'a self, session: &'a SessionKey, login: NewLogin) -> SignInFuture<'a>;
}

/// What [`SignIn::sign_in`] returns.
pub type SignInFuture<'a> = Pin<Box<dyn Future<Output = Result<(), ErrorBody>> + Send + 'a>>;

/// A successful login: all that a session needs from then on.
#[derive(Debug)]
pub struct NewLogin {
    /// The profile's name.
    pub profile: String,
    /// The client registration at the server.
    pub registration: Registration,
    /// The scopes that were asked for.
    pub scopes: Vec<String>,
    /// The resources that were asked for (RFC 8707).
    pub resources: Vec<String>,
    /// What the server granted.
    pub tokens: TokenSet,
    /// When the request for the tokens was sent.
    pub obtained_at: Timestamp,
    /// How long the server keeps an unused refresh token, in seconds, by the profile.
    pub refresh_idle: Option<u64>,
    /// Whether the session is renewed though nobody asks for its token.
    pub keep_alive: bool,
    /// The client signed in as itself: its own credentials renew the tokens, and nothing of them is stored.
    pub by_client_credentials: bool,
    /// The `session_key` of `fourinsight.api` that the session stands for from now on; `None` changes nothing.
    pub original_key: Option<String>,
    /// How long the session lasts, and with that whether it is stored.
    pub lifetime: Lifetime,
}

/// How long an attempt that has ended can still be asked about.
const REMEMBERED: Duration = Duration::from_mins(10);

/// Attempts that may wait for their person at the same time; each holds up to two sockets.
const MAX_PENDING: usize = 64;

/// How long the answer to a paste waits for the outcome.
const PASTE_WAIT: Duration = Duration::from_secs(5);

impl Logins {
    /// No attempts yet.
    pub fn new(
        exchange: Arc<dyn HttpExchange>,
        servers: Arc<discovery::Cache>,
        clock: Clock,
        sessions: Arc<dyn SignIn>,
        config: Arc<ConfigFile>,
    ) -> Self {
        let (attempts, names, turn) = Default::default();
        Self { exchange, clock, sessions, config, servers, attempts, names, turn }
    }

    /// Begins an attempt by the configuration as it stands in its file now, and cancels an earlier one for the same
    /// session.
    pub async fn begin(&self, request: LoginRequest) -> Result<LoginStatus, ErrorBody> {
        let plan = self.plan(&request);
        let LoginRequest { session, client_session, .. } = request;
        let named = (!client_session).then_some(&session);
        let plan = plan.map_err(|error| self.not_begun(named, None, error.into()))?;
        let flow = plan.profile.flow;
        if let Some(source) = &plan.profile.client_secret {
            let there = client_auth::look_for(source).await;
            there.map_err(|why| {
                self.not_begun(named, Some(flow), failure::without_secret(&why, plan.profile.help))
            })?;
        }
        let begun = match flow {
            _ if client_session => self.begin_of_client(plan).await,
            Flow::Device => self.begin_on_device(session.clone(), plan).await,
            Flow::ClientCredentials | Flow::Certificate => self.begin_unattended(session.clone(), plan).await,
            Flow::Browser | Flow::Paste | Flow::Password | Flow::Implicit => {
                self.begin_with_answer(session.clone(), plan).await
            }
        };
        begun.map_err(|failure| self.not_begun(named, Some(flow), failure))
    }

    /// Begins an attempt that ends with an answer, which a browser or the person brings.
    async fn begin_with_answer(&self, session: SessionKey, plan: Plan) -> Result<LoginStatus, LoginFailure> {
        let Plan { profile, wish, note } = plan;
        let (registration, odd) = self.discover(&session, &profile, &wish).await?;

        let _turn = self.turn.lock().await;
        let prepared = self.prepare(&session, &profile, &registration, &wish).await?;
        let Prepared { awaits, listener, authorization_uri, proof } = prepared;

        let mut status = LoginStatus::pending(authorize::random(16), session, profile.flow.name(), 0);
        status.authorization_uri = authorization_uri;
        status.lifetime = wish.lifetime;
        status.wanted = awaits.wanted();
        status.note = note;
        if let Some(warning) = profile.flow.legacy_warning() {
            tracing::warn!(profile = profile.name, "{warning}");
            status.warning = Some(warning.to_owned());
        }
        let page = registration.authorization_endpoint.as_deref();
        let unforced = again::unforced(&profile, &registration, &wish, page);
        let warnings = [status.warning, unforced, odd].into_iter().flatten();
        status.warning = warnings.reduce(|one, other| one + " " + &other);
        let page_path = format!("/done/{}", authorize::random(16));
        let (name, clock) = (profile.name.clone(), self.clock.clone());
        let deadline = clock.now() + attempt::LIFE;
        let (attempt, inbox) =
            Attempt::new(clock, name, deadline, awaits, page_path, status, self.sessions.history());
        let redemption = self.redemption(profile, registration, wish);
        let begun = self.enter(&attempt);
        tokio::spawn(attempt.run(listener, inbox, redemption, proof));
        Ok(begun)
    }

    fn redemption(&self, profile: Profile, registration: Registration, wish: Wish) -> Redemption {
        Redemption {
            exchange: Arc::clone(&self.exchange),
            sessions: Arc::clone(&self.sessions),
            servers: Arc::clone(&self.servers),
            profile: profile.name,
            registration,
            scopes: wish.scopes,
            resources: wish.resources,
            step_up: wish.step_up,
            switch_user: wish.switch_user,
            original_key: wish.original_key,
            refresh_idle: profile.refresh_idle,
            keep_alive: profile.keep_alive,
            lifetime: wish.lifetime,
        }
    }

    /// Lists an attempt before its task starts; says how it stands.
    fn enter(&self, attempt: &Arc<Attempt>) -> LoginStatus {
        self.attempts().insert(attempt.id.clone(), Arc::clone(attempt));
        tracing::info!(session = %attempt.named(), profile = attempt.profile, "a login began");
        attempt.status()
    }

    /// Follows an attempt; one that has ended stays readable for ten minutes.
    pub fn watch(&self, id: &str) -> Option<watch::Receiver<LoginStatus>> {
        self.attempts().get(id).map(|attempt| attempt.watch())
    }

    /// Hands in what the person brought. Wrong input is an error and ends nothing; after the right one the outcome,
    /// or the next question, is waited for, a few seconds at most.
    pub async fn respond(&self, id: &str, response: LoginResponse) -> Result<LoginStatus, ErrorBody> {
        let attempt = self.attempts().get(id).map(Arc::clone).ok_or_else(|| {
            ErrorBody::new(ErrorCode::NotFound, "There is no such login attempt.").hint("run the login again")
        })?;
        if !attempt.is_pending() {
            return Err(attempt::too_late());
        }
        let taken = match (&response.confirmation, response.accepted) {
            (Some(question), Some(accepted)) => attempt.settle(question, accepted),
            _ => attempt.answer(attempt.awaits.read(&response)?, false),
        };
        drop(response);
        if !taken {
            return Err(attempt::too_late());
        }
        let mut changes = attempt.watch();
        let ended =
            changes.wait_for(|status| status.state != LoginState::Pending || status.confirmation.is_some());
        // Still pending after that: the caller goes on asking.
        let _ = tokio::time::timeout(PASTE_WAIT, ended).await;
        Ok(attempt.status())
    }

    /// Cancels an attempt, unless it has ended or its tokens are being stored; says how it stands.
    pub fn cancel(&self, id: &str) -> Option<LoginStatus> {
        self.attempts().get(id).map(|attempt| attempt.cancel(None))
    }

    /// Sessions that somebody is signing in to, each with the profile.
    pub fn pending(&self) -> Vec<(SessionKey, String)> {
        let attempts = self.attempts();
        let pending = attempts.values().filter(|attempt| attempt.is_pending());
        pending.map(|attempt| (attempt.session.clone(), attempt.profile.clone())).collect()
    }

    /// Cancels an earlier attempt for the session, and closes what ended attempts still listen on where that is in
    /// the way: on a fixed port, for the same session, or when there are many.
    async fn make_room(&self, session: &SessionKey, port: u16) -> Result<(), ErrorBody> {
        let attempts: Vec<_> = self.attempts().values().map(Arc::clone).collect();
        for earlier in attempts.iter().filter(|earlier| earlier.session == *session) {
            earlier.cancel(Some("A later login for the same session took its place."));
        }
        let many = attempts.len() >= MAX_PENDING;
        for ended in attempts.iter().filter(|other| !other.is_pending()) {
            let port_is_wanted = port != 0 && ended.port() == Some(port);
            if port_is_wanted || (many || ended.session == *session) && !ended.owes_page() {
                ended.release_port().await;
            }
        }
        if attempts.iter().filter(|attempt| attempt.is_pending()).count() >= MAX_PENDING {
            return Err(ErrorBody::new(
                ErrorCode::TemporarilyUnavailable,
                format!("{MAX_PENDING} logins are waiting for their person already."),
            )
            .hint("finish or cancel one of them"));
        }
        Ok(())
    }

    /// Says so when a fixed port is taken by a login of our own.
    fn name_owner(&self, wanted: &RedirectUri, error: ErrorBody) -> ErrorBody {
        let attempts = self.attempts();
        let owner = attempts.values().find(|other| other.is_pending() && other.port() == Some(wanted.port()));
        match owner {
            Some(owner) => ErrorBody::new(
                ErrorCode::TemporarilyUnavailable,
                format!(
                    "Port {}, to which the browser would come back, is used by the login to the session {}.",
                    wanted.port(),
                    owner.session
                ),
            )
            .hint("finish or cancel that login first"),
            None => error,
        }
    }

    /// The attempts, without those that nobody needs to ask about any more.
    fn attempts(&self) -> MutexGuard<'_, HashMap<String, Arc<Attempt>>> {
        let now = self.clock.now();
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|_, attempt| attempt.ended_at().is_none_or(|ended| now.since(ended) < REMEMBERED));
        attempts
    }
}
