//! The dialects of GitHub, Auth0 and 4insight.

use std::time::Duration;

use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

impl Visitor {
    /// A code at a server whose authorization endpoint is elsewhere.
    async fn code_at(&self, path: &str, scope: &str, extra: &[(&str, &str)]) -> String {
        let uri = Self::authorization_uri(scope, extra).replace("/authorize", path);
        parameter(&self.practice.sign_in(&uri, "ada").await.unwrap(), "code").unwrap()
    }

    /// Answered in JSON, because that is asked for.
    async fn post_for_json(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json");
        self.send(request.body(Body::from(body)).unwrap()).await
    }
}

const GITHUB: &str = "/login/oauth/access_token";

#[tokio::test(start_paused = true)]
async fn github_answers_forms_and_commas_and_rotates_without_being_asked() {
    let visitor = Visitor::new(Settings::github());
    let code = visitor.code_at("/login/oauth/authorize", "repo gist unknown", &[]).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "practice-client"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let body = Serializer::new(String::new()).extend_pairs(form).finish();
    let request = Request::post(GITHUB).header("content-type", "application/x-www-form-urlencoded");
    let response = visitor.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-www-form-urlencoded; charset=utf-8");
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let pairs: Vec<_> = url::form_urlencoded::parse(&bytes).into_owned().collect();
    let field = |name: &str| pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    assert_eq!((field("scope"), field("token_type")), (Some("repo,gist"), Some("bearer")));
    assert_eq!(field("expires_in"), Some("28800"));
    assert_eq!(field("refresh_token_expires_in"), Some("15897600"));

    let refresh = async |token: &str| {
        let form =
            [("grant_type", "refresh_token"), ("client_id", "practice-client"), ("refresh_token", token)];
        visitor.post_for_json(GITHUB, &form).await
    };
    let refreshed = refresh(field("refresh_token").unwrap()).await;
    assert_eq!(refreshed.text("scope"), "repo,gist");
    assert!(refreshed.body.get("id_token").is_none());
    refresh(field("refresh_token").unwrap()).await.assert_error(200, "bad_refresh_token");
    refresh("unknown").await.assert_error(200, "bad_refresh_token");
}

#[tokio::test(start_paused = true)]
async fn github_refuses_with_status_200_and_has_no_metadata() {
    let visitor = Visitor::new(Settings::github());
    let confidential = Client::confidential();
    let id = confidential.id.as_str();
    let table: [(&[(&str, &str)], &str); 5] = [
        (&[("client_id", "nobody"), ("code", "x")], "incorrect_client_credentials"),
        (&[("client_id", id), ("client_secret", "wrong")], "incorrect_client_credentials"),
        (
            &[("grant_type", "authorization_code"), ("client_id", "practice-client"), ("code", "x")],
            "bad_verification_code",
        ),
        (
            &[("grant_type", DEVICE), ("client_id", "practice-client"), ("device_code", "x")],
            "incorrect_device_code",
        ),
        (&[("grant_type", "x"), ("client_id", "practice-client")], "unsupported_grant_type"),
    ];
    for (form, error) in table {
        visitor.post_for_json(GITHUB, form).await.assert_error(200, error);
    }
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/revoke",
        "/userinfo",
        "/token",
    ] {
        assert_eq!(visitor.get(path, None).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn github_slows_a_device_down_by_a_new_interval() {
    let visitor = Visitor::new(Settings::github());
    let begin = [("client_id", "practice-client"), ("scope", "repo")];
    let device = visitor.post_for_json("/login/device/code", &begin).await;
    assert!(device.body.get("verification_uri_complete").is_none());
    let poll = async || {
        let form = [
            ("grant_type", DEVICE),
            ("client_id", "practice-client"),
            ("device_code", device.text("device_code")),
        ];
        visitor.post_for_json(GITHUB, &form).await
    };
    poll().await.assert_error(200, "authorization_pending");
    let slower = poll().await;
    slower.assert_error(200, "slow_down");
    assert_eq!(slower.body["interval"], 10);
    let uri = device.text("verification_uri");
    visitor.practice.answer_device(uri, device.text("user_code"), Some("ada")).await.unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(poll().await.text("scope"), "repo");
}

#[tokio::test(start_paused = true)]
async fn auth0_has_a_slash_an_audience_and_says_403() {
    let visitor = Visitor::new(Settings::auth0());
    let metadata = visitor.get("/.well-known/openid-configuration", None).await.body;
    assert_eq!(metadata["issuer"], format!("{ISSUER}/"));
    assert_eq!(metadata["token_endpoint"], format!("{ISSUER}/oauth/token"));
    assert_eq!(metadata["revocation_endpoint"], format!("{ISSUER}/oauth/revoke"));
    let audience = ("audience", "https://api.example");
    let code = visitor.code_at("/authorize", "openid offline_access read unknown", &[audience]).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "practice-client"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let login = visitor.post("/oauth/token", &form).await;
    assert_eq!(login.text("scope"), "openid offline_access read");
    assert_eq!(claims(login.text("id_token"))["iss"], format!("{ISSUER}/"));
    let access_token = visitor.practice.access_token(login.text("access_token")).unwrap();
    assert_eq!(access_token.audience, ["https://api.example"]);
    visitor.post("/oauth/token", &form).await.assert_error(403, "invalid_grant");
    assert_eq!(visitor.practice.verdict(login.text("access_token")), Verdict::Revoked);

    let unknown = Visitor::authorization_uri("openid", &[("audience", "https://nowhere.example")]);
    let callback = visitor.practice.sign_in(&unknown, "ada").await.unwrap();
    assert_eq!(parameter(&callback, "error").as_deref(), Some("access_denied"));
}

#[tokio::test(start_paused = true)]
async fn auth0_kills_the_family_of_a_reused_refresh_token() {
    let visitor = Visitor::new(Settings::auth0());
    let code = visitor.code_at("/authorize", "openid offline_access", &[]).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "practice-client"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let first = visitor.post("/oauth/token", &form).await;
    let refresh = async |reply: &Reply| {
        let token = reply.text("refresh_token");
        let form =
            [("grant_type", "refresh_token"), ("client_id", "practice-client"), ("refresh_token", token)];
        visitor.post("/oauth/token", &form).await
    };
    let second = refresh(&first).await;
    assert_eq!(second.status, StatusCode::OK);
    refresh(&first).await.assert_error(403, "invalid_grant");
    refresh(&second).await.assert_error(403, "invalid_grant");
}

#[tokio::test(start_paused = true)]
async fn auth0_refuses_devices_and_clients_with_its_own_statuses() {
    let visitor = Visitor::new(Settings::auth0());
    let device = visitor.post("/oauth/device/code", &[("client_id", "practice-client")]).await;
    let form = [
        ("grant_type", DEVICE),
        ("client_id", "practice-client"),
        ("device_code", device.text("device_code")),
    ];
    visitor.post("/oauth/token", &form).await.assert_error(403, "authorization_pending");
    visitor.post("/oauth/token", &form).await.assert_error(429, "slow_down");

    let client = Client::confidential();
    let secret = client.secret.as_deref().unwrap();
    let itself = async |secret: &str, extra: &[(&str, &str)]| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client.id.as_str()),
            ("client_secret", secret),
        ];
        visitor.post("/oauth/token", &[&form, extra].concat()).await
    };
    itself("wrong", &[]).await.assert_error(401, "access_denied");
    itself(secret, &[]).await.assert_error(403, "access_denied");
    itself(secret, &[("audience", "https://nowhere.example")]).await.assert_error(403, "access_denied");
    let granted = itself(secret, &[("audience", "https://api.example")]).await;
    assert_eq!(granted.status, StatusCode::OK, "{:?}", granted.body);
}

const FOURINSIGHT: &str = "/4subseaid.onmicrosoft.com/oauth2/v2.0/token";

#[tokio::test(start_paused = true)]
async fn fourinsights_page_takes_its_two_requests_and_no_other() {
    let visitor = Visitor::new(Settings::fourinsight());
    let client = visitor.practice.settings().clients[0].clone();
    let (id, secret) = (client.id.as_str(), client.secret.as_deref().unwrap());
    assert!(secret.contains('~'));
    let package = async || {
        let text = visitor.practice.sign_in_for_package(&format!("{ISSUER}/auth"), "ada").await.unwrap();
        let package: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(package["endpoint"], format!("{ISSUER}{FOURINSIGHT}"));
        package["code"].as_str().unwrap().to_owned()
    };
    let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let code = package().await;
    let exchange = [("grant_type", "authorization_code"), ("code", code.as_str())];
    for extra in [("client_id", id), ("scope", "openid"), ("redirect_uri", ""), ("code", "twice")] {
        let form = [&exchange[..], &[extra]].concat();
        visitor.post_as(FOURINSIGHT, &form, Some(&basic(secret))).await.assert_error(400, "invalid_request");
    }
    let encoded = basic(&secret.replace('~', "%7E"));
    visitor.post_as(FOURINSIGHT, &exchange, Some(&encoded)).await.assert_error(401, "invalid_client");
    let login = visitor.post_as(FOURINSIGHT, &exchange, Some(&basic(secret))).await;
    assert_eq!(login.status, StatusCode::OK, "{:?}", login.body);

    let token = login.text("refresh_token");
    let refresh = [("grant_type", "refresh_token"), ("client_secret", secret), ("refresh_token", token)];
    let named = [&refresh[..], &[("client_id", id)]].concat();
    assert!(visitor.post(FOURINSIGHT, &named).await.status.is_client_error());
    let by_header = [("grant_type", "refresh_token"), ("refresh_token", token)];
    assert!(visitor.post_as(FOURINSIGHT, &by_header, Some(&basic(secret))).await.status.is_client_error());
    assert_eq!(visitor.post(FOURINSIGHT, &refresh).await.status, StatusCode::OK);
    let itself = [("grant_type", "client_credentials")];
    assert!(visitor.post_as(FOURINSIGHT, &itself, Some(&basic(secret))).await.status.is_client_error());
}

#[tokio::test(start_paused = true)]
async fn fourinsights_service_signs_in_itself() {
    let visitor = Visitor::new(Settings::fourinsight());
    let service = visitor.practice.settings().clients[1].clone();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", service.id.as_str()),
        ("client_secret", service.secret.as_deref().unwrap()),
        ("scope", "https://4subseaid.onmicrosoft.com/4insight-api-prod/.default"),
    ];
    let reply = visitor.post(FOURINSIGHT, &form).await;
    assert_eq!((reply.status, &reply.body["token_type"]), (StatusCode::OK, &json!("Bearer")));
}
