//! Entra's dialect: tenants, scopes that name their API, numbered refusals.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::practice::{ClientKey, Dialect, SecretKind};

pub(super) const TENANT: &str = "11d7e0ad-7c3e-4b6f-9f60-2a5a5c0c0de1";
pub(super) const READ: &str = "openid profile offline_access https://api.example/read";
pub(super) const DEFAULT: &str = "openid profile offline_access https://api.example/.default";

pub(super) fn directory() -> Visitor {
    Visitor::new(Settings::entra())
}

fn path(tenant: &str, name: &str) -> String {
    format!("/{tenant}/oauth2/v2.0/{name}")
}

impl Visitor {
    async fn metadata_of(&self, tenant: &str) -> Reply {
        self.get(&format!("/{tenant}/v2.0/.well-known/openid-configuration"), None).await
    }

    pub(super) async fn sign_in_at(&self, tenant: &str, scope: &str, extra: &[(&str, &str)]) -> Url {
        let uri = Self::authorization_uri(scope, extra).replace("/authorize", &path(tenant, "authorize"));
        self.practice.sign_in(&uri, "ada").await.unwrap()
    }

    pub(super) async fn redeem_at(&self, tenant: &str, form: &[(&str, &str)]) -> Reply {
        self.post(&path(tenant, "token"), form).await
    }

    pub(super) async fn login_at(&self, tenant: &str, scope: &str) -> Reply {
        let code = parameter(&self.sign_in_at(tenant, scope, &[]).await, "code").unwrap();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "practice-client"),
            ("client_info", "1"),
            ("code", &code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        let reply = self.redeem_at(tenant, &form).await;
        assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
        reply
    }

    pub(super) async fn refresh_at(&self, refresh_token: &str, extra: &[(&str, &str)]) -> Reply {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "practice-client"),
            ("refresh_token", refresh_token),
        ];
        self.redeem_at(TENANT, &[&form, extra].concat()).await
    }
}

impl Reply {
    pub(super) fn assert_code(&self, status: u16, error: &str, code: u32) {
        self.assert_error(status, error);
        assert_eq!(self.body["error_codes"], json!([code]), "{}", self.body);
        assert!(self.text("error_description").starts_with(&format!("AADSTS{code}: ")), "{}", self.body);
    }
}

#[tokio::test(start_paused = true)]
async fn discovery_names_the_tenant_whatever_was_asked() {
    let visitor = directory();
    for (asked, issuer, tenant) in [
        (TENANT, TENANT, TENANT),
        ("contoso.example", TENANT, TENANT),
        ("common", "{tenantid}", "common"),
        ("organizations", "{tenantid}", "organizations"),
    ] {
        let metadata = visitor.metadata_of(asked).await.body;
        assert_eq!(metadata["issuer"], format!("{ISSUER}/{issuer}/v2.0"));
        assert_eq!(metadata["token_endpoint"], format!("{ISSUER}{}", path(tenant, "token")));
        let device = format!("{ISSUER}{}", path(tenant, "devicecode"));
        assert_eq!(metadata["device_authorization_endpoint"], device);
        assert!(metadata.get("revocation_endpoint").is_none());
        let keys = metadata["jwks_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap();
        assert!(visitor.get(keys, None).await.body["keys"].is_array());
    }
    visitor.metadata_of("fabrikam.example").await.assert_code(400, "invalid_request", 90_002);
    let elsewhere = visitor.get("/.well-known/openid-configuration", None).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_login_is_the_tenants_and_names_person_and_directory() {
    let visitor = directory();
    for tenant in ["common", "contoso.example", TENANT] {
        let reply = visitor.login_at(tenant, DEFAULT).await;
        let claims = claims(reply.text("id_token"));
        assert_eq!(claims["iss"], format!("{ISSUER}/{TENANT}/v2.0"));
        assert_eq!((&claims["tid"], &claims["ver"]), (&json!(TENANT), &json!("2.0")));
        assert_eq!(claims["preferred_username"], "ada@contoso.example");
        let info = URL_SAFE_NO_PAD.decode(reply.text("client_info")).unwrap();
        let info: Value = serde_json::from_slice(&info).unwrap();
        assert_eq!(info, json!({ "uid": claims["oid"], "utid": TENANT }));
        assert_eq!(reply.text("scope"), "https://api.example/read https://api.example/write");
        assert_eq!((&reply.body["ext_expires_in"], &reply.body["refresh_in"]), (&json!(3600), &json!(1800)));
    }
    let callback = visitor.sign_in_at("common", READ, &[]).await;
    assert!(parameter(&callback, "session_state").is_some() && parameter(&callback, "iss").is_none());
    let narrow = visitor.login_at(TENANT, READ).await;
    assert_eq!(narrow.text("scope"), "https://api.example/read");
}

#[tokio::test(start_paused = true)]
async fn refresh_tokens_come_anew_and_every_old_one_lives() {
    let visitor = directory();
    let first = visitor.login_at(TENANT, READ).await.text("refresh_token").to_owned();
    let second = visitor.refresh_at(&first, &[]).await.text("refresh_token").to_owned();
    assert_ne!(first, second);
    for token in [&first, &second, &first] {
        assert_eq!(visitor.refresh_at(token, &[]).await.status, StatusCode::OK);
    }
    // Another API of the same login; and a new refresh token only where it is asked for.
    let other = visitor.refresh_at(&first, &[("scope", "https://other.example/.default")]).await;
    assert_eq!(other.text("scope"), "https://other.example/read https://other.example/write");
    assert!(other.body.get("refresh_token").is_none() && other.body.get("id_token").is_none());
    assert_eq!(
        visitor.practice.access_token(other.text("access_token")).unwrap().audience,
        ["https://other.example"]
    );
    let ledger = visitor.practice.ledger();
    assert_eq!((ledger.refreshes().len(), ledger.reuse_events().len()), (5, 0));
    assert_eq!(ledger.secrets_of(SecretKind::RefreshToken).count(), 5);

    visitor.practice.revoke_family(&first);
    let dead = visitor.refresh_at(&second, &[]).await;
    dead.assert_code(400, "invalid_grant", 50_173);
    assert_eq!(dead.text("suberror"), "bad_token");
    assert_eq!(visitor.post("/revoke", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_guarded_api_asks_for_a_person_with_claims() {
    let visitor = directory();
    let login = visitor.login_at(TENANT, READ).await;
    let scope = [("scope", "https://guarded.example/.default")];
    let reply = visitor.refresh_at(login.text("refresh_token"), &scope).await;
    reply.assert_code(400, "interaction_required", 50_076);
    assert_eq!(reply.text("suberror"), "basic_action");
    assert!(reply.text("claims").starts_with("{\"access_token\""));
    assert_eq!(visitor.refresh_at(login.text("refresh_token"), &[]).await.status, StatusCode::OK);
}

/// A form, and the status, error and number that it is refused with.
type Case<'a> = (&'a [(&'a str, &'a str)], u16, &'a str, u32);

#[tokio::test(start_paused = true)]
async fn mistakes_have_their_numbers() {
    let visitor = directory();
    let confidential = Client::confidential();
    let (id, secret) = (confidential.id.as_str(), confidential.secret.as_deref().unwrap());
    let itself = ("grant_type", "client_credentials");
    let default = ("scope", "https://api.example/.default");
    let table: [Case<'_>; 13] = [
        (&[itself, default], 400, "invalid_request", 900_144),
        (&[itself, default, ("client_secret", secret)], 400, "invalid_request", 900_144),
        (&[itself, default, ("client_id", id)], 401, "invalid_client", 7_000_218),
        (&[itself, default, ("client_id", id), ("client_secret", "x")], 401, "invalid_client", 7_000_215),
        (&[itself, default, ("client_id", "nobody")], 400, "unauthorized_client", 700_016),
        (&[("client_id", "practice-client"), ("client_secret", "x")], 401, "invalid_client", 700_025),
        (&[("client_id", "practice-client")], 400, "invalid_request", 900_144),
        (&[("client_id", "practice-client"), ("grant_type", "x")], 400, "unsupported_grant_type", 70_003),
        (
            &[itself, ("client_id", id), ("client_secret", secret), ("scope", "https://api.example/read")],
            400,
            "invalid_scope",
            1_002_012,
        ),
        (
            &[
                itself,
                default,
                ("client_id", id),
                ("client_secret", secret),
                ("resource", "https://api.example"),
            ],
            400,
            "invalid_target",
            9_010_010,
        ),
        (
            &[
                itself,
                ("client_id", id),
                ("client_secret", secret),
                ("scope", "https://nowhere.example/.default"),
            ],
            400,
            "invalid_resource",
            500_011,
        ),
        (
            &[("grant_type", "authorization_code"), ("client_id", "practice-client"), ("code", "x")],
            400,
            "invalid_grant",
            9_002_313,
        ),
        (
            &[
                ("grant_type", "password"),
                ("client_id", "practice-client"),
                ("username", "x"),
                ("password", "y"),
            ],
            400,
            "invalid_grant",
            50_034,
        ),
    ];
    for (form, status, error, code) in table {
        visitor.redeem_at(TENANT, form).await.assert_code(status, error, code);
    }
    visitor.redeem_at("fabrikam.example", &[]).await.assert_code(400, "invalid_request", 90_002);
    let good = [itself, default, ("client_id", id), ("client_secret", secret)];
    let reply = visitor.redeem_at("contoso.example", &good).await;
    assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
    assert!(reply.body.get("scope").is_none() && reply.body.get("refresh_token").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_assertion_is_for_the_tenants_token_endpoint_and_signed_by_the_registered_key() {
    let key = ClientKey::rsa();
    let client = Client::with_key(key.public_key());
    let start = 1_700_000_000;
    let visitor = Visitor::new(Settings {
        clients: vec![client.clone()],
        unix_at_start: Some(start),
        ..Settings::entra()
    });
    let redeem = async |key: &ClientKey, audience: &str, issued_at: u64| {
        let assertion = key.assertion(&client.id, audience, issued_at);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client.id.as_str()),
            ("scope", "https://api.example/.default"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        visitor.redeem_at(TENANT, &form).await
    };
    let audience = format!("{ISSUER}{}", path(TENANT, "token"));
    assert_eq!(redeem(&key, &audience, start).await.status, StatusCode::OK);
    redeem(&ClientKey::other_rsa(), &audience, start).await.assert_code(401, "invalid_client", 700_027);
    redeem(&key, &audience, start - 3600).await.assert_code(401, "invalid_client", 700_024);
    redeem(&key, &format!("{ISSUER}/token-of-nobody"), start).await.assert_error(401, "invalid_client");
}

#[tokio::test(start_paused = true)]
async fn scopes_of_two_apis_and_company_of_default_are_refused_in_the_callback() {
    let visitor = directory();
    for (scope, extra, error, code) in [
        ("https://api.example/read https://other.example/read", None, "invalid_request", "AADSTS28000: "),
        ("https://api.example/.default https://api.example/read", None, "invalid_scope", "AADSTS70011: "),
        (READ, Some(("resource", "https://api.example")), "invalid_target", "AADSTS9010010: "),
    ] {
        let callback = visitor.sign_in_at(TENANT, scope, extra.as_slice()).await;
        assert_eq!(parameter(&callback, "error").as_deref(), Some(error));
        assert!(parameter(&callback, "error_description").unwrap().starts_with(code));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_can_be_found_by_its_ids() {
    let visitor = Visitor::new(Settings { unix_at_start: Some(784_111_777), ..Settings::entra() });
    let request = |id: Option<&str>| {
        let mut request = Request::post(path(TENANT, "token"));
        if let Some(id) = id {
            request = request.header("client-request-id", id);
        }
        request.body(Body::empty()).unwrap()
    };
    let named = visitor.send(request(Some("req-1"))).await;
    assert_eq!((named.text("correlation_id"), named.text("timestamp")), ("req-1", "1994-11-06 08:49:37Z"));
    let trace = named.text("trace_id");
    let end = format!("Trace ID: {trace} Correlation ID: req-1 Timestamp: 1994-11-06 08:49:37Z");
    assert!(named.text("error_description").ends_with(&end), "{}", named.body);
    assert_eq!(named.headers["x-ms-request-id"], trace);
    let fresh = visitor.send(request(None)).await;
    assert_eq!(fresh.text("correlation_id").len(), 36);
    assert_ne!(fresh.text("trace_id"), trace);
}

#[tokio::test(start_paused = true)]
async fn a_device_is_told_a_sentence_and_refreshes_default_alone() {
    let visitor = directory();
    let form = [("client_id", "practice-client"), ("scope", DEFAULT)];
    let begin = async || visitor.post(&path("common", "devicecode"), &form).await;
    let device = begin().await;
    assert!(device.text("message").contains(device.text("user_code")), "{}", device.body);
    assert!(device.body.get("verification_uri_complete").is_none());
    let uri = device.text("verification_uri").to_owned();
    let poll = async |device: &Reply| {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("client_id", "practice-client"),
            ("device_code", device.text("device_code")),
        ];
        visitor.redeem_at("common", &form).await
    };
    for _ in 0..2 {
        poll(&device).await.assert_code(400, "authorization_pending", 70_016);
    }
    visitor.practice.answer_device(&uri, device.text("user_code"), Some("ada")).await.unwrap();
    let login = poll(&device).await;
    assert_eq!(login.status, StatusCode::OK, "{:?}", login.body);
    let refresh =
        async |scope: &str| visitor.refresh_at(login.text("refresh_token"), &[("scope", scope)]).await;
    refresh(DEFAULT).await.assert_code(400, "invalid_grant", 70_000);
    assert_eq!(refresh("https://api.example/.default").await.status, StatusCode::OK);
    assert_eq!(refresh(READ).await.status, StatusCode::OK);

    let denied = begin().await;
    visitor.practice.answer_device(&uri, denied.text("user_code"), None).await.unwrap();
    poll(&denied).await.assert_code(400, "authorization_declined", 70_018);
    let late = begin().await;
    tokio::time::advance(Duration::from_mins(15)).await;
    poll(&late).await.assert_code(400, "expired_token", 70_020);
}

#[test]
fn every_guard_guards_a_resource_that_is_there() {
    let Dialect::Entra(entra) = Settings::entra().dialect else { panic!("another dialect") };
    for guarded in &entra.guarded {
        assert!(entra.resources.iter().any(|resource| resource.identifier == guarded.resource));
    }
}
