//! What the blocking client asks for, understands, and does with its connections.

use std::{sync::mpsc, thread, time::Duration};

use fourinsight_client::{
    Client, LoginRequest, LoginState, RejectionOutcome, Revocation, SessionKey, SessionState, TokenRequest,
};

use crate::scripted::{Asked, Reply, Server, token};

/// Answers every call of the API.
pub(crate) fn whole_api(asked: &Asked) -> Reply {
    let login = r#"{"id":"L1","session":"default","flow":"browser","state":"pending","expires_at":1,"authorization_uri":"https://as.example/"}"#;
    let status = r#"{"session":"default","profile":"work","state":"signed_in","identity":null,"scope":"a","expires_at":5,"next_renewal_at":4,"problem":null,"news":1}"#;
    let revoked = r#"{"session":"default","revocation":"revoked","description":"gone"}"#;
    let health = r#"{"status":"ok","version":"9","pid":7,"socket":"s","store":"d","key":"k","config":"c"}"#;
    match asked.call.split('?').next().unwrap() {
        "GET /v1/sessions/default/token" => token("s3cr3t"),
        "POST /v1/sessions/default/rejections" => {
            Reply::Json(202, r#"{"outcome":"renewing","description":"words"}"#.into())
        }
        "GET /v1/sessions/default" => Reply::Json(200, status.into()),
        "GET /v1/sessions/default/attempts" => {
            let attempt = r#"{"at":7,"action":"refresh","outcome":"refused","codes":[50076]}"#;
            Reply::Json(200, format!(r#"{{"session":"default","attempts":[{attempt}]}}"#))
        }
        "GET /v1/sessions" => Reply::Json(200, format!(r#"{{"sessions":[{status}]}}"#)),
        "GET /v1/health" => Reply::Json(200, health.into()),
        "GET /v1/version" => Reply::Json(200, r#"{"version":"9","api":"v1"}"#.into()),
        "POST /v1/logins" => Reply::Json(201, login.into()),
        "GET /v1/logins/L1" | "POST /v1/logins/L1/response" | "DELETE /v1/logins/L1" => {
            Reply::Json(200, login.into())
        }
        "DELETE /v1/sessions/default" => Reply::Json(200, revoked.into()),
        other => panic!("unexpected call {other}"),
    }
}

#[test]
fn a_token_is_understood_and_many_calls_share_one_connection() {
    let server = Server::new(whole_api);
    let client = Client::at(server.endpoint());
    for _ in 0..100 {
        let token = client.token(&SessionKey::default()).unwrap();
        assert_eq!(token.secret(), "s3cr3t");
        assert_eq!(token.expires_in(), Some(Duration::from_secs(59)));
        assert_eq!(token.expires_at(), Some(1_700_000_059));
        assert_eq!(token.scope(), Some("a b"));
        assert_eq!(token.id(), "id-of-s3cr3t");
        assert_eq!(token.session(), &SessionKey::default());
        assert!(!format!("{token:?}").replace("id-of-s3cr3t", "").contains("s3cr3t"));
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn every_call_of_the_api_is_made_as_the_contract_says() {
    let server = Server::new(whole_api);
    let client = Client::at(server.endpoint());
    let key = SessionKey::default();
    let wait = Duration::from_secs(30);
    let token = client.token_for(&TokenRequest::new(key.clone()).wait(wait).scope("a")).unwrap();
    client.reject(&token).unwrap();
    let answer = client.reject_with(&token, r#"Bearer error="invalid_token""#).unwrap();
    assert_eq!(answer.outcome, RejectionOutcome::Renewing);
    assert_eq!(client.status(&key).unwrap().state, SessionState::SignedIn);
    assert_eq!(client.attempts(&key).unwrap().attempts[0].codes, [50076]);
    assert_eq!(client.sessions().unwrap()[0].profile.as_deref(), Some("work"));
    assert_eq!(client.health().unwrap().pid, 7);
    assert_eq!(client.version().unwrap().api, "v1");
    let request = LoginRequest { profile: Some("work".into()), force: true, ..LoginRequest::default() };
    let login = client.start_login(&request).unwrap();
    assert_eq!(login.authorization_uri.as_deref(), Some("https://as.example/"));
    assert_eq!(client.login(&login.id, wait).unwrap().state, LoginState::Pending);
    client.respond_to_login(&login.id, "http://127.0.0.1/?code=c".to_owned().into()).unwrap();
    client.cancel_login(&login.id).unwrap();
    assert_eq!(client.revoke(&key).unwrap().revocation, Revocation::Revoked);

    let asked: Vec<_> = server.asked().into_iter().map(|asked| (asked.call, asked.body)).collect();
    let expected = [
        ("GET /v1/sessions/default/token?wait=30&scope=a", ""),
        ("POST /v1/sessions/default/rejections", r#"{"token_id":"id-of-s3cr3t"}"#),
        (
            "POST /v1/sessions/default/rejections",
            r#"{"token_id":"id-of-s3cr3t","www_authenticate":"Bearer error=\"invalid_token\""}"#,
        ),
        ("GET /v1/sessions/default", ""),
        ("GET /v1/sessions/default/attempts", ""),
        ("GET /v1/sessions", ""),
        ("GET /v1/health", ""),
        ("GET /v1/version", ""),
        ("POST /v1/logins", r#"{"session":"default","profile":"work","force":true}"#),
        ("GET /v1/logins/L1?wait=30", ""),
        ("POST /v1/logins/L1/response", r#"{"pasted":"http://127.0.0.1/?code=c"}"#),
        ("DELETE /v1/logins/L1", ""),
        ("DELETE /v1/sessions/default", ""),
    ];
    assert_eq!(asked, expected.map(|(call, body)| (call.to_owned(), body.to_owned())));
}

#[test]
fn a_restart_of_the_daemon_goes_unnoticed() {
    let server = Server::new(whole_api);
    let client = Client::at(server.endpoint());
    let first = client.token(&SessionKey::default()).unwrap();
    server.hang_up();
    client.token(&SessionKey::default()).unwrap();
    server.hang_up();
    client.reject(&first).unwrap();
    assert_eq!(server.calls().len(), 3, "each was asked once: {:?}", server.calls());
    assert_eq!(server.connections(), 3);
}

#[test]
fn a_daemon_that_was_there_a_moment_ago_is_waited_for_and_another_is_not() {
    let server = Server::new(whole_api);
    let client = Client::at(server.endpoint());
    let stranger = Client::at(server.endpoint());
    client.version().unwrap();
    server.vanish();
    server.hang_up();
    let error = stranger.version().unwrap_err();
    assert!(matches!(error, fourinsight_client::Error::NotRunning { .. }), "{error}");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.version());
        server.listen(whole_api);
        assert_eq!(waiting.join().unwrap().unwrap().version, "9");
    });
}

#[test]
fn a_call_that_waits_delays_no_other() {
    let (release, released) = mpsc::channel::<()>();
    let (reached, hanging) = mpsc::channel();
    let gates = std::sync::Mutex::new((released, reached));
    let server = Server::new(move |asked| {
        if asked.call.contains("/slow/") {
            let gates = gates.lock().unwrap();
            gates.1.send(()).unwrap();
            gates.0.recv().unwrap();
        }
        token("t")
    });
    let client = Client::at(server.endpoint());
    thread::scope(|scope| {
        let slow = scope.spawn(|| client.clone().token(&SessionKey::new("slow").unwrap()));
        hanging.recv().unwrap();
        for _ in 0..10 {
            client.token(&SessionKey::default()).unwrap();
        }
        assert!(!slow.is_finished());
        release.send(()).unwrap();
        slow.join().unwrap().unwrap();
    });
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_client_is_shared_freely_between_threads() {
    fn is_shareable<T: Clone + Send + Sync + 'static>() {}
    is_shareable::<Client>();
    let server = Server::new(whole_api);
    let client = Client::at(server.endpoint());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| drop(client.token(&SessionKey::default()).unwrap())));
        }
    });
    assert_eq!(server.asked().len(), 400);
    assert!(server.connections() <= 8, "{}", server.connections());
}
