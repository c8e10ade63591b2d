//! Redemptions as the server sees them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use testkit::practice::ClientKey;

use super::*;
use crate::{
    authority::{
        Dialect, Parameters, ResourceStyle, client_credentials, device,
        fake::{Fake, registration},
        revoke::{Revocable, revoke},
    },
    profile::{ClientAuth, PerRequest, SecretSource},
};

const OWN: Purpose<'_> = Purpose::Own { granted: &[], resource: None, asks_who: false };
const OTHER: Purpose<'_> = Purpose::Other { resource: None };

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
    redeem_code(
        &fake,
        &registration,
        &code,
        &verifier,
        redirect_uri,
        Wanted { resources: &resources, claims: None },
        0,
    )
    .await
    .unwrap();

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
            ("client_id", "abc"),
            ("audience", "x"),
        ])
    );
}

#[tokio::test]
async fn a_refresh_of_the_own_key_asks_for_nothing_in_particular() {
    let fake = Fake::default().answer(200, "{}");
    refresh(&fake, &registration(), &RefreshToken::new("R"), &TokenKey::new(["a"], []), OWN, None, 0)
        .await
        .unwrap();
    let form = pairs([("grant_type", "refresh_token"), ("refresh_token", "R"), ("client_id", "abc")]);
    assert_eq!(fake.seen()[0].form, form);
}

#[tokio::test]
async fn the_profiles_word_on_the_own_refresh_replaces_what_it_speaks_of_and_nothing_else() {
    let own = Purpose::Own { granted: &["a"], resource: Some("https://one/"), asks_who: false };
    for (name, expected) in [
        ("scope", [("resource", "https://one/"), ("client_id", "abc"), ("scope", "mine")]),
        ("resource", [("scope", "a"), ("client_id", "abc"), ("resource", "mine")]),
    ] {
        let fake = Fake::default().answer(200, "{}");
        let mut registration = registration();
        registration.refresh_params = Parameters::from([(name.to_owned(), "mine".to_owned())]);
        let key = TokenKey::new(["a"], ["https://one/"]);
        refresh(&fake, &registration, &RefreshToken::new("R"), &key, own, None, 0).await.unwrap();
        let form = &fake.seen()[0].form;
        assert_eq!(form[2..], pairs(expected), "{name}");
    }
}

#[tokio::test]
async fn a_refresh_of_another_key_names_its_scopes_and_resources() {
    let fake = Fake::default().answer(200, "{}");
    let mut registration = registration();
    registration.refresh_params = Parameters::from([("scope".to_owned(), "other".to_owned())]);
    let key = TokenKey::new(["b", "a", "openid"], ["https://two/", "https://one/"]);
    refresh(&fake, &registration, &RefreshToken::new("R"), &key, OTHER, None, 0).await.unwrap();
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
async fn each_kind_of_request_speaks_the_servers_dialect() {
    let scopes = ["a".to_owned()];
    let resources = ["api://x".to_owned()];
    let said = async |style: ResourceStyle, kind: &str| {
        let mut registration = registration();
        registration.dialect = Dialect { resource_style: style, by_device: true };
        let fake = Fake::default().answer(200, "{}");
        let secret = "s3cr3t".into();
        match kind {
            "code" => drop(
                redeem_code(
                    &fake,
                    &registration,
                    &secret,
                    &secret,
                    "http://127.0.0.1:1/",
                    Wanted { resources: &resources, claims: None },
                    0,
                )
                .await,
            ),
            "password" => {
                drop(redeem_password(&fake, &registration, "ada", &secret, &scopes, &resources, 0).await);
            }
            "device" => drop(device::authorize(&fake, &registration, &scopes, &resources, None, 0).await),
            "poll" => drop(
                device::poll(
                    &fake,
                    &registration,
                    &secret,
                    Wanted { resources: &resources, claims: None },
                    0,
                )
                .await,
            ),
            "client" => {
                drop(client_credentials::redeem(&fake, &registration, ["a"], ["api://x"], None, 0).await);
            }
            _ => {
                let key = TokenKey::new(["a", "openid"], ["api://x"]);
                drop(
                    refresh(
                        &fake,
                        &registration,
                        &RefreshToken::new("R"),
                        &key,
                        if kind == "own refresh" { OWN } else { OTHER },
                        None,
                        0,
                    )
                    .await,
                );
            }
        }
        let form = fake.seen().remove(0).form;
        let words =
            form.into_iter().filter(|(name, _)| ["scope", "resource", "audience"].contains(&name.as_str()));
        words.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    let person = "scope=a api://x/.default openid profile offline_access";
    for (kind, rfc8707, entra, audience) in [
        ("code", "resource=api://x", "", ""),
        ("password", "scope=a resource=api://x", person, "scope=a audience=api://x"),
        ("device", "scope=a resource=api://x", person, "scope=a audience=api://x"),
        ("poll", "resource=api://x", "", ""),
        ("client", "scope=a resource=api://x", "scope=a api://x/.default", "scope=a audience=api://x"),
        ("own refresh", "", "scope=a api://x/.default", ""),
        ("refresh", "scope=a resource=api://x", "scope=a api://x/.default", "scope=a audience=api://x"),
    ] {
        assert_eq!(said(ResourceStyle::Rfc8707, kind).await, rfc8707, "{kind}");
        assert_eq!(said(ResourceStyle::Entra, kind).await, entra, "{kind}");
        assert_eq!(said(ResourceStyle::Audience, kind).await, audience, "{kind}");
    }
}

#[tokio::test]
async fn each_kind_of_request_proves_the_client_in_its_own_way() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "s3~cr3t\n").unwrap();
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), ClientKey::rsa().private_pem).unwrap();
    let sent = |client_auth: ClientAuth| match client_auth {
        ClientAuth::Basic => (Some("Basic YWJjOnMzJTdFY3IzdA=="), None, None, None),
        ClientAuth::BasicRaw => (Some("Basic YWJjOnMzfmNyM3Q="), None, None, None),
        ClientAuth::Post => (None, Some("abc"), Some("s3~cr3t"), None),
        ClientAuth::None => (None, Some("abc"), None, None),
        ClientAuth::SecretOnly => (None, None, Some("s3~cr3t"), None),
        ClientAuth::PrivateKeyJwt => (None, Some("abc"), None, Some("RS256")),
        ClientAuth::ClientSecretJwt => (None, Some("abc"), None, Some("HS256")),
    };
    let others = [ClientAuth::None, ClientAuth::Basic];
    let kinds = [RequestKind::Code, RequestKind::Refresh, RequestKind::Revoke, RequestKind::Device];
    for (client_auth, kind) in
        ClientAuth::WORDS.iter().flat_map(|(_, method)| kinds.map(|kind| (*method, kind)))
    {
        let other = others[usize::from(client_auth == ClientAuth::None)];
        let mut registration = registration();
        registration.client_secret = Some(SecretSource::File(secret.path().into()));
        registration.assertion.key = Some(SecretSource::File(key.path().into()));
        registration.client_auth = PerRequest::all(other);
        let fake = Fake::default().answer(200, "{}").answer(200, "{}");
        match kind {
            RequestKind::Code => {
                registration.client_auth.code = client_auth;
                let (code, verifier) = ("c0de".into(), "v3rifier".into());
                let redirect_uri = "http://127.0.0.1:1/";
                redeem_code(&fake, &registration, &code, &verifier, redirect_uri, Wanted::default(), 0)
                    .await
                    .unwrap();
            }
            RequestKind::Refresh => {
                registration.client_auth.refresh = client_auth;
                refresh(&fake, &registration, &RefreshToken::new("R"), &TokenKey::default(), OWN, None, 0)
                    .await
                    .unwrap();
            }
            RequestKind::Revoke => {
                registration.client_auth.revoke = client_auth;
                revoke(&fake, &registration, Revocable::Refresh(&RefreshToken::new("R")), 0).await;
            }
            RequestKind::Device => {
                registration.client_auth.device = client_auth;
                device::authorize(&fake, &registration, &[], &[], None, 0).await.unwrap_err();
                device::poll(&fake, &registration, &"d3vice".into(), Wanted::default(), 0).await.unwrap();
            }
        }
        let requests = fake.seen();
        assert_eq!(requests.len(), 1 + usize::from(kind == RequestKind::Device));
        for seen in requests {
            let authorization = seen.headers.get("authorization").map(|field| field.to_str().unwrap());
            let field = |name: &str| {
                seen.form.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
            };
            let algorithm = field("client_assertion").map(algorithm);
            let found = (authorization, field("client_id"), field("client_secret"), algorithm.as_deref());
            let mut expected = sent(client_auth);
            if kind == RequestKind::Device && client_auth != ClientAuth::SecretOnly {
                expected.1 = Some("abc");
            }
            assert_eq!(found, expected, "{client_auth:?}, {kind:?}");
            let assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            assert_eq!(field("client_assertion_type"), algorithm.is_some().then_some(assertion_type));
        }
    }
}

/// How a JWT says that it is signed.
fn algorithm(jwt: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(jwt.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<serde_json::Value>(&header).unwrap()["alg"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_a_response_the_error_says_whether_the_server_may_have_acted() {
    for sent in [true, false] {
        let fake = Fake::default().fail(sent);
        let retry =
            refresh(&fake, &registration(), &RefreshToken::new("R"), &TokenKey::new(["a"], []), OWN, None, 0)
                .await
                .unwrap_err();
        assert_eq!(retry.ambiguous, sent);
        assert_eq!(retry.failure.error, "server_unreachable");
    }
}

#[tokio::test]
async fn without_the_client_secret_nothing_is_sent() {
    let fake = Fake::default();
    let mut registration = registration();
    registration.client_secret = Some(SecretSource::File("/nonexistent/secret".into()));
    registration.client_auth = ClientAuth::Basic.into();
    let retry = refresh(&fake, &registration, &RefreshToken::new("R"), &TokenKey::default(), OWN, None, 0)
        .await
        .unwrap_err();
    assert!(!retry.ambiguous);
    assert_eq!(retry.failure.error, "client_secret_unreadable");
    assert!(fake.seen().is_empty());
}
