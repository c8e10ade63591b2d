//! `fourinsightd`, the local token broker: a pure state machine per session, owned by one task, published through a
//! `watch` channel, reached over one small HTTP contract on a socket that only its owner can open.
//!
//! # The map
//!
//! ```text
//!  main ── arguments, logging, exit code
//!   │
//!  lib ─── run: lock, store, sessions, socket; stops in the opposite order
//!   │
//!  server ──▶ api ──▶ broker ──▶ session ──▶ authority ──▶ http ──▶ the network
//!  accept,     one     key ▶      state       what is asked of a server,
//!  peer check, file a  handle     schedule    and what its answer means
//!  limits      resource           task
//!              │                   │  └────▶ revocation ──▶ authority
//!              │                   └───────▶ store ──▶ the disk
//!              ├────▶ import ──▶ broker, config, authority
//!              └────▶ login ──▶ config, authority ──▶ profile
//!                       ├── hands what it was granted to the broker (`login::SignIn`)
//!                       └── `login::Opener` opens the sessions that the configuration declares
//!
//!  unlock ── a store whose key is out of reach at the start: looks for it, then has the broker take the sessions up
//!  peer, until_logout ── sessions that end with their person's login session, which alone sees them
//!  socket, instance, sys ── where the daemon listens, that it is alone, what differs between platforms
//!  holds ── what keeps the sessions from ending when the daemon stops: told by login, asked by session
//!  history ── what was tried for each session: told by session and login, asked by api
//!  clock, token, random, telemetry, yaml, fault ── used by all of the above
//! ```
//!
//! Arrows are dependencies; nothing points back. `session/state.rs`, `session/schedule.rs`, `session/entry.rs`,
//! `session/signed_in.rs` and `token.rs` are pure: time and chance come as arguments. `clock.rs` is the only reader
//! of clocks, `http.rs` the only one that talks to servers, `api/error.rs` the only place where an error becomes
//! wire text, and `sys/` the only place that asks which platform this is.
//!
//! # One token request
//!
//! `server` (the peer was checked at accept) → `api::token` → `broker` (key → handle) → `session::Handle`: borrow
//! the latest snapshot and judge the token's freshness *now*, so that a machine that slept never serves a dead
//! token. Fresh enough: the prepared body goes out. Otherwise the handle nudges the task and waits on the same
//! `watch` for the outcome; all who wait are woken by one publication.
//!
//! # One renewal
//!
//! `session::task` wakes → `session::state` says `Redeem` → `session::redeem`: intent into the journal, one POST,
//! the raw answer into the journal, then its judgement → `state` says `Persist` → `store` → only then `Publish`.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use fourinsight_ipc::{Endpoint, LocationOptions, Locations, location::LocationError};
use tokio::sync::watch;

use crate::{
    api::Api,
    authority::pace::Pace,
    broker::{Broker, Declared},
    clock::Clock,
    config::{ConfigError, ConfigFile},
    history::History,
    holds::Holds,
    http::{HttpExchange, Network},
    import::Imports,
    instance::Instance,
    login::{Logins, Opener},
    session::{Environment, Registrations},
    socket::{BindError, Socket},
    store::{KeyHomes, Opened, Store, StoreError},
    sys::{Signalled, Signals, Ticker},
};

mod api;
pub mod authority;
mod broker;
pub mod clock;
pub mod config;
mod fault;
pub mod history;
pub mod holds;
pub mod http;
mod import;
mod instance;
pub mod login;
mod peer;
pub mod profile;
mod random;
mod revocation;
mod server;
pub mod session;
#[cfg(test)]
mod soak_tests;
mod socket;
pub mod store;
mod sys;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod token;
mod unlock;
mod until_logout;
mod yaml;

pub use broker::Broker as Sessions;
pub use server::MOST_CONNECTIONS;

/// What the daemon is told at start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Its `--config`, `--state-dir` and `--socket`.
    pub locations: LocationOptions,
}

/// Why the daemon ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Another daemon has the state folder or serves the socket.
    #[error("another fourinsightd {0}; nothing was changed")]
    AnotherInstance(String),
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A location cannot be settled.
    #[error("{0}")]
    Location(#[from] LocationError),
    /// The store cannot be opened.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Something at the socket's path is in the way.
    #[error("{0}")]
    Socket(String),
    /// The state folder cannot be made, opened or locked.
    #[error("the state folder {} cannot be used: {error}; make it writable, or name another with --state-dir", path.display())]
    StateFolder {
        /// Where it is.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl RunError {
    /// The exit code of the contract.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::AnotherInstance(_) => 75,
            Self::Config(_) | Self::Location(_) => 78,
            Self::Store(_) | Self::Socket(_) | Self::StateFolder { .. } | Self::Io(_) => 1,
        }
    }
}

/// How often everything looks whether the machine slept, the wall clock stepped or the socket vanished.
const TICK: Duration = Duration::from_secs(30);

/// How long a stop may take: longer than one conversation with a server.
const STOP_TIME: Duration = Duration::from_secs(65);

/// Runs the daemon as a process of its own: hardened, on a runtime of its own, until a signal stops it.
pub fn run_process(options: Options) -> Result<(), RunError> {
    sys::harden()?;
    let open_files = sys::raise_open_files();
    tracing::debug!(open_files, "the limit of open files");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(16)
        .thread_keep_alive(Duration::from_secs(2))
        .build()?;
    let ended = runtime.block_on(run(options, server::connections_within(open_files)));
    // A look-up of a host's name may hang in the system's resolver; nothing waits for it.
    runtime.shutdown_background();
    ended
}

async fn run(options: Options, most_connections: usize) -> Result<(), RunError> {
    let mut signals = Signals::new()?;
    let mut locations = options.locations;
    locations.state_dir = locations.state_dir.or_else(sys::unit_state_dir);
    let locations = Locations::resolve(locations)?;
    let another = |what: String| RunError::AnotherInstance(what);
    let mut instance = Instance::take(&locations)
        .map_err(|error| RunError::StateFolder { path: locations.state_dir.clone(), error })?
        .ok_or_else(|| another(format!("runs on {}", locations.state_dir.display())))?;
    let config = Arc::new(ConfigFile::open(&locations.config)?);
    let (socket, endpoint) = open_socket(&locations)?;
    // Before any session begins to do anything: what fails from there on must not end the daemon.
    let started = match instance.record(&endpoint) {
        Ok(()) => Daemon::start(&locations, endpoint.clone(), Arc::clone(&config)).await,
        Err(error) => Err(RunError::StateFolder { path: locations.state_dir.clone(), error }),
    };
    let daemon = match started {
        Ok(daemon) => daemon,
        Err(error) => {
            instance.release();
            return Err(error);
        }
    };
    let serving = tokio::spawn(daemon.serve(socket, most_connections));
    sys::give_back_memory();
    sys::report_ready(&endpoint);
    tracing::info!(socket = %endpoint, state = %locations.state_dir.display(), "ready");
    while signals.next().await == Signalled::Reload {
        if reload(&config) {
            daemon.broker.open(declared(&config)).await;
        }
    }
    tracing::info!("stopping");
    sys::report_stopping();
    daemon.stopping.send_replace(true);
    let finished = async {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the server failed");
        }
        tokio::join!(daemon.broker.finished(), daemon.api.until_logout.finished());
        daemon.api.store.look().await;
    };
    tokio::select! {
        ended = tokio::time::timeout(STOP_TIME, finished) => if ended.is_err() {
            tracing::error!("a renewal did not end in time; it is taken up at the next start");
        },
        // Asked twice: stop now. What the journal holds is taken up at the next start.
        () = async { while signals.next().await != Signalled::Stop {} } => {
            tracing::warn!("stopped before a renewal had ended");
        }
    }
    instance.release();
    Ok(())
}

/// Everything that runs.
struct Daemon {
    broker: Arc<Broker>,
    api: Arc<Api>,
    ticks: watch::Receiver<()>,
    stopping: watch::Sender<bool>,
}

impl Daemon {
    async fn start(
        locations: &Locations,
        endpoint: Endpoint,
        config: Arc<ConfigFile>,
    ) -> Result<Self, RunError> {
        let clock = Clock::system();
        let asked = Arc::clone(&config);
        let homes = KeyHomes::of_system(move || asked.current().key_home);
        let mut timer = Ticker::every(TICK)?;
        let opened = Store::open_with(&locations.state_dir, homes).await?;
        let Opened { store, sessions, damaged, sealed, mut problems } = opened;
        if let Err(error) = store.forget_quarantined(clock.unix_now()).await {
            tracing::warn!(%error, "what was set aside long ago cannot be removed");
        }
        let (ticker, ticks) = watch::channel(());
        let (stopping, stopped) = watch::channel(false);
        let exchange: Arc<dyn HttpExchange> = Arc::new(Network::new(clock.clone()));
        let servers = Arc::default();
        let environment = Environment {
            exchange: Arc::clone(&exchange),
            servers: Arc::clone(&servers),
            registrations: Registrations::default(),
            store: store.clone(),
            clock: clock.clone(),
            history: History::default(),
            pace: Pace::new(clock.clone()),
            lifetime: fourinsight_ipc::message::Lifetime::Stored,
            ticks: ticks.clone(),
            stopping: stopped,
            holds: Holds::default(),
        };
        let (broker, unreadable) = Broker::start(environment, sessions, &declared(&config));
        problems.extend(unreadable);
        for problem in &problems {
            tracing::error!("{problem}");
        }
        broker.mourn(damaged);
        let broker = Arc::new(broker);
        broker.wait_for(sealed);
        broker.open(declared(&config)).await;
        let imports = Imports::new(
            Arc::clone(&exchange),
            Arc::clone(&servers),
            clock.clone(),
            Arc::clone(&broker),
            Arc::clone(&config),
        );
        let logins = Logins::new(
            exchange,
            servers,
            clock.clone(),
            Arc::<Broker>::clone(&broker) as _,
            Arc::clone(&config),
        );
        let watched = store.clone();
        let api = Arc::new(Api {
            broker: Arc::clone(&broker),
            logins,
            imports,
            until_logout: Arc::default(),
            config,
            config_path: locations.config.clone(),
            store,
            endpoint,
            clock,
            problems: problems.into(),
        });
        tokio::spawn(unlock::keep_looking(Arc::clone(&api), stopping.subscribe()));
        let log_file = locations.log_file();
        tokio::spawn(async move {
            loop {
                if let Err(error) = timer.tick().await {
                    tracing::error!(%error, "the timer has stopped: a sleep of the machine goes unnoticed");
                    break;
                }
                telemetry::keep_short(&log_file);
                // Apart, for a disk that hangs must not hold up the ticks.
                let watched = watched.clone();
                tokio::spawn(async move { watched.look().await });
                if ticker.send(()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { broker, api, ticks, stopping })
    }

    fn serve(&self, socket: Socket, most_connections: usize) -> impl Future<Output = ()> + use<> {
        server::serve(
            socket,
            Arc::clone(&self.api),
            most_connections,
            self.ticks.clone(),
            self.stopping.subscribe(),
        )
    }
}

fn open_socket(locations: &Locations) -> Result<(Socket, Endpoint), RunError> {
    if let Some((socket, endpoint)) = Socket::handed_over()? {
        return Ok((socket, endpoint));
    }
    let endpoint = locations.endpoint_to_serve()?;
    match Socket::bind(&endpoint) {
        Ok(socket) => Ok((socket, endpoint)),
        Err(error @ BindError::Served(_)) => {
            Err(RunError::AnotherInstance(format!("serves {endpoint} ({error})")))
        }
        Err(error) => Err(RunError::Socket(error.to_string())),
    }
}

/// Reads the configuration again; says whether it could be read.
fn reload(config: &ConfigFile) -> bool {
    match config.reload() {
        Ok(_) => {
            tracing::info!("the configuration was read again");
            true
        }
        Err(error) => {
            tracing::error!("the configuration stays as it was: {error}");
            false
        }
    }
}

/// The sessions that the daemon opens by itself.
fn declared(config: &ConfigFile) -> Declared {
    config.current().declared().map(|(key, profile)| (key.clone(), Opener::declared(profile))).collect()
}
