//! What only the asynchronous client can get wrong, and that it asks for the same as the blocking one.

use std::time::Duration;

use fourinsight_client::{AsyncClient, LoginRequest, Revocation, SessionKey, SessionState, TokenRequest};
use tokio::{runtime, sync::mpsc};

use crate::{
    blocking::whole_api,
    scripted::{Reply, Server, token},
};

#[tokio::test]
async fn every_call_of_the_api_is_made_and_understood() {
    let server = Server::new(whole_api);
    let client = AsyncClient::at(server.endpoint());
    let key = SessionKey::default();
    let token = client.token(&key).await.unwrap();
    assert_eq!(token.secret(), "s3cr3t");
    client.token_for(&TokenRequest::new(key.clone()).min_validity(Duration::from_secs(9))).await.unwrap();
    client.reject(&token).await.unwrap();
    client.reject_with(&token, "Bearer").await.unwrap();
    assert_eq!(client.status(&key).await.unwrap().state, SessionState::SignedIn);
    assert_eq!(client.attempts(&key).await.unwrap().attempts.len(), 1);
    assert_eq!(client.sessions().await.unwrap().len(), 1);
    assert_eq!(client.health().await.unwrap().pid, 7);
    assert_eq!(client.version().await.unwrap().api, "v1");
    let login = client.start_login(&LoginRequest::default()).await.unwrap();
    client.login(&login.id, Duration::from_secs(1)).await.unwrap();
    client.respond_to_login(&login.id, "c".to_owned().into()).await.unwrap();
    client.cancel_login(&login.id).await.unwrap();
    assert_eq!(client.revoke(&key).await.unwrap().revocation, Revocation::Revoked);
    let expected = [
        "GET /v1/sessions/default/token",
        "GET /v1/sessions/default/token?min_validity=9",
        "POST /v1/sessions/default/rejections",
        "POST /v1/sessions/default/rejections",
        "GET /v1/sessions/default",
        "GET /v1/sessions/default/attempts",
        "GET /v1/sessions",
        "GET /v1/health",
        "GET /v1/version",
        "POST /v1/logins",
        "GET /v1/logins/L1?wait=1",
        "POST /v1/logins/L1/response",
        "DELETE /v1/logins/L1",
        "DELETE /v1/sessions/default",
    ];
    assert_eq!(server.calls(), expected);
}

#[test]
fn a_client_is_shared_freely_between_tasks() {
    fn is_shareable<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn is_spawnable<T: Send + 'static>(_: T) {}
    let client = AsyncClient::at(fourinsight_client::Endpoint::new("/nowhere").unwrap());
    is_shareable(&client);
    is_spawnable(async move { client.token(&SessionKey::default()).await.map(drop) });
}

#[tokio::test]
async fn a_restart_of_the_daemon_goes_unnoticed() {
    let server = Server::new(whole_api);
    let client = AsyncClient::at(server.endpoint());
    for _ in 0..3 {
        client.token(&SessionKey::default()).await.unwrap();
        server.hang_up();
    }
    assert_eq!(server.calls().len(), 3);
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_daemon_that_was_there_a_moment_ago_is_waited_for() {
    let server = Server::new(whole_api);
    let client = AsyncClient::at(server.endpoint());
    client.version().await.unwrap();
    server.vanish();
    server.hang_up();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.version().await }
    });
    tokio::task::yield_now().await;
    server.listen(whole_api);
    assert_eq!(waiting.await.unwrap().unwrap().version, "9");
}

#[tokio::test]
async fn a_call_that_waits_delays_no_other_and_dropping_it_harms_none() {
    let (reached, mut hanging) = mpsc::unbounded_channel();
    let server = Server::new(move |asked| {
        if asked.call.contains("/slow/") {
            reached.send(()).unwrap();
            return Reply::Raw(Vec::new());
        }
        token("t")
    });
    let client = AsyncClient::at(server.endpoint());
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.token(&SessionKey::new("slow").unwrap()).await.map(drop) }
    });
    hanging.recv().await.unwrap();
    for _ in 0..10 {
        client.token(&SessionKey::default()).await.unwrap();
    }
    assert!(!slow.is_finished());
    slow.abort();
    assert!(slow.await.unwrap_err().is_cancelled());
    assert_eq!(client.token(&SessionKey::default()).await.unwrap().secret(), "t");
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_connection_is_not_used_outside_the_runtime_that_opened_it() {
    let server = Server::new(whole_api);
    let client = AsyncClient::at(server.endpoint());
    let new = || runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (one, other) = (new(), new());
    let ask = async || client.token(&SessionKey::default()).await.unwrap();
    one.block_on(ask());
    other.block_on(ask());
    one.block_on(ask());
    assert_eq!(server.connections(), 2);
    drop(one);
    other.block_on(ask());
    assert_eq!(server.connections(), 2);
}
