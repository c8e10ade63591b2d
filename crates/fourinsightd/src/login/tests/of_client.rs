//! Sessions that are a client's own: who shares one, who does not, and when its server is asked.

use fourinsight_ipc::{ErrorCode, message::Lifetime};

use super::*;

/// A profile that leaves its client to whoever logs in.
const BARE: &str = r#"
[profiles.work]
token_endpoint = "https://id.example/token"
client_auth = "post"
flow = "client_credentials"
scopes = "read"
"#;

fn of(client_id: &str, client_secret: &str) -> LoginRequest {
    LoginRequest {
        client_id: Some(client_id.to_owned()),
        client_secret: Some(client_secret.to_owned().into()),
        client_session: true,
        ..LoginRequest::default()
    }
}

impl World {
    async fn opened(&self, request: LoginRequest) -> SessionKey {
        let status = self.logins.begin(request).await.unwrap();
        assert_eq!((status.state, status.lifetime), (LoginState::Succeeded, Lifetime::Ephemeral));
        status.session
    }

    fn asked(&self) -> usize {
        self.server.requests("/token").len()
    }
}

#[tokio::test]
async fn the_same_client_finds_its_session_and_another_secret_or_scope_has_another() {
    let world = World::new(BARE);
    world.sessions.keeps_open.store(true, Ordering::Relaxed);
    let session = world.opened(of("abc", "s3cr3t")).await;
    assert_eq!(world.asked(), 1);
    assert_eq!(world.opened(of("abc", "s3cr3t")).await, session);
    assert_eq!(world.asked(), 1, "its session is open");
    let forced = LoginRequest { force: true, ..of("abc", "s3cr3t") };
    assert_eq!(world.opened(forced).await, session);
    assert_eq!(world.asked(), 2, "it was insisted on");

    let write = LoginRequest { scope: Some("write".to_owned()), ..of("abc", "s3cr3t") };
    let others = [
        world.opened(of("abc", "other")).await,
        world.opened(of("abd", "s3cr3t")).await,
        world.opened(write).await,
    ];
    assert!(!others.contains(&session) && others[0] != others[1] && others[1] != others[2]);
    assert_eq!(world.asked(), 5);
    {
        let logins = world.sessions.logins.lock().unwrap();
        assert!(logins.iter().all(|(_, login)| !login.keep_alive && login.lifetime == Lifetime::Ephemeral));
        let opened: Vec<_> = logins.iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(*world.sessions.kept.lock().unwrap(), opened);
    }
    let elsewhere = World::new(BARE);
    assert_ne!(elsewhere.opened(of("abc", "s3cr3t")).await, session, "no two daemons have the same key");
}

#[tokio::test]
async fn a_wrong_secret_is_told_and_opens_nothing() {
    let world = World::new(BARE);
    world.sessions.keeps_open.store(true, Ordering::Relaxed);
    world.opened(of("abc", "s3cr3t")).await;
    for _ in 0..2 {
        world.server.next_token_answer(401, r#"{"error":"invalid_client"}"#);
        let ended = world.logins.begin(of("abc", "wrong")).await.unwrap();
        assert_eq!(ended.state, LoginState::Failed);
        assert_eq!(ended.error.unwrap().error, ErrorCode::AccessDenied);
    }
    assert_eq!(world.asked(), 3, "each time anew");
    assert_eq!(world.sessions.kept.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_many_at_once_one_asks_the_server_and_none_cancels_another() {
    let world = World::new(BARE);
    let held = world.server.gate.acquire().await.unwrap();
    let asking = || world.logins.begin(of("abc", "s3cr3t"));
    let other = world.logins.begin(of("abc", "other"));
    let (one, two, three, other) = tokio::join!(asking(), asking(), asking(), other);
    let ids = [one, two, three].map(|status| status.unwrap().id);
    assert!(ids[0] == ids[1] && ids[1] == ids[2], "{ids:?}");
    assert_ne!(other.unwrap().id, ids[0]);
    drop(held);
    let mut attempt = world.logins.watch(&ids[0]).unwrap();
    let ended = attempt.wait_for(|status| status.state != LoginState::Pending).await.unwrap().clone();
    assert_eq!(ended.state, LoginState::Succeeded);
    world.server.asked_at("/token").await;
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn what_does_not_go_with_one_is_refused_and_leaves_no_history() {
    let world = World::new(&format!("{BARE}client_id = \"abc\"\nclient_secret = {{ env = \"X\" }}\n"));
    let bare = || of("abc", "s3cr3t");
    for (request, says) in [
        (LoginRequest { client_id: None, client_secret: None, ..bare() }, "of the request"),
        (LoginRequest { client_id: None, ..bare() }, "of the request"),
        (LoginRequest { session: key("mine"), ..bare() }, "named by the daemon"),
        (LoginRequest { original_key: Some("x".to_owned()), ..bare() }, "named by the daemon"),
        (LoginRequest { until_logout: true, ..bare() }, "named by the daemon"),
    ] {
        let error = world.logins.begin(request).await.unwrap_err();
        assert_eq!(error.error, ErrorCode::InvalidRequest);
        assert!(error.error_description.contains(says) && error.hint.is_some(), "{error:?}");
    }
    assert_eq!(world.asked(), 0);
    assert!(world.sessions.history.of(&SessionKey::default()).is_none());
}

#[tokio::test]
async fn a_preset_that_needs_no_more_than_a_client_is_a_profile_by_itself() {
    let world = World::new(BY_HAND);
    let request = LoginRequest { profile: Some("4insight-service".to_owned()), ..of("abc", "s3cr3t") };
    world.opened(request).await;
    let [form] = world
        .server
        .requests("/4subseaid.onmicrosoft.com/oauth2/v2.0/token")
        .try_into()
        .expect("one request at the preset's endpoint");
    assert_eq!(form["scope"], "https://4subseaid.onmicrosoft.com/4insight-api-prod/.default");
    let needs_more = LoginRequest { profile: Some("entra".to_owned()), ..of("abc", "s3cr3t") };
    let error = world.logins.begin(needs_more).await.unwrap_err();
    assert!(error.error_description.contains("no profile of that name"), "{error:?}");
    let by = |flow: &str| LoginRequest {
        profile: Some("4insight".to_owned()),
        flow: Some(flow.to_owned()),
        ..LoginRequest::default()
    };
    let error = world.logins.begin(by("implicit")).await.unwrap_err();
    assert!(error.error_description.contains("legacy"), "{error:?}");
}
