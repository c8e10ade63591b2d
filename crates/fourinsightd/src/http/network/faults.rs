//! The network against the practice server with every fault at every point, over real sockets, plain and with TLS.

use std::collections::BTreeSet;

use testkit::practice::{Fault, Kind, Practice, Serving, Settings, Transport};

use super::*;
use crate::http::BODY_LIMIT;

/// How long a test waits for an answer that does not come.
const PATIENCE: Duration = Duration::from_millis(500);

/// A practice server on a socket, and a client of it.
struct Visit {
    practice: Practice,
    serving: Serving,
    network: Network,
    route: Route,
    refresh_token: String,
    _ca: tempfile::NamedTempFile,
}

impl Visit {
    async fn begin(transport: Transport) -> Self {
        let practice = Practice::new(Settings::default());
        let serving = practice.serve(transport, 0).await.unwrap();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), serving.ca_pem.as_deref().unwrap_or_default()).unwrap();
        let tls_ca_file = serving.ca_pem.is_some().then(|| ca.path().to_owned());
        let route = Route { tls_ca_file, ..Route::default() };
        let network = Network::new(Clock::system());
        let mut visit = Self { practice, serving, network, route, refresh_token: String::new(), _ca: ca };
        visit.sign_in().await;
        visit
    }

    /// Another login, by the shortest way.
    async fn sign_in(&mut self) {
        let user = &self.practice.settings().users[0];
        let form = [
            ("grant_type", "password"),
            ("client_id", "practice-client"),
            ("username", &user.username),
            ("password", &user.password),
            ("scope", "offline_access"),
        ];
        let response = self.post(&form, Duration::from_secs(20)).await.unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        self.refresh_token = answer["refresh_token"].as_str().unwrap().to_owned();
    }

    async fn refresh(&self, patience: Duration) -> Result<HttpResponse, ExchangeError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "practice-client"),
            ("refresh_token", &self.refresh_token),
        ];
        self.post(&form, patience).await
    }

    async fn post(&self, form: &[(&str, &str)], patience: Duration) -> Result<HttpResponse, ExchangeError> {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = HttpRequest {
            method: http::Method::POST,
            url: Url::parse(&format!("{}/token", self.serving.origin)).unwrap(),
            headers,
            body: Zeroizing::new(body.into_bytes()),
            route: self.route.clone(),
            time_limit: patience,
            size_limit: BODY_LIMIT,
        };
        self.network.exchange(request).await
    }
}

/// Short enough for a test.
fn hurried(fault: Fault) -> Fault {
    let kind = match fault.kind {
        Kind::Delay(_) => Kind::Delay(Duration::from_millis(30)),
        Kind::Drip { bytes, .. } => Kind::Drip { bytes, every: Duration::from_millis(1) },
        kind => kind,
    };
    Fault { kind, ..fault }
}

/// What the client learns, in a word.
fn learnt(result: &Result<HttpResponse, ExchangeError>) -> String {
    match result {
        Ok(response) => {
            let is_json = serde_json::from_slice::<serde_json::Value>(&response.body).is_ok();
            format!("{}{}", response.status, if is_json { " with JSON" } else { "" })
        }
        Err(error) if error.cause.contains("no complete answer") => "time-out".to_owned(),
        Err(error) if error.sent => "lost".to_owned(),
        Err(_) => "not sent".to_owned(),
    }
}

/// What the client must learn of a fault. With TLS a connection that fails before the handshake carries nothing.
fn to_be_learnt(fault: Fault, transport: Transport) -> String {
    use testkit::practice::Point::{AfterCommitting, BeforeReading, MidAnswer};
    let genuine = if matches!(fault.point, AfterCommitting | MidAnswer(_)) { "200" } else { "503" };
    let is_midway = matches!(fault.point, MidAnswer(_));
    match fault.kind {
        Kind::Delay(_) => "200 with JSON".to_owned(),
        Kind::Hang => "time-out".to_owned(),
        Kind::Reset | Kind::Close if fault.point == BeforeReading && transport == Transport::Tls => {
            "not sent".to_owned()
        }
        Kind::Reset | Kind::Close | Kind::LengthTooLong => "lost".to_owned(),
        Kind::LengthTooShort | Kind::WrongType if is_midway => "lost".to_owned(),
        Kind::LengthTooShort => genuine.to_owned(),
        Kind::Drip { .. } | Kind::WrongType => format!("{genuine} with JSON"),
        Kind::Html => "200".to_owned(),
        Kind::Status(_) | Kind::TooManyRequests(_) if is_midway => "200".to_owned(),
        Kind::Status(status) => status.to_string(),
        Kind::TooManyRequests(_) => "429".to_owned(),
    }
}

async fn meet_every_fault(transport: Transport) {
    let mut visit = Visit::begin(transport).await;
    let mut wrong = BTreeSet::new();
    for fault in Fault::all().map(hurried) {
        let before = visit.practice.ledger();
        visit.practice.answer_next_token_requests([fault]);
        let patience = if fault.kind == Kind::Hang { PATIENCE } else { Duration::from_secs(20) };
        let result = visit.refresh(patience).await;
        let (learnt, expected) = (learnt(&result), to_be_learnt(fault, transport));
        if learnt != expected {
            wrong.insert(format!("{fault:?}: {learnt}, not {expected}; {:?}", result.err()));
        }
        let after = visit.practice.ledger();
        let commits = after.refreshes().len() - before.refreshes().len();
        assert_eq!(commits, usize::from(fault.commits()), "{fault:?}");
        let repeats = after.most_redemptions();
        assert!(repeats <= 1 || !fault.commits(), "{fault:?}: sent {repeats} times");
        assert!(
            after.entries().iter().all(|entry| entry.path == "/token"),
            "{fault:?}: a redirect was followed"
        );
        visit.practice.forget_the_past();
        visit.sign_in().await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn every_fault_is_told_apart_on_a_plain_connection() {
    meet_every_fault(Transport::Plain).await;
}

#[tokio::test]
async fn every_fault_is_told_apart_with_tls() {
    meet_every_fault(Transport::Tls).await;
}
