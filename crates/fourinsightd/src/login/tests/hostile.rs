//! Packages that name an endpoint which nobody allowed: nothing is sent, to anyone.

use std::{io, net::TcpListener};

use fourinsight_ipc::ErrorCode;
use serde_json::json;

use super::*;
use crate::{authority::allowed::AllowedEndpoint, http::Network};

const TABLE: &str = include_str!("../../../tests-data/hostile-endpoints.txt");

/// A package profile whose every request, wherever it is meant to go, arrives at the sink.
fn config(sink: u16) -> String {
    format!(
        r#"
[profiles.work]
client_id = "abc"
flow = "paste"
authorization_endpoint = "https://login.example.com/auth"
allowed_token_endpoints = [
    "https://login.example.com/{{tenant}}/oauth2/v2.0/token",
    "https://login.example.com/token",
    "http://127.0.0.1:{sink}/allowed",
]
proxy = "http://127.0.0.1:{sink}"
"#
    )
}

fn hostile_endpoints(sink: u16) -> Vec<String> {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    lines
        .map(|line| {
            serde_json::from_str(&format!("\"{}\"", line.replace("{sink}", &sink.to_string()))).unwrap()
        })
        .collect()
}

fn package(endpoint: &str) -> LoginResponse {
    LoginResponse::pasted(json!({ "endpoint": endpoint, "code": "c4nary-code" }).to_string())
}

#[tokio::test]
async fn hostile_endpoints_are_refused_and_a_sink_sees_no_connection() {
    let sink = TcpListener::bind("127.0.0.1:0").unwrap();
    sink.set_nonblocking(true).unwrap();
    let port = sink.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, config(port)).unwrap();
    let sessions = Arc::new(Sessions::default());
    let contoso = AllowedEndpoint::parse("https://login.example.com/{tenant}/oauth2/v2.0/token").unwrap();
    sessions.known.lock().unwrap().pinned_endpoint =
        contoso.admit("https://login.example.com/contoso.example/oauth2/v2.0/token");
    let clock = Clock::system();
    let logins = Arc::new(Logins::new(
        Arc::new(Network::new(clock.clone())),
        Arc::default(),
        clock,
        Arc::clone(&sessions) as Arc<dyn SignIn>,
        Arc::new(ConfigFile::open(path).unwrap()),
    ));
    let begun = logins.begin(LoginRequest::default()).await.unwrap();

    let endpoints = hostile_endpoints(port);
    assert!(endpoints.len() >= 300, "only {}", endpoints.len());
    for endpoint in &endpoints {
        let Err(error) = logins.respond(&begun.id, package(endpoint)).await else {
            panic!("{endpoint:?} was taken")
        };
        assert_eq!(error.error, ErrorCode::InvalidRequest, "{endpoint:?}");
        assert!(error.error_description.ends_with("Nothing was sent."), "{endpoint:?}: {error:?}");
        assert!(!format!("{error:?}").contains("c4nary"), "{error:?}");
        assert_eq!(logins.watch(&begun.id).unwrap().borrow().state, LoginState::Pending, "{endpoint:?}");
    }
    let connection = sink.accept();
    assert!(connection.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock), "somebody was asked");

    // The sink would have seen it: both ways there, through the proxy and straight, end at its door.
    for endpoint in [
        "https://login.example.com/contoso.example/oauth2/v2.0/token",
        &format!("http://127.0.0.1:{port}/allowed"),
    ] {
        let begun = logins.begin(LoginRequest::default()).await.unwrap();
        let (logins, id, package) = (Arc::clone(&logins), begun.id.clone(), package(endpoint));
        let responding = tokio::spawn(async move { logins.respond(&id, package).await });
        sink.set_nonblocking(false).unwrap();
        let socket = sink.try_clone().unwrap();
        let (connection, _) = tokio::task::spawn_blocking(move || socket.accept()).await.unwrap().unwrap();
        drop(connection);
        let ended = responding.await.unwrap().unwrap();
        assert_eq!(ended.state, LoginState::Failed, "{endpoint}");
    }
    assert_eq!(sessions.count(), 0);
}
