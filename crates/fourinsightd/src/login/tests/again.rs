//! Signing in again: who is expected, how the server is made to ask, and for which key of the replaced tool.

use fourinsight_ipc::ErrorCode;

use super::{device::Device, *};
use crate::token::Person;

/// What the session was signed in with before.
fn known(profile: &str, issuer: &str) -> Known {
    let person = Person {
        issuer: issuer.to_owned(),
        subject: "42".to_owned(),
        name: None,
        login_hint: Some("ada@example.com".to_owned()),
    };
    Known { profile: Some(profile.to_owned()), signed_in_as: SignedInAs::Person(person), ..Known::default() }
}

/// What is asked of the server by a login to a session that was signed in like this.
async fn asked(config: &str, known: Known, request: LoginRequest) -> HashMap<String, String> {
    let world = World::new(config);
    *world.sessions.known.lock().unwrap() = known;
    Begun::new(world.logins.begin(request).await.unwrap()).asked
}

fn forced() -> LoginRequest {
    LoginRequest { force: true, ..LoginRequest::default() }
}

#[tokio::test]
async fn the_server_is_told_whom_to_expect_unless_that_is_not_sure_or_not_wished() {
    let ada = || known("work", "https://id.example");
    let plain = LoginRequest::default;
    let switched = LoginRequest { switch_user: true, ..plain() };
    let own = format!("{DISCOVERED}authorize_params = {{ login_hint = \"eve\" }}\n");
    let chosen = format!("{DISCOVERED}authorize_params = {{ prompt = \"consent select_account\" }}\n");
    for (config, known, request, hint) in [
        (DISCOVERED, ada(), plain(), Some("ada@example.com")),
        (DISCOVERED, ada(), forced(), None),
        (DISCOVERED, ada(), switched, None),
        (DISCOVERED, known("home", "https://id.example"), plain(), None),
        (DISCOVERED, known("work", "https://other.example"), plain(), None),
        (DISCOVERED, Known::default(), plain(), None),
        // Without an issuer the origin of the userinfo endpoint vouches.
        (BY_HAND, ada(), plain(), Some("ada@example.com")),
        (&own, ada(), plain(), Some("eve")),
        (&chosen, ada(), plain(), None),
    ] {
        let asked = asked(config, known.clone(), request.clone()).await;
        assert_eq!(asked.get("login_hint").map(String::as_str), hint, "{config} {known:?} {request:?}");
    }
}

#[tokio::test]
async fn force_is_said_in_the_profiles_words_in_the_usual_ones_or_in_googles() {
    let google =
        BY_HAND.replace("https://id.example/authorize", "https://accounts.google.com/o/oauth2/v2/auth");
    let with = |params: &str| format!("{BY_HAND}force_params = {params}\n");
    for (config, prompt, max_age) in [
        (BY_HAND.to_owned(), Some("login"), None),
        (google.clone(), Some("select_account"), None),
        (
            format!("{google}authorize_params = {{ prompt = \"consent\" }}\n"),
            Some("select_account consent"),
            None,
        ),
        (with("{ prompt = \"create\" }"), Some("create"), None),
        (with("{ max_age = \"0\" }"), None, Some("0")),
        (with("{}"), None, None),
    ] {
        let world = World::new(&config);
        let begun = Begun::new(world.logins.begin(forced()).await.unwrap());
        let said = |name: &str| begun.asked.get(name).map(String::as_str);
        assert_eq!((said("prompt"), said("max_age")), (prompt, max_age), "{config}");
        let cannot = config.contains("= {}");
        let warned = begun.status.warning.as_deref().unwrap_or_default();
        assert_eq!(warned.contains("sign out at https://id.example first"), cannot, "{warned}");
        let unforced = Begun::new(world.logins.begin(LoginRequest::default()).await.unwrap());
        assert_eq!(
            (unforced.status.warning, unforced.asked.contains_key("max_age")),
            (None, false),
            "{config}"
        );
    }
}

#[tokio::test]
async fn a_page_that_hands_out_packages_is_told_what_its_profile_names_and_nothing_else() {
    const PAGE: &str = r#"
[profiles.work]
client_id = "abc"
flow = "paste"
authorization_endpoint = "https://id.example/auth"
allowed_token_endpoints = ["https://id.example/token"]
"#;
    let world = World::new(PAGE);
    let begun = world.logins.begin(forced()).await.unwrap();
    assert_eq!(begun.authorization_uri.as_deref(), Some("https://id.example/auth"));
    assert!(begun.warning.unwrap().contains("sign out at https://id.example first"));
    world.write_config(&format!("{PAGE}force_params = {{ again = \"yes\" }}\n"));
    let begun = world.logins.begin(forced()).await.unwrap();
    assert_eq!(begun.authorization_uri.as_deref(), Some("https://id.example/auth?again=yes"));
    assert_eq!(begun.warning, None);
}

#[tokio::test(start_paused = true)]
async fn a_device_cannot_make_the_server_ask_and_its_person_is_told_so() {
    let world = Device::at(|_| {});
    let begun = world.logins.begin(forced()).await.unwrap();
    let warned = begun.warning.unwrap();
    assert!(
        warned.contains("RFC 8628") && warned.contains("sign out at https://practice.test first"),
        "{warned}"
    );
    assert_eq!(world.begin().await.warning, None);
}

#[tokio::test]
async fn a_session_stands_for_one_key_of_the_replaced_tool() {
    let original = |text: &str| LoginRequest {
        session: SessionKey::of_seed(Some("ops/eu")),
        original_key: Some(text.to_owned()),
        ..LoginRequest::default()
    };
    let world = World::new(BY_HAND);
    let begun = Begun::new(world.logins.begin(original("ops/eu")).await.unwrap());
    begun.sign_in().await;
    assert_eq!(world.sessions.logins.lock().unwrap()[0].1.original_key.as_deref(), Some("ops/eu"));

    world.sessions.known.lock().unwrap().original_key = Some("ops/eu".to_owned());
    assert!(world.logins.begin(original("ops/eu")).await.is_ok());
    assert!(world.logins.begin(LoginRequest { original_key: None, ..original("") }).await.is_ok());
    for refused in [original("ops:c4nary"), original(&"c4nary".repeat(1000))] {
        let error = world.logins.begin(refused).await.unwrap_err();
        assert_eq!(error.error, ErrorCode::InvalidRequest);
        assert!(error.hint.is_some() && !format!("{error:?}").contains("c4nary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_key_that_needs_no_mapping_is_not_kept_beside_itself() {
    let world = World::new(BY_HAND);
    let request = LoginRequest {
        session: key("my_unique_session_0"),
        original_key: Some("my_unique_session_0".to_owned()),
        ..LoginRequest::default()
    };
    Begun::new(world.logins.begin(request).await.unwrap()).sign_in().await;
    assert_eq!(world.sessions.logins.lock().unwrap()[0].1.original_key, None);
}
