//! What tests of sessions and of the API share: a practice authorization server called in memory, a daemon's inside
//! on a state folder of its own, and clocks that follow tokio's paused time.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use fourinsight_ipc::{
    Endpoint, SessionKey,
    message::{Lifetime, RevokeResponse},
};
use secrecy::SecretString;
use tempfile::TempDir;
use testkit::practice::{Answer, Ledger, Practice, Settings, Verdict};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    api::Api,
    authority::{
        Outcome, grant,
        pace::Pace,
        response::{self, Expected},
    },
    broker::Broker,
    clock::{Clock, virtual_time::Virtual},
    config::ConfigFile,
    history::History,
    holds::Holds,
    http::HttpExchange,
    import::Imports,
    login::{Logins, NewLogin, SignIn},
    session::{Environment, Handle, NoToken, Served, Snapshot, TokenRequest},
    store::{Opened, Store},
};

mod server;

pub(crate) use server::{InMemory, Mishaps, registration};

use server::{REDIRECT_URI, VERIFIER, authorization_uri};

/// The practice server's issuer identifier.
pub(crate) const ISSUER: &str = "https://practice.test";

/// How often all sessions look at the clock, as in the daemon.
const TICK: Duration = Duration::from_secs(30);

/// What a login asks for unless its test says otherwise.
pub(crate) const SCOPES: [&str; 4] = ["openid", "offline_access", "api", "read"];

/// The wall clock when a world begins, in Unix seconds.
pub(crate) const START: u64 = 1_700_000_000;

/// A practice server, the clocks, and one daemon's inside.
pub(crate) struct World {
    pub(crate) practice: Practice,
    pub(crate) clock: Clock,
    pub(crate) readings: Arc<Virtual>,
    pub(crate) daemon: Daemon,
}

/// The daemon from the broker down.
pub(crate) struct Daemon {
    pub(crate) broker: Arc<Broker>,
    pub(crate) exchange: Arc<dyn HttpExchange>,
    pub(crate) store: Store,
    pub(crate) problems: Vec<String>,
    pub(crate) ticks: watch::Receiver<()>,
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) mishaps: Arc<Mishaps>,
    pub(crate) folder: TempDir,
    ticker: watch::Sender<()>,
    _ticking: JoinSet<()>,
}

impl World {
    /// A server with tokens of an hour, and a daemon that knows no session.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same, the server changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::on(tempfile::tempdir().unwrap(), TICK, change).await
    }

    /// The same on this state folder, and with so much time between two looks at all sessions.
    pub(crate) async fn on(folder: TempDir, tick: Duration, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { unix_at_start: Some(START), ..Settings::default() };
        change(&mut settings);
        let practice = Practice::new(settings);
        let (clock, readings) = Virtual::clock();
        let daemon = Daemon::ticking(folder, &practice, &clock, tick).await;
        Self { practice, clock, readings, daemon }
    }

    /// The same, with somebody signed in to the session `default`.
    pub(crate) async fn signed_in() -> Self {
        let world = Self::new().await;
        world.sign_in().await;
        world
    }

    /// Signs ada in to the session `default`.
    pub(crate) async fn sign_in(&self) {
        let login = self.login("ada", &SCOPES, &[]).await;
        self.sign_in_with("default", login).await;
    }

    /// Gives a login to a session.
    pub(crate) async fn sign_in_with(&self, session: &str, login: NewLogin) {
        self.daemon.broker.sign_in(&key(session), login).await.unwrap();
    }

    /// A login by a real exchange of a code.
    pub(crate) async fn login(&self, user: &str, scopes: &[&str], resources: &[&str]) -> NewLogin {
        let registration = registration();
        let callback = self.practice.sign_in(&authorization_uri(scopes, resources), user).await.unwrap();
        let code = callback.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let resources: Vec<_> = resources.iter().map(|&resource| resource.to_owned()).collect();
        let exchange = InMemory::over(&self.practice);
        let (code, verifier) = (SecretString::from(code), SecretString::from(VERIFIER.to_owned()));
        let obtained_at = self.clock.now();
        let unix_now = self.clock.unix_now();
        let redirect_uri = REDIRECT_URI;
        let answer = grant::redeem_code(
            &exchange,
            &registration,
            &code,
            &verifier,
            redirect_uri,
            grant::Wanted { resources: &resources, claims: None },
            unix_now,
        );
        let answer = answer.await.unwrap();
        let Outcome::Granted(tokens) =
            response::judge(&answer, &registration, Expected::Login { nonce: None }, unix_now)
        else {
            panic!("the practice server refused a login")
        };
        NewLogin {
            original_key: None,
            profile: "work".to_owned(),
            registration,
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            resources,
            tokens: *tokens,
            obtained_at,
            refresh_idle: None,
            keep_alive: true,
            by_client_credentials: false,
            lifetime: Lifetime::Stored,
        }
    }

    /// The session `default`.
    pub(crate) fn session(&self) -> Handle {
        self.daemon.broker.session(&SessionKey::default()).unwrap()
    }

    /// What everyone sees of the session `default`.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.session().snapshot()
    }

    /// The short code of what is wrong with the session `default`.
    pub(crate) fn problem(&self) -> Option<String> {
        self.snapshot().problem.as_ref().map(|(failure, _)| failure.error.clone())
    }

    /// A token of the session `default`, on the usual terms.
    pub(crate) async fn token(&self) -> Result<Arc<Served>, NoToken> {
        self.session().token(&usual()).await
    }

    /// Revokes the session `default`.
    pub(crate) async fn revoke(&self) -> RevokeResponse {
        self.session().revoke().await.unwrap()
    }

    /// How many requests with a refresh token the server has seen.
    pub(crate) fn refreshes(&self) -> usize {
        self.practice.ledger().token_requests("refresh_token").len()
    }

    /// What the server says of a token.
    pub(crate) fn verdict(&self, token: &Served) -> Verdict {
        self.practice.verdict(token.token.secret.expose())
    }

    /// Waits until the server has seen something; fails when two hours did not bring it.
    pub(crate) async fn seen(&self, condition: impl FnMut(&Ledger) -> bool) {
        let two_hours = Duration::from_hours(2);
        let seen = tokio::time::timeout(two_hours, self.practice.wait_until(condition)).await;
        seen.expect("the server sees it within two hours");
    }

    /// The server answers the next requests for tokens like this, one each.
    pub(crate) fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.practice.answer_next_token_requests(answers);
    }

    /// The API of this daemon, whose configuration knows the practice server as the profile `work`.
    pub(crate) fn api(&self) -> Arc<Api> {
        let Daemon { broker, exchange, store, folder, .. } = &self.daemon;
        let config_path = folder.path().join("config.toml");
        fs::write(&config_path, PROFILE).unwrap();
        let config = Arc::new(ConfigFile::open(&config_path).unwrap());
        let sessions = Arc::clone(broker) as Arc<dyn SignIn>;
        let imports = Imports::new(
            Arc::clone(exchange),
            Arc::default(),
            self.clock.clone(),
            Arc::clone(broker),
            Arc::clone(&config),
        );
        Arc::new(Api {
            broker: Arc::clone(broker),
            logins: Logins::new(
                Arc::clone(exchange),
                Arc::default(),
                self.clock.clone(),
                sessions,
                Arc::clone(&config),
            ),
            imports,
            until_logout: Arc::default(),
            config,
            config_path,
            store: store.clone(),
            endpoint: self.endpoint(),
            clock: self.clock.clone(),
            problems: self.daemon.problems.clone().into(),
        })
    }

    /// Where this daemon would listen.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.daemon.folder.path().join("run/broker.sock")).unwrap()
    }

    /// Stops the daemon in order and starts it again.
    pub(crate) async fn restarted(self) -> Self {
        let Self { practice, clock, readings, daemon } = self;
        let folder = daemon.stop().await;
        let daemon = Daemon::start(folder, &practice, &clock).await;
        Self { practice, clock, readings, daemon }
    }

    /// Stops the daemon, loses its state folder, and starts it on an empty one.
    pub(crate) async fn emptied(self) -> Self {
        let Self { practice, clock, readings, daemon } = self;
        drop(daemon.stop().await);
        let daemon = Daemon::start(tempfile::tempdir().unwrap(), &practice, &clock).await;
        Self { practice, clock, readings, daemon }
    }

    /// Kills the daemon where it stands and starts it on what it left on the disk.
    pub(crate) async fn killed(self) -> Self {
        self.killed_for(0).await
    }

    /// The same, but the start comes so many seconds later.
    pub(crate) async fn killed_for(self, seconds: u64) -> Self {
        let Self { practice, clock, readings, daemon } = self;
        let left = daemon.left_on_disk();
        drop(daemon);
        pass(seconds).await;
        let daemon = Daemon::start(left, &practice, &clock).await;
        Self { practice, clock, readings, daemon }
    }
}

impl Daemon {
    async fn start(folder: TempDir, practice: &Practice, clock: &Clock) -> Self {
        Self::ticking(folder, practice, clock, TICK).await
    }

    async fn ticking(folder: TempDir, practice: &Practice, clock: &Clock, tick: Duration) -> Self {
        let Opened { store, sessions, damaged, mut problems, .. } = Store::open(folder.path()).await.unwrap();
        let mishaps: Arc<Mishaps> = Arc::default();
        let exchange: Arc<dyn HttpExchange> = Arc::new(InMemory::over(practice).with(Arc::clone(&mishaps)));
        let (ticker, ticks) = watch::channel(());
        let (stopping, stopped) = watch::channel(false);
        let environment = Environment {
            exchange: Arc::clone(&exchange),
            servers: Arc::default(),
            registrations: crate::session::Registrations::default(),
            store: store.clone(),
            clock: clock.clone(),
            history: History::default(),
            pace: Pace::new(clock.clone()),
            lifetime: Lifetime::Stored,
            ticks: ticks.clone(),
            stopping: stopped,
            holds: Holds::default(),
        };
        let (broker, unreadable) = Broker::start(environment, sessions, &BTreeMap::new());
        problems.extend(unreadable);
        broker.mourn(damaged);
        let mut ticking = JoinSet::new();
        let regularly = ticker.clone();
        ticking.spawn(async move {
            let mut interval = tokio::time::interval(tick);
            loop {
                interval.tick().await;
                regularly.send_replace(());
            }
        });
        let broker = Arc::new(broker);
        // Time passes only when nothing is left to do: until then the sessions take up what the journal holds.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Self {
            broker,
            exchange,
            store,
            problems,
            ticks,
            stopping,
            mishaps,
            folder,
            ticker,
            _ticking: ticking,
        }
    }

    /// Ticks out of turn, as a timer that counts suspend does when the machine wakes up.
    pub(crate) fn tick(&self) {
        self.ticker.send_replace(());
    }

    /// Stops as the daemon does, and leaves the state folder.
    pub(crate) async fn stop(self) -> TempDir {
        self.stopping.send_replace(true);
        self.broker.finished().await;
        self.folder
    }

    /// A copy of the state folder, as a process that is killed now would leave it.
    pub(crate) fn left_on_disk(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_files(self.folder.path(), copy.path());
        fs::create_dir(copy.path().join("journal")).unwrap();
        copy_files(&self.folder.path().join("journal"), &copy.path().join("journal"));
        copy
    }
}

fn copy_files(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

/// A token request on the usual terms.
pub(crate) fn usual() -> TokenRequest {
    TokenRequest {
        key: None,
        min_validity: None,
        wait: Duration::from_secs(30),
        claims: None,
        enable_cae: false,
    }
}

/// A session key.
pub(crate) fn key(text: &str) -> SessionKey {
    SessionKey::new(text).unwrap()
}

/// Lets so much time pass, with all that happens meanwhile.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Lets time pass, second by second, until something is so; fails when two hours did not bring it.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..7200 {
        if condition() {
            return;
        }
        pass(1).await;
    }
    panic!("waited two hours in vain: {what}");
}

const PROFILE: &str = r#"
[profiles.work]
issuer = "https://practice.test"
client_id = "practice-client"
scopes = "openid offline_access api read"
"#;
