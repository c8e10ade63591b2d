//! Whole login attempts over real loopback connections, against an authorization server in memory.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fourinsight_ipc::{
    ErrorBody, SessionKey,
    message::{LoginRequest, LoginResponse, LoginState, LoginStatus},
};
use http::HeaderMap;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, watch},
};
use url::Url;
use zeroize::Zeroizing;

use super::{Known, Logins, NewLogin, SignIn, SignInFuture, SignedInAs};
use crate::{
    authority::pace::Pace,
    clock::Clock,
    config::ConfigFile,
    history::History,
    http::{ExchangeFuture, HttpExchange, HttpRequest, HttpResponse},
};

mod again;
mod another_person;
mod answers;
mod by_hand;
mod device;
mod dialects;
mod form_post;
mod fourinsight;
mod hostile;
mod lifecycle;
mod listener;
mod of_client;
mod requests;
mod step_up;
mod unattended;

/// Everything a test holds.
struct World {
    logins: Logins,
    server: Arc<Server>,
    sessions: Arc<Sessions>,
    folder: tempfile::TempDir,
}

/// A request that has not come by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// A profile without discovery: the server has no issuer and promises nothing.
const BY_HAND: &str = r#"
[profiles.work]
client_id = "abc"
authorization_endpoint = "https://id.example/authorize"
token_endpoint = "https://id.example/token"
revocation_endpoint = "https://id.example/revoke"
userinfo_endpoint = "https://id.example/userinfo"
scopes = ["read", "offline_access"]
resources = ["https://api.example/"]
refresh_idle = "7d"
"#;

/// A profile with discovery.
const DISCOVERED: &str = r#"
[profiles.work]
client_id = "abc"
issuer = "https://id.example"
scopes = "read offline_access"
"#;

impl World {
    fn new(config: &str) -> Self {
        Self::at(config, Clock::system())
    }

    fn at(config: &str, clock: Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, config).unwrap();
        let server = Arc::new(Server::new());
        let sessions = Arc::new(Sessions::default());
        let logins = Logins::new(
            Arc::clone(&server) as Arc<dyn HttpExchange>,
            Arc::default(),
            clock,
            Arc::clone(&sessions) as Arc<dyn SignIn>,
            Arc::new(ConfigFile::open(path).unwrap()),
        );
        Self { logins, server, sessions, folder }
    }

    fn write_config(&self, config: &str) {
        std::fs::write(self.folder.path().join("config.toml"), config).unwrap();
    }

    async fn begin(&self, session: &str) -> Begun {
        let request = LoginRequest { session: key(session), ..LoginRequest::default() };
        Begun::new(self.logins.begin(request).await.unwrap())
    }

    /// Waits for the end of an attempt.
    async fn ended(&self, begun: &Begun) -> LoginStatus {
        let mut changes = self.logins.watch(&begun.id).unwrap();
        changes.wait_for(|status| status.state != LoginState::Pending).await.unwrap().clone()
    }

    fn state(&self, begun: &Begun) -> LoginState {
        self.logins.watch(&begun.id).unwrap().borrow().state
    }
}

fn key(text: &str) -> SessionKey {
    SessionKey::new(text).unwrap()
}

/// An attempt that waits, and what its authorization URI says.
struct Begun {
    id: String,
    status: LoginStatus,
    asked: HashMap<String, String>,
    redirect_uri: Url,
}

impl Begun {
    fn new(status: LoginStatus) -> Self {
        let uri = Url::parse(status.authorization_uri.as_deref().unwrap()).unwrap();
        let asked: HashMap<_, _> = uri.query_pairs().into_owned().collect();
        let redirect_uri = Url::parse(&asked["redirect_uri"]).unwrap();
        Self { id: status.id.clone(), status, asked, redirect_uri }
    }

    fn port(&self) -> u16 {
        self.redirect_uri.port().unwrap()
    }

    fn state(&self) -> &str {
        &self.asked["state"]
    }

    /// The callback's path with these parameters.
    fn target(&self, parameters: &str) -> String {
        format!("{}?{parameters}", self.redirect_uri.path())
    }

    /// The right answer.
    fn answer(&self) -> String {
        self.target(&format!("code=the-code&state={}", self.state()))
    }

    async fn get(&self, target: &str) -> Reply {
        let host = format!("{}:{}", self.redirect_uri.host_str().unwrap(), self.port());
        send(self.port(), &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await
    }

    /// Brings the right answer as a browser does, and reads the page.
    async fn sign_in(&self) -> Reply {
        let redirect = self.get(&self.answer()).await;
        assert_eq!(redirect.status, 303, "{redirect:?}");
        self.get(&redirect.headers["location"]).await
    }
}

/// What came back over a connection.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
    raw: String,
}

/// Sends bytes to 127.0.0.1 and reads until the listener closes the connection.
async fn send(port: u16, request: &str) -> Reply {
    try_send(port, request).await.expect("the listener answers")
}

async fn try_send(port: u16, request: &str) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut raw = String::new();
    stream.read_to_string(&mut raw).await?;
    Ok(reply(raw))
}

fn reply(raw: String) -> Reply {
    let (head, body) = raw.split_once("\r\n\r\n").expect("a whole answer");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        })
        .collect();
    let body = body.to_owned();
    Reply { status, headers, body, raw }
}

/// An authorization server in memory.
struct Server {
    metadata: Mutex<String>,
    tokens: Mutex<VecDeque<(u16, String)>>,
    seen: watch::Sender<Vec<(String, HashMap<String, String>)>>,
    /// Held shut, a token request waits.
    gate: Semaphore,
}

/// What the token endpoint answers when nothing else was prepared.
const GRANTED: &str =
    r#"{"access_token":"at-secret","token_type":"Bearer","expires_in":60,"refresh_token":"rt-secret"}"#;

/// What the discovery document says when nothing else was prepared.
const METADATA: &str = r#"{"issuer":"https://id.example","authorization_endpoint":"https://id.example/authorize",
    "token_endpoint":"https://id.example/token","authorization_response_iss_parameter_supported":true}"#;

impl Server {
    fn new() -> Self {
        Self {
            metadata: Mutex::new(METADATA.to_owned()),
            tokens: Mutex::default(),
            seen: watch::Sender::default(),
            gate: Semaphore::new(1),
        }
    }

    fn next_token_answer(&self, status: u16, body: &str) {
        self.tokens.lock().unwrap().push_back((status, body.to_owned()));
    }

    /// Waits for a request to a path.
    async fn asked_at(&self, path: &str) {
        let mut seen = self.seen.subscribe();
        let asked = seen.wait_for(|seen| seen.iter().any(|(at, _)| at == path));
        tokio::time::timeout(PATIENCE, asked).await.expect("the server is asked").unwrap();
    }

    /// How often the metadata was asked for.
    fn lookups(&self) -> usize {
        self.seen.borrow().iter().filter(|(at, _)| at.ends_with("/.well-known/openid-configuration")).count()
    }

    /// The forms that were sent to a path.
    fn requests(&self, path: &str) -> Vec<HashMap<String, String>> {
        let seen = self.seen.borrow();
        seen.iter().filter(|(at, _)| at == path).map(|(_, form)| form.clone()).collect()
    }
}

impl HttpExchange for Server {
    fn exchange(&self, request: HttpRequest) -> ExchangeFuture<'_> {
        let path = request.url.path().to_owned();
        let form = url::form_urlencoded::parse(&request.body).into_owned().collect();
        self.seen.send_modify(|seen| seen.push((path.clone(), form)));
        Box::pin(async move {
            let (status, body) = match path.as_str() {
                path if path.ends_with("/.well-known/openid-configuration") => {
                    (200, self.metadata.lock().unwrap().clone())
                }
                path if path.ends_with("/token") => {
                    let _open = self.gate.acquire().await.unwrap();
                    let prepared = self.tokens.lock().unwrap().pop_front();
                    prepared.unwrap_or_else(|| (200, GRANTED.to_owned()))
                }
                "/userinfo" => (200, r#"{"sub":"42","name":"Ada <Lovelace>"}"#.to_owned()),
                "/revoke" => (200, String::new()),
                _ => (404, String::new()),
            };
            let mut headers = HeaderMap::new();
            headers.insert("content-type", "application/json".parse().unwrap());
            Ok(HttpResponse { status, headers, body: Zeroizing::new(body.into_bytes()) })
        })
    }
}

/// What signed in.
#[derive(Default)]
struct Sessions {
    logins: Mutex<Vec<(SessionKey, NewLogin)>>,
    known: Mutex<Known>,
    refuses: AtomicBool,
    broken: AtomicBool,
    /// Whether what has signed in is open still.
    keeps_open: AtomicBool,
    kept: Mutex<Vec<SessionKey>>,
    history: History,
    pace: Pace,
}

impl Sessions {
    fn count(&self) -> usize {
        self.logins.lock().unwrap().len()
    }

    fn refuse(&self) {
        self.refuses.store(true, Ordering::Relaxed);
    }

    fn break_down(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }
}

impl SignIn for Sessions {
    fn known(&self, _session: &SessionKey) -> Known {
        self.known.lock().unwrap().clone()
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn pace(&self) -> &Pace {
        &self.pace
    }

    fn is_open(&self, session: &SessionKey) -> bool {
        let has = self.logins.lock().unwrap().iter().any(|(key, _)| key == session);
        self.keeps_open.load(Ordering::Relaxed) && has
    }

    fn keep_while_used(&self, session: &SessionKey) {
        self.kept.lock().unwrap().push(session.clone());
    }

    fn sign_in<'a>(&'a self, session: &'a SessionKey, login: NewLogin) -> SignInFuture<'a> {
        Box::pin(async move {
            assert!(!self.broken.load(Ordering::Relaxed), "a defect, made on purpose");
            if self.refuses.load(Ordering::Relaxed) {
                let error = ErrorBody::new(fourinsight_ipc::ErrorCode::AccessDenied, "It is somebody else.");
                return Err(error.hint("use another session key"));
            }
            self.logins.lock().unwrap().push((session.clone(), login));
            Ok(())
        })
    }
}
