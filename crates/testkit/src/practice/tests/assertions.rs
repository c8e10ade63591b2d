//! Client assertions: a right one is taken once, and any other never.

use base64::engine::general_purpose::STANDARD;
use ring::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    hmac,
};
use serde_json::json;

use super::*;
use crate::practice::{ClientAuthentication, ClientKey, SecretKind};

const UNIX_NOW: u64 = 1_700_000_000;

/// Claims that every check lets pass.
fn right(id: &str) -> Value {
    json!({
        "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": id,
        "iat": UNIX_NOW, "nbf": UNIX_NOW, "exp": UNIX_NOW + 240,
    })
}

const CLIENT: &str = "practice key holder";

/// The claims with one of them changed.
fn with(id: &str, name: &str, value: Value) -> Value {
    let mut claims = right(id);
    claims[name] = value;
    claims
}

fn message(header: &Value, claims: &Value) -> String {
    [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
}

async fn present(visitor: &Visitor, assertion: &str, extra: &[(&str, &str)]) -> Reply {
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    form.extend(extra);
    visitor.post("/token", &form).await
}

fn visitor(client: Client) -> Visitor {
    Visitor::new(Settings { clients: vec![client], unix_at_start: Some(UNIX_NOW), ..Settings::default() })
}

#[tokio::test(start_paused = true)]
async fn an_assertion_is_taken_once() {
    let key = ClientKey::rsa();
    let visitor = visitor(Client::with_key(key.public_key()));
    let header = json!({ "alg": "RS256" });
    let first = key.sign(&header, &right("1"));
    let reply = present(&visitor, &first, &[("client_id", CLIENT)]).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    present(&visitor, &first, &[]).await.assert_error(401, "invalid_client");
    assert_eq!(visitor.practice.ledger().replayed_assertions(), [&*first]);
    let reply = present(&visitor, &key.sign(&header, &right("2")), &[]).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    assert_eq!(visitor.practice.ledger().secrets_of(SecretKind::ClientAssertion).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_assertion_with_any_defect_is_refused() {
    let key = ClientKey::rsa();
    let visitor = visitor(Client::with_key(key.public_key()));
    let header = json!({ "alg": "RS256" });
    for (number, (name, value)) in [
        ("iss", json!("another")),
        ("sub", json!("another")),
        ("aud", json!("https://another.test")),
        ("aud", json!([ISSUER])),
        ("aud", json!(format!("{ISSUER}/revoke"))),
        ("aud", json!(format!("{ISSUER}.example"))),
        ("exp", json!(UNIX_NOW)),
        ("exp", json!(UNIX_NOW + 301)),
        ("exp", Value::Null),
        ("nbf", json!(UNIX_NOW + 60)),
        ("iat", json!(UNIX_NOW + 60)),
        ("jti", Value::Null),
        ("jti", json!("")),
    ]
    .into_iter()
    .enumerate()
    {
        let assertion = key.sign(&header, &with(&number.to_string(), name, value.clone()));
        let reply = present(&visitor, &assertion, &[]).await;
        assert_eq!((reply.status.as_u16(), reply.text("error")), (401, "invalid_client"), "{name} {value}");
    }
    let good = key.sign(&header, &right("good"));
    let forged = ClientKey::other_rsa().sign(&header, &right("good"));
    let unsigned = format!("{}.", message(&json!({ "alg": "none" }), &right("good")));
    let elsewhere = key.sign(&json!({ "alg": "PS256" }), &right("good"));
    for (assertion, extra) in [
        (forged.as_str(), ("scope", "api")),
        (&unsigned, ("scope", "api")),
        (&elsewhere, ("scope", "api")),
        ("no.jwt.at-all", ("scope", "api")),
        ("nothing", ("scope", "api")),
        (&good, ("client_id", "another")),
    ] {
        present(&visitor, assertion, &[extra]).await.assert_error(401, "invalid_client");
    }
    present(&visitor, &good, &[("client_secret", "x")]).await.assert_error(400, "invalid_request");
    let form = [("grant_type", "client_credentials"), ("client_assertion", &*good)];
    visitor.post("/token", &form).await.assert_error(401, "invalid_client");
    assert_eq!(present(&visitor, &good, &[]).await.status, StatusCode::OK, "what was refused is not used up");
}

#[tokio::test(start_paused = true)]
async fn a_registered_certificate_has_to_be_named() {
    let key = ClientKey::rsa();
    let visitor = visitor(Client::with_key(key.certificate()));
    let thumbprint = |by| URL_SAFE_NO_PAD.encode(digest(by, &key.certificate_der));
    let (sha1, sha256) = (thumbprint(&SHA1_FOR_LEGACY_USE_ONLY), thumbprint(&SHA256));
    let certificate = STANDARD.encode(&key.certificate_der);
    for (header, status) in [
        (json!({ "alg": "RS256" }), 401),
        (json!({ "alg": "RS256", "x5t": sha256 }), 401),
        (json!({ "alg": "RS256", "x5t#S256": sha256 }), 401),
        (json!({ "alg": "RS256", "x5t": sha1, "x5c": [format!("A{certificate}")] }), 401),
        (json!({ "alg": "RS256", "x5t": sha1, "x5c": certificate }), 401),
        (json!({ "alg": "RS256", "x5t": sha1 }), 200),
        (json!({ "alg": "RS256", "x5t": sha1, "x5c": [certificate] }), 200),
    ] {
        let assertion = key.sign(&header, &right(&header.to_string()));
        let reply = present(&visitor, &assertion, &[]).await;
        assert_eq!(reply.status.as_u16(), status, "{header}: {}", reply.body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_signs_too_where_the_client_is_registered_so() {
    for (way, status) in [(ClientAuthentication::ClientSecretJwt, 200), (ClientAuthentication::Post, 401)] {
        let client = Client::confidential().accepting(&[way]);
        let secret = client.secret.clone().unwrap();
        let mut claims = right("1");
        (claims["iss"], claims["sub"]) = (json!(client.id), json!(client.id));
        let message = message(&json!({ "alg": "HS256" }), &claims);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
        let assertion = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
        let reply = present(&visitor(client), &assertion, &[]).await;
        assert_eq!(reply.status.as_u16(), status, "{way:?}: {}", reply.body);
    }
}
