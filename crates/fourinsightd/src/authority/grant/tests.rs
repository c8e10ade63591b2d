//! Redemptions as the server sees them.

use http::Method;

use super::*;
use crate::{
    authority::{
        ClientAuth, Parameters,
        fake::{Fake, registration},
    },
    profile::SecretSource,
};

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[tokio::test]
async fn a_code_travels_with_its_verifier_and_the_redirect_uri() {
    let fake = Fake::default().answer(200, "{}");
    let mut registration = registration();
    registration.code_params = Parameters::from([("audience".to_owned(), "x".to_owned())]);
    let resources = ["https://one/".to_owned(), "https://two/".to_owned()];
    let (code, verifier) = ("c0de".into(), "v3rifier".into());
    let redirect_uri = "http://127.0.0.1:1/callback";
    redeem_code(&fake, &registration, &code, &verifier, redirect_uri, &resources).await.unwrap();

    let seen = fake.seen().remove(0);
    assert_eq!((seen.method, seen.url.as_str()), (Method::POST, "https://id.example.com/token"));
    assert_eq!(seen.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(seen.headers["accept"], "application/json");
    assert_eq!(
        seen.form,
        pairs([
            ("grant_type", "authorization_code"),
            ("code", "c0de"),
            ("redirect_uri", redirect_uri),
            ("code_verifier", "v3rifier"),
            ("resource", "https://one/"),
            ("resource", "https://two/"),
            ("client_id", "abc"),
            ("audience", "x"),
        ])
    );
}

#[tokio::test]
async fn a_refresh_of_the_own_key_asks_for_nothing_in_particular() {
    let fake = Fake::default().answer(200, "{}");
    refresh(&fake, &registration(), &RefreshToken::new("R"), None).await.unwrap();
    let form = pairs([("grant_type", "refresh_token"), ("refresh_token", "R"), ("client_id", "abc")]);
    assert_eq!(fake.seen()[0].form, form);
}

#[tokio::test]
async fn a_refresh_of_another_key_names_its_scopes_and_resources() {
    let fake = Fake::default().answer(200, "{}");
    let mut registration = registration();
    registration.refresh_params = Parameters::from([("scope".to_owned(), "other".to_owned())]);
    let key = TokenKey::new(["b", "a", "openid"], ["https://two/", "https://one/"]);
    refresh(&fake, &registration, &RefreshToken::new("R"), Some(&key)).await.unwrap();
    assert_eq!(
        fake.seen()[0].form,
        pairs([
            ("grant_type", "refresh_token"),
            ("refresh_token", "R"),
            ("scope", "a b"),
            ("resource", "https://one/"),
            ("resource", "https://two/"),
            ("client_id", "abc"),
        ])
    );
}

#[tokio::test]
async fn the_registration_says_how_the_client_proves_itself() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "s3cr3t\n").unwrap();
    let mut registration = registration();
    registration.client_secret = Some(SecretSource::File(file.path().into()));
    let has = |form: &[(String, String)], name: &str| form.iter().any(|(found, _)| found == name);
    for (client_auth, in_header, id_in_form, secret_in_form) in [
        (ClientAuth::Basic, true, false, false),
        (ClientAuth::Post, false, true, true),
        (ClientAuth::None, false, true, false),
    ] {
        registration.client_auth = client_auth;
        let fake = Fake::default().answer(200, "{}");
        refresh(&fake, &registration, &RefreshToken::new("R"), None).await.unwrap();
        let seen = fake.seen().remove(0);
        let authorization = seen.headers.get("authorization");
        assert_eq!(authorization.is_some_and(|field| field == "Basic YWJjOnMzY3IzdA=="), in_header);
        assert_eq!(has(&seen.form, "client_id"), id_in_form, "{client_auth:?}");
        assert_eq!(has(&seen.form, "client_secret"), secret_in_form, "{client_auth:?}");
    }
}

#[tokio::test]
async fn without_a_response_the_error_says_whether_the_server_may_have_acted() {
    for sent in [true, false] {
        let fake = Fake::default().fail(sent);
        let retry = refresh(&fake, &registration(), &RefreshToken::new("R"), None).await.unwrap_err();
        assert_eq!(retry.ambiguous, sent);
        assert_eq!(retry.failure.error, "server_unreachable");
    }
}

#[tokio::test]
async fn without_the_client_secret_nothing_is_sent() {
    let fake = Fake::default();
    let mut registration = registration();
    registration.client_secret = Some(SecretSource::File("/nonexistent/secret".into()));
    registration.client_auth = ClientAuth::Basic;
    let retry = refresh(&fake, &registration, &RefreshToken::new("R"), None).await.unwrap_err();
    assert!(!retry.ambiguous);
    assert_eq!(retry.failure.error, "client_secret_unreadable");
    assert!(fake.seen().is_empty());
}
