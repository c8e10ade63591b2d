//! What a login takes from its request and from the configuration.

use fourinsight_ipc::ErrorCode;

use super::*;

#[tokio::test]
async fn the_listener_answers_before_anyone_has_the_address() {
    let world = World::new(BY_HAND);
    let begun = world.begin("default").await;
    assert_eq!(begun.status.state, LoginState::Pending);
    assert_eq!(begun.status.flow, "browser");
    assert_eq!(begun.redirect_uri.as_str(), format!("http://127.0.0.1:{}/callback", begun.port()));
    assert_eq!(begun.get("/").await.status, 404);
    let life = begun.status.expires_at - Clock::system().unix_now();
    assert!((595..=600).contains(&life), "{life}");
}

#[tokio::test]
async fn a_login_hands_over_all_that_the_session_needs() {
    let world = World::new(BY_HAND);
    let begun = world.begin("my work").await;
    begun.sign_in().await;
    let logins = world.sessions.logins.lock().unwrap();
    let [(session, login)] = logins.as_slice() else { panic!("{} logins", logins.len()) };
    assert_eq!(session.as_str(), "my work");
    assert_eq!(login.profile, "work");
    assert_eq!(login.registration.token_endpoint, "https://id.example/token");
    assert_eq!(login.scopes, ["read", "offline_access"]);
    assert_eq!(login.resources, ["https://api.example/"]);
    assert_eq!(login.tokens.access_token.expose(), "at-secret");
    assert_eq!(login.tokens.refresh_token.as_ref().unwrap().expose(), "rt-secret");
    assert_eq!(login.tokens.person.as_ref().unwrap().subject, "42");
    assert_eq!((login.refresh_idle, login.keep_alive), (Some(7 * 86_400), true));
    assert!(login.obtained_at <= Clock::system().now());
    drop(logins);
    let [form] = world.server.requests("/token").try_into().unwrap();
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!(form["code"], "the-code");
    assert_eq!(form["redirect_uri"], begun.asked["redirect_uri"]);
    let challenge = oauth2::PkceCodeChallenge::from_code_verifier_sha256(&oauth2::PkceCodeVerifier::new(
        form["code_verifier"].clone(),
    ));
    assert_eq!(begun.asked["code_challenge"], challenge.as_str());
}

#[tokio::test]
async fn scopes_replace_the_profiles_and_resources_add_to_them() {
    let world = World::new(BY_HAND);
    let request = LoginRequest {
        scope: Some("openid  write".to_owned()),
        resource: vec!["https://other.example/".to_owned(), "https://api.example/".to_owned()],
        force: true,
        ..LoginRequest::default()
    };
    let begun = Begun::new(world.logins.begin(request).await.unwrap());
    assert_eq!(begun.asked["scope"], "openid write");
    assert_eq!(begun.asked["prompt"], "login");
    assert!(begun.asked.contains_key("nonce"));
    let uri = Url::parse(begun.status.authorization_uri.as_deref().unwrap()).unwrap();
    let resources: Vec<_> = uri.query_pairs().filter(|(name, _)| name == "resource").collect();
    assert_eq!(resources.len(), 2);
    assert_eq!(resources[1].1, "https://other.example/");
}

#[tokio::test]
async fn requests_that_cannot_be_met_say_what_would_do() {
    let world = World::new(&format!(
        "{BY_HAND}\n[profiles.other]\nclient_id = \"x\"\nissuer = \"https://id.example\"\n"
    ));
    let bare = LoginRequest::default;
    let with = |profile: &str| LoginRequest { profile: Some(profile.to_owned()), ..bare() };
    for (request, code, says) in [
        (bare(), ErrorCode::InvalidRequest, "other, work"),
        (with("c4nary"), ErrorCode::InvalidRequest, "other, work"),
        (
            LoginRequest { flow: Some("c4nary".to_owned()), ..with("work") },
            ErrorCode::InvalidRequest,
            "browser",
        ),
        (
            LoginRequest { scope: Some("c4\"nary".to_owned()), ..with("work") },
            ErrorCode::InvalidScope,
            "spaces",
        ),
        (
            LoginRequest { resource: vec!["c4nary".to_owned()], ..with("work") },
            ErrorCode::InvalidTarget,
            "https://",
        ),
        (
            LoginRequest { resource: vec!["https://c4nary/ openid".to_owned()], ..with("work") },
            ErrorCode::InvalidTarget,
            "https://",
        ),
        (
            LoginRequest { resource: vec!["https://c4nary/#x".to_owned()], ..with("work") },
            ErrorCode::InvalidTarget,
            "https://",
        ),
    ] {
        let error = world.logins.begin(request).await.unwrap_err();
        assert_eq!(error.error, code, "{error:?}");
        assert!(error.hint.as_deref().unwrap().contains(says), "{error:?}");
        assert!(!format!("{error:?}").contains("nary"), "{error:?}");
    }
    assert!(world.logins.pending().is_empty());
}

#[tokio::test]
async fn the_configuration_is_read_again_at_each_login() {
    let world = World::new("");
    let error = world.logins.begin(LoginRequest::default()).await.unwrap_err();
    assert!(error.hint.unwrap().contains("[profiles.NAME]"));
    world.write_config(BY_HAND);
    let begun = world.begin("default").await;
    assert_eq!(begun.asked["scope"], "read offline_access");
    assert_eq!(begun.status.note, None);
    world.write_config(&BY_HAND.replace("\"read\", ", ""));
    assert_eq!(world.begin("default").await.asked["scope"], "offline_access");
}

#[tokio::test]
async fn a_bad_configuration_is_told_and_the_one_before_it_used() {
    let world = World::new(BY_HAND);
    world.write_config("default_profile = \"work\"\nc4nary = 1\n");
    let begun = world.begin("default").await;
    let note = begun.status.note.as_deref().unwrap();
    assert!(note.contains("config.toml:2"), "{note}");
    let request = LoginRequest { profile: Some("new".to_owned()), ..LoginRequest::default() };
    let error = world.logins.begin(request).await.unwrap_err();
    assert!(error.error_description.contains("config.toml:2"), "{error:?}");
    begun.sign_in().await;
    assert!(world.ended(&begun).await.note.unwrap().contains("config.toml:2"));
}

#[tokio::test]
async fn a_server_that_calls_itself_otherwise_is_refused_before_anything_is_opened() {
    let world = World::new(DISCOVERED);
    *world.server.metadata.lock().unwrap() =
        METADATA.replace("https://id.example\"", "https://evil.example\"");
    let error = world.logins.begin(LoginRequest::default()).await.unwrap_err();
    assert_eq!(error.error, ErrorCode::InvalidRequest);
    assert!(world.logins.pending().is_empty());
}
