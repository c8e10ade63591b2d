//! What must not be lost, and must not go to the wrong place, when things happen at the same time.

use std::{sync::Arc, time::Duration};

use fourinsight_ipc::SessionKey;
use http::HeaderMap;
use tokio::sync::{mpsc, oneshot, watch};
use zeroize::Zeroizing;

use super::{Environment, Handle, NoToken, Start, TokenRequest, prepare};
use crate::{
    authority::pace::Pace,
    authority::{ClientAuth, Dialect, Registration, Verdict},
    broker::{Broker, Declared},
    clock::{Clock, virtual_time::Virtual},
    history::History,
    holds::Holds,
    http::{ExchangeFuture, HttpExchange, HttpRequest, HttpResponse, Route},
    login::{NewLogin, SignIn},
    profile::{Parameters, Rotation},
    store::{Loaded, Opened, Slot, Store},
    token::{AccessToken, Lifetime, RefreshToken, TokenId, TokenKey, TokenSet},
};

/// A request that waits for its answer.
type Asked = (HttpRequest, oneshot::Sender<HttpResponse>);

/// Hands every request to the test, which answers it.
struct Servers(mpsc::UnboundedSender<Asked>);

impl HttpExchange for Servers {
    fn exchange(&self, request: HttpRequest) -> ExchangeFuture<'_> {
        let (answer, answered) = oneshot::channel();
        self.0.send((request, answer)).unwrap();
        Box::pin(async move { Ok(answered.await.unwrap()) })
    }
}

struct World {
    folder: tempfile::TempDir,
    clock: Clock,
    requests: mpsc::UnboundedReceiver<Asked>,
    exchange: Arc<Servers>,
    /// Kept, because a daemon whose senders are gone is stopping.
    ticker: watch::Sender<()>,
    stopping: watch::Sender<bool>,
}

impl World {
    fn new() -> Self {
        let (sender, requests) = mpsc::unbounded_channel();
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Virtual::clock().0,
            requests,
            exchange: Arc::new(Servers(sender)),
            ticker: watch::channel(()).0,
            stopping: watch::channel(false).0,
        }
    }

    async fn open(&self) -> (Environment, Vec<Loaded>) {
        let Opened { store, sessions, .. } = Store::open(self.folder.path()).await.unwrap();
        let environment = Environment {
            exchange: Arc::clone(&self.exchange) as _,
            servers: Arc::default(),
            registrations: crate::session::Registrations::default(),
            store,
            clock: self.clock.clone(),
            history: History::default(),
            pace: Pace::new(self.clock.clone()),
            lifetime: fourinsight_ipc::message::Lifetime::Stored,
            ticks: self.ticker.subscribe(),
            stopping: self.stopping.subscribe(),
            holds: Holds::default(),
        };
        (environment, sessions)
    }

    fn login(&self, server: &str, tokens: TokenSet) -> NewLogin {
        NewLogin {
            original_key: None,
            profile: server.into(),
            registration: registration(server),
            scopes: vec!["api".into(), "mail".into()],
            resources: vec![],
            tokens,
            obtained_at: self.clock.now(),
            refresh_idle: None,
            keep_alive: true,
            by_client_credentials: false,
            lifetime: fourinsight_ipc::message::Lifetime::Stored,
        }
    }

    async fn asked(&mut self) -> (String, Vec<(String, String)>, oneshot::Sender<HttpResponse>) {
        let next = tokio::time::timeout(Duration::from_mins(1), self.requests.recv());
        let (request, answer) = next.await.expect("a request within a minute").unwrap();
        let form = url::form_urlencoded::parse(&request.body).into_owned().collect();
        (request.url.to_string(), form, answer)
    }
}

fn registration(server: &str) -> Registration {
    let endpoint = |name: &str| format!("https://{server}/{name}");
    Registration {
        issuer: None,
        configured_issuer: None,
        authorization_endpoint: Some(endpoint("authorize")),
        token_endpoint: endpoint("token"),
        pinned_endpoint: None,
        device_authorization_endpoint: None,
        revocation_endpoint: Some(endpoint("revoke")),
        userinfo_endpoint: None,
        iss_in_callback: false,
        client_id: "abc".into(),
        client_secret: None,
        assertion: crate::profile::Assertion::default(),
        client_auth: ClientAuth::None.into(),
        dialect: Dialect::default(),
        rotation: Rotation::default(),
        authorize_params: Parameters::new(),
        code_params: Parameters::new(),
        device_params: Parameters::new(),
        device_poll_params: Parameters::new(),
        refresh_params: Parameters::new(),
        revoke_params: Parameters::new(),
        client_capabilities: Vec::new(),
        route: Route::default(),
    }
}

fn tokens(access: &str, refresh: &str) -> TokenSet {
    TokenSet {
        access_token: AccessToken::new(access.to_owned()),
        token_type: "Bearer".into(),
        scope: None,
        lifetime: Lifetime::Seconds(3600),
        refresh_in: None,
        refresh_token: Some(RefreshToken::new(refresh.to_owned())),
        refresh_idle: None,
        person: None,
        warnings: vec![],
    }
}

fn answer(status: u16, body: &str) -> HttpResponse {
    HttpResponse { status, headers: HeaderMap::new(), body: Zeroizing::new(body.as_bytes().to_vec()) }
}

fn granted() -> HttpResponse {
    answer(200, r#"{"access_token":"A2","refresh_token":"R2","token_type":"Bearer","expires_in":3600}"#)
}

async fn own_token(handle: &Handle) -> (TokenId, String) {
    let served = handle.token(&request(None)).await.unwrap();
    (served.token.id, served.token.secret.expose().to_owned())
}

fn request(key: Option<TokenKey>) -> TokenRequest {
    TokenRequest { key, min_validity: None, wait: Duration::from_secs(30), claims: None, enable_cae: false }
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[tokio::test(start_paused = true)]
async fn tokens_that_nobody_will_use_go_back_to_the_server_that_issued_them() {
    let mut world = World::new();
    let (environment, _) = world.open().await;
    let (handle, task) = prepare(SessionKey::default(), Start::SignedOut, Arc::new(environment));
    let task = tokio::spawn(task);
    handle.sign_in(world.login("one.example", tokens("A1", "R1"))).await.unwrap();
    let (id, _) = own_token(&handle).await;
    handle.reject(id, None).await;
    let (url, _, redemption) = world.asked().await;
    assert_eq!(url, "https://one.example/token");
    handle.sign_in(world.login("two.example", tokens("B1", "S1"))).await.unwrap();
    assert!(redemption.send(granted()).is_ok());
    for expected in ["R2", "A2"] {
        let (url, form, revocation) = world.asked().await;
        assert_eq!((url.as_str(), value(&form, "token")), ("https://one.example/revoke", Some(expected)));
        assert!(revocation.send(answer(200, "")).is_ok());
    }
    assert_eq!(own_token(&handle).await.1, "B1");
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_write_during_a_redemption_leaves_its_mark_in_the_journal() {
    let mut world = World::new();
    let (environment, _) = world.open().await;
    let (handle, task) = prepare(SessionKey::default(), Start::SignedOut, Arc::new(environment));
    let task = tokio::spawn(task);
    handle.sign_in(world.login("one.example", tokens("A1", "R1"))).await.unwrap();
    let (id, _) = own_token(&handle).await;
    let other = request(Some(TokenKey::new(["mail"], [])));
    let caller = tokio::spawn({
        let handle = handle.clone();
        async move { handle.token(&other).await.map(drop) }
    });
    let unanswered = world.asked().await;
    handle.reject(id, None).await;
    // The daemon ends here: the refresh token is at the server, its answer was never seen.
    task.abort();
    assert!(task.await.is_err_and(|error| error.is_cancelled()));
    drop((unanswered, caller.await.unwrap()));
    let (_environment, sessions) = world.open().await;
    assert!(matches!(sessions[0].slot, Slot::Intent { generation: 2, .. }), "{:?}", sessions[0].slot);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_leaves_no_doubt_in_the_journal_where_old_refresh_tokens_stay_good() {
    let mut world = World::new();
    let (environment, _) = world.open().await;
    let (handle, task) = prepare(SessionKey::default(), Start::SignedOut, Arc::new(environment));
    let task = tokio::spawn(task);
    let mut login = world.login("one.example", tokens("A1", "R1"));
    login.registration.rotation = Rotation::NeverRevoke;
    handle.sign_in(login).await.unwrap();
    let other = request(Some(TokenKey::new(["mail"], [])));
    let caller = tokio::spawn(async move { handle.token(&other).await.map(drop) });
    let (_, _, redemption) = world.asked().await;
    assert!(redemption.send(answer(400, r#"{"error":"invalid_scope"}"#)).is_ok());
    assert!(matches!(caller.await.unwrap(), Err(NoToken::Refused(Verdict::Scope, _))));
    task.abort();
    assert!(task.await.is_err_and(|error| error.is_cancelled()));
    let (_environment, sessions) = world.open().await;
    assert_eq!(sessions[0].slot, Slot::Settled);
}

#[tokio::test(start_paused = true)]
async fn a_login_takes_the_place_of_a_record_that_this_version_cannot_read() {
    let world = World::new();
    let key = SessionKey::default();
    let (Environment { store, .. }, _) = world.open().await;
    let record = Zeroizing::new(br#"{"version":7}"#.to_vec());
    store.compare_and_put(&key, None, 5, record).await.unwrap();
    drop(store);
    let (environment, sessions) = world.open().await;
    let (broker, problems) = Broker::start(environment, sessions, &Declared::new());
    assert_eq!(problems.len(), 1, "{problems:?}");
    broker.sign_in(&key, world.login("one.example", tokens("A1", "R1"))).await.unwrap();
    let handle = broker.session(&key).unwrap();
    assert_eq!(own_token(&handle).await.1, "A1");
    assert!(!handle.snapshot().degraded, "the login is on the disk");
    world.stopping.send_replace(true);
    broker.finished().await;
    drop((broker, handle));
    let (environment, sessions) = world.open().await;
    assert_eq!(sessions[0].generation, 6);
    assert!(Broker::start(environment, sessions, &Declared::new()).1.is_empty());
}
