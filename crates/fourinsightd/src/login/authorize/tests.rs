//! What an authorization request says, and what it never lets a profile say.

use std::collections::HashSet;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;
use url::Url;

use super::*;
use crate::{authority::Dialect, http::Route, profile::ClientAuth};

/// A public client at `https://id.example`.
pub(in crate::login) fn registration() -> Registration {
    Registration {
        issuer: Some("https://id.example".to_owned()),
        configured_issuer: None,
        authorization_endpoint: Some("https://id.example/authorize?tenant=a%20b".to_owned()),
        token_endpoint: "https://id.example/token".to_owned(),
        pinned_endpoint: None,
        device_authorization_endpoint: None,
        revocation_endpoint: None,
        userinfo_endpoint: None,
        iss_in_callback: false,
        client_id: "cli ent".to_owned(),
        client_secret: None,
        assertion: crate::profile::Assertion::default(),
        client_auth: ClientAuth::None.into(),
        dialect: Dialect::default(),
        rotation: crate::profile::Rotation::default(),
        authorize_params: [("audience".to_owned(), "a&b".to_owned())].into(),
        code_params: Parameters::new(),
        device_params: Parameters::new(),
        device_poll_params: Parameters::new(),
        refresh_params: Parameters::new(),
        revoke_params: Parameters::new(),
        client_capabilities: Vec::new(),
        route: Route::default(),
    }
}

fn wish(scopes: &[&str]) -> Wish {
    Wish {
        scopes: scopes.iter().map(ToString::to_string).collect(),
        resources: vec!["https://r1/".to_owned(), "https://r2/".to_owned()],
        force: false,
        step_up: None,
        switch_user: false,
        original_key: None,
        answer: AnswerMode::Query,
        lifetime: Lifetime::Stored,
        of_client: false,
    }
}

fn asked(registration: &Registration, wish: &Wish) -> (AuthorizationRequest, Vec<(String, String)>) {
    asked_again(registration, wish, &Again::default())
}

fn asked_again(
    registration: &Registration,
    wish: &Wish,
    again: &Again,
) -> (AuthorizationRequest, Vec<(String, String)>) {
    let redirect_uri = RedirectUri::parse("http://localhost:4711").unwrap();
    let request = request(registration, &redirect_uri, wish, again).unwrap();
    let pairs = Url::parse(&request.uri).unwrap().query_pairs().into_owned().collect();
    (request, pairs)
}

fn values<'a>(pairs: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn the_request_says_what_the_rfcs_ask_for() {
    let (request, pairs) = asked(&registration(), &wish(&["openid", "read"]));
    assert!(request.uri.starts_with("https://id.example/authorize?tenant=a%20b&"));
    for (name, expected) in [
        ("tenant", "a b"),
        ("response_type", "code"),
        ("client_id", "cli ent"),
        ("redirect_uri", "http://localhost:4711"),
        ("scope", "openid read"),
        ("code_challenge_method", "S256"),
        ("audience", "a&b"),
        ("state", request.state.expose_secret()),
        ("nonce", request.nonce.as_deref().unwrap()),
    ] {
        assert_eq!(values(&pairs, name), [expected], "{name}");
    }
    assert_eq!(values(&pairs, "resource"), ["https://r1/", "https://r2/"]);
    assert!(values(&pairs, "prompt").is_empty());
    let challenge = ring::digest::digest(
        &ring::digest::SHA256,
        request.code_verifier.as_ref().unwrap().expose_secret().as_bytes(),
    );
    assert_eq!(values(&pairs, "code_challenge"), [BASE64_URL_SAFE_NO_PAD.encode(challenge)]);
    assert!(!request.uri.contains(request.code_verifier.as_ref().unwrap().expose_secret()));
}

#[test]
fn state_and_code_verifier_carry_256_bits_and_are_never_the_same() {
    let mut seen = HashSet::new();
    for _ in 0..50 {
        let (request, _) = asked(&registration(), &wish(&["openid"]));
        let state = BASE64_URL_SAFE_NO_PAD.decode(request.state.expose_secret()).unwrap();
        let verifier =
            BASE64_URL_SAFE_NO_PAD.decode(request.code_verifier.as_ref().unwrap().expose_secret()).unwrap();
        assert_eq!((state.len(), verifier.len()), (32, 32));
        assert!(seen.insert(state) && seen.insert(verifier));
        assert!(seen.insert(request.nonce.unwrap().into_bytes()));
    }
}

#[test]
fn a_nonce_is_sent_only_where_an_id_token_is_asked_for() {
    let (request, pairs) = asked(&registration(), &wish(&["read"]));
    assert!(request.nonce.is_none() && values(&pairs, "nonce").is_empty());
}

fn with(params: &[(&str, &str)]) -> Registration {
    let params = params.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    Registration { authorize_params: params.collect(), ..registration() }
}

#[test]
fn the_profiles_parameters_are_sent_as_written() {
    let params = [
        ("prompt", "consent select_account"),
        ("login_hint", "ada@example.com +1"),
        ("max_age", "300"),
        ("access_type", "offline"),
        ("claims", r#"{"id_token":{"auth_time":{"essential":true}}}"#),
        ("ui_locales", "nb-NO en"),
        ("empty", ""),
    ];
    let (_, pairs) = asked(&with(&params), &wish(&["openid"]));
    for (name, value) in params {
        assert_eq!(values(&pairs, name), [value], "{name}");
    }
}

#[test]
fn force_really_asks_beside_what_the_profile_asks_for() {
    for (own, plain, forced) in [
        (None, None, "login"),
        (Some(""), None, "login"),
        (Some("none"), Some("none"), "login"),
        (Some("consent"), Some("consent"), "login consent"),
        (Some("login"), Some("login"), "login"),
        (Some("consent login"), Some("consent login"), "consent login"),
        (Some("select_account"), Some("select_account"), "select_account"),
        (Some("select_account  consent"), Some("select_account consent"), "select_account consent"),
        (Some("create"), Some("create"), "create"),
        (Some("a_servers_own"), Some("a_servers_own"), "login a_servers_own"),
    ] {
        let registration = own.map_or_else(registration, |own| with(&[("prompt", own)]));
        let login = Parameters::from([("prompt".to_owned(), "login".to_owned())]);
        for (force, expected) in [(None, plain), (Some(login), Some(forced))] {
            let again = Again { force: force.clone(), login_hint: None };
            let (_, pairs) = asked_again(&registration, &wish(&["read"]), &again);
            assert_eq!(
                values(&pairs, "prompt"),
                expected.into_iter().collect::<Vec<_>>(),
                "{own:?} {force:?}"
            );
        }
    }
}

#[test]
fn parameters_that_no_server_could_understand_are_told_before_anything_is_sent() {
    for (name, value) in
        [("prompt", "none login"), ("max_age", "5m"), ("max_age", "-1"), ("max_age", ""), ("max_age", "1.5")]
    {
        let redirect_uri = RedirectUri::parse("http://localhost:4711").unwrap();
        let error =
            request(&with(&[(name, value)]), &redirect_uri, &wish(&[]), &Again::default()).err().unwrap();
        assert_eq!(error.error, ErrorCode::InvalidRequest, "{name}={value}");
        assert!(error.error_description.contains(name) && error.hint.is_some(), "{error:?}");
    }
}

#[test]
fn a_profile_cannot_replace_what_protects_a_login() {
    for name in RESERVED {
        let mut registration = registration();
        registration.authorize_params.insert(name.to_owned(), "x".to_owned());
        let redirect_uri = RedirectUri::parse("http://localhost:4711").unwrap();
        let error = request(&registration, &redirect_uri, &wish(&[]), &Again::default()).err().unwrap();
        assert_eq!(error.error, ErrorCode::InvalidRequest, "{name}");
    }
}

#[test]
fn a_server_without_an_authorization_endpoint_is_named_as_such() {
    let registration = Registration { authorization_endpoint: None, ..registration() };
    let redirect_uri = RedirectUri::parse("http://localhost:4711").unwrap();
    let error = request(&registration, &redirect_uri, &wish(&[]), &Again::default()).err().unwrap();
    assert!(error.hint.unwrap().contains("authorization_endpoint"));
}
