//! Logins by client credentials: with the profile's secret, or with one that a process brings.

use fourinsight_ipc::ErrorCode;

use super::*;
use crate::profile::SecretSource;

/// A profile that leaves its client to whoever logs in.
const BARE: &str = r#"
[profiles.work]
token_endpoint = "https://id.example/token"
revocation_endpoint = "https://id.example/revoke"
client_auth = "post"
flow = "client_credentials"
scopes = "read"
code_params = { audience = "x" }
"#;

fn bringing(client_id: Option<&str>, client_secret: Option<&str>) -> LoginRequest {
    LoginRequest {
        client_id: client_id.map(str::to_owned),
        client_secret: client_secret.map(|secret| secret.to_owned().into()),
        ..LoginRequest::default()
    }
}

#[tokio::test]
async fn a_process_brings_its_client_and_is_told_the_outcome_at_once() {
    let world = World::new(BARE);
    let status = world.logins.begin(bringing(Some("my client"), Some("s3cr3t"))).await.unwrap();
    assert_eq!((status.state, status.flow.as_str()), (LoginState::Succeeded, "client_credentials"));
    assert_eq!((status.authorization_uri, status.note), (None, None));
    let [form] = world.server.requests("/token").try_into().unwrap();
    for (name, value) in [
        ("grant_type", "client_credentials"),
        ("client_id", "my client"),
        ("client_secret", "s3cr3t"),
        ("scope", "read"),
        ("audience", "x"),
    ] {
        assert_eq!(form[name], value);
    }
    let logins = world.sessions.logins.lock().unwrap();
    let (_, login) = &logins[0];
    assert!(login.by_client_credentials && login.tokens.refresh_token.is_none());
    assert!(matches!(login.registration.client_secret, Some(SecretSource::Brought(_))));
    assert!(!format!("{login:?}").contains("s3cr3t"));
    assert!(world.server.requests("/userinfo").is_empty(), "there is no person to ask about");
}

#[tokio::test]
async fn any_profile_can_be_logged_in_to_by_this_flow_with_its_own_secret() {
    let world = World::new("");
    let secret = world.folder.path().join("secret");
    std::fs::write(&secret, "of-the-profile").unwrap();
    world
        .write_config(&format!("{BY_HAND}client_secret = {{ file = \"secret\" }}\nclient_auth = \"post\"\n"));
    let request = LoginRequest {
        flow: Some("client_credentials".to_owned()),
        scope: Some("write".to_owned()),
        ..LoginRequest::default()
    };
    assert_eq!(world.logins.begin(request).await.unwrap().state, LoginState::Succeeded);
    let [form] = world.server.requests("/token").try_into().unwrap();
    assert_eq!((form["client_secret"].as_str(), form["scope"].as_str()), ("of-the-profile", "write"));
}

#[tokio::test]
async fn what_is_brought_must_fit_together() {
    let world = World::new(&format!("{BARE}client_id = \"abc\"\nclient_secret = {{ env = \"X\" }}\n"));
    let in_browser = LoginRequest { flow: Some("browser".to_owned()), ..bringing(None, None) };
    for (config, request, says) in [
        (BARE, bringing(None, None), "client_id"),
        (BARE, bringing(None, Some("s3cr3t")), "client_id"),
        (BARE, bringing(Some("abc"), None), "without its client_secret"),
        (BARE, bringing(Some("s3cr3t\u{7}"), Some("x")), "printable"),
        (BARE, in_browser, "no client_id"),
        (BY_HAND, bringing(Some("abc"), Some("s3cr3t")), "Only the flow client_credentials"),
        (&format!("{BARE}client_id = \"abc\"\n"), bringing(None, None), "needs a client secret"),
    ] {
        world.write_config(config);
        let error = world.logins.begin(request).await.unwrap_err();
        assert_eq!(error.error, ErrorCode::InvalidRequest, "{says}");
        assert!(error.error_description.contains(says), "{says}: {error:?}");
        assert!(error.hint.is_some() && !format!("{error:?}").contains("s3cr3t"), "{error:?}");
    }
    assert!(world.server.requests("/token").is_empty());
}

#[tokio::test]
async fn each_way_to_fail_has_its_kind_and_its_next_step() {
    let world = World::new(BARE);
    for (status, body, code, hint) in [
        (401, r#"{"error":"invalid_client"}"#, ErrorCode::AccessDenied, "client_auth"),
        (400, r#"{"error":"unsupported_grant_type"}"#, ErrorCode::AccessDenied, "registration"),
        (400, r#"{"error":"invalid_scope"}"#, ErrorCode::InvalidScope, "scopes"),
        (503, "", ErrorCode::TemporarilyUnavailable, "later"),
        (200, "<html>", ErrorCode::TemporarilyUnavailable, "later"),
    ] {
        world.server.next_token_answer(status, body);
        let ended = world.logins.begin(bringing(Some("abc"), Some("s3cr3t"))).await.unwrap();
        assert_eq!(ended.state, LoginState::Failed, "{body}");
        let error = ended.error.unwrap();
        assert_eq!(error.error, code, "{body}");
        assert!(error.hint.as_ref().is_some_and(|next| next.contains(hint)), "{error:?}");
    }
    assert_eq!(world.sessions.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_cancelled_meanwhile_gives_its_token_back() {
    let world = World::new(BARE);
    let held = world.server.gate.acquire().await.unwrap();
    let status = world.logins.begin(bringing(Some("abc"), Some("s3cr3t"))).await.unwrap();
    assert_eq!(status.state, LoginState::Pending, "the answer does not wait for ever");
    let refused = world.logins.respond(&status.id, LoginResponse::pasted("anything")).await.unwrap_err();
    assert!(refused.error_description.contains("takes no paste"), "{refused:?}");
    assert_eq!(world.logins.cancel(&status.id).unwrap().state, LoginState::Cancelled);
    drop(held);
    world.server.asked_at("/revoke").await;
    assert_eq!(world.server.requests("/revoke")[0]["token"], "at-secret");
    assert_eq!(world.sessions.count(), 0);
}

#[tokio::test]
async fn a_certificate_signs_in_and_nothing_else_is_taken_with_it() {
    let key = testkit::practice::ClientKey::rsa();
    let by_certificate =
        |lines: &str| format!("{BARE}client_id = \"abc\"\n{lines}").replace("client_auth = \"post\"\n", "");
    let world = World::new(&by_certificate(""));
    std::fs::write(world.folder.path().join("cert.pem"), &key.certificate_pem).unwrap();
    std::fs::write(world.folder.path().join("key.pem"), &key.private_pem).unwrap();
    let pair = "client_certificate = \"cert.pem\"\nclient_key = { file = \"key.pem\" }\n";
    let flow = |flow: &str, request| LoginRequest { flow: Some(flow.to_owned()), ..request };

    world.write_config(&by_certificate(pair));
    let status = world.logins.begin(flow("certificate", bringing(None, None))).await.unwrap();
    assert_eq!((status.state, status.flow.as_str()), (LoginState::Succeeded, "certificate"));
    let [form] = world.server.requests("/token").try_into().unwrap();
    assert_eq!((form["grant_type"].as_str(), form["client_id"].as_str()), ("client_credentials", "abc"));
    assert!(form.contains_key("client_assertion") && !form.contains_key("client_secret"));
    assert!(world.sessions.logins.lock().unwrap()[0].1.by_client_credentials);

    // Who brings a secret is another client than the one whose key the profile names.
    let brought = bringing(Some("another"), Some("s3cr3t"));
    world.logins.begin(flow("client_credentials", brought)).await.unwrap();
    let form = world.server.requests("/token").pop().unwrap();
    assert!(!form.contains_key("client_assertion"), "{form:?}");

    for (lines, request, says) in [
        ("", flow("certificate", bringing(None, None)), "needs a client certificate"),
        (pair, flow("certificate", bringing(Some("x"), Some("y"))), "Only the flow client_credentials"),
        (
            &format!("{pair}client_auth = \"private_key_jwt\"\n"),
            bringing(None, Some("s3cr3t")),
            "by private_key_jwt",
        ),
    ] {
        world.write_config(&by_certificate(lines));
        let error = world.logins.begin(request).await.unwrap_err();
        assert!(error.error_description.contains(says) && error.hint.is_some(), "{says}: {error:?}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_told_at_once() {
    let world = World::new(
        &format!("{BARE}client_id = \"abc\"\nclient_key = {{ file = \"key.pem\" }}\n")
            .replace("client_auth = \"post\"\n", ""),
    );
    for (content, says) in [(None, "cannot read the client key"), (Some("s3cr3t"), "no private key in PEM")] {
        if let Some(content) = content {
            std::fs::write(world.folder.path().join("key.pem"), content).unwrap();
        }
        let ended = world.logins.begin(bringing(None, None)).await.unwrap();
        let error = ended.error.unwrap();
        assert_eq!(error.error, ErrorCode::InvalidRequest, "{error:?}");
        assert!(error.error_description.contains(says), "{error:?}");
    }
    assert!(world.server.requests("/token").is_empty());
}
