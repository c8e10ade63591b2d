//! The device flow: codes, polls, the person's page.

use std::time::Duration;

use super::*;
use crate::practice::{DeviceFlow, SecretKind};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn server(change: impl FnOnce(&mut DeviceFlow)) -> Visitor {
    let mut flow = DeviceFlow::default();
    change(&mut flow);
    Visitor::new(Settings { device_flow: Some(flow), ..Settings::default() })
}

impl Visitor {
    async fn device(&self) -> Reply {
        let reply = self
            .post("/device_authorization", &[("client_id", "practice-client"), ("scope", FULL_SCOPE)])
            .await;
        assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
        reply
    }

    async fn poll(&self, device: &Reply) -> Reply {
        let form = [
            ("grant_type", GRANT_TYPE),
            ("client_id", "practice-client"),
            ("device_code", device.text("device_code")),
        ];
        self.post("/token", &form).await
    }

    async fn decide(&self, device: &Reply, username: Option<&str>) -> anyhow::Result<()> {
        let uri = format!("{ISSUER}/device");
        self.practice.answer_device(&uri, device.text("user_code"), username).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_is_signed_in_when_its_person_allows_it() {
    let visitor = server(|_| {});
    let device = visitor.device().await;
    assert_eq!(device.text("verification_uri"), format!("{ISSUER}/device"));
    let complete = format!("{ISSUER}/device?user_code={}", device.text("user_code"));
    assert_eq!(device.text("verification_uri_complete"), complete);
    assert_eq!((&device.body["expires_in"], &device.body["interval"]), (&900.into(), &5.into()));
    visitor.poll(&device).await.assert_error(400, "authorization_pending");
    visitor.decide(&device, Some("grace")).await.unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    let granted = visitor.poll(&device).await;
    assert_eq!(granted.status, StatusCode::OK, "{:?}", granted.body);
    assert_eq!(claims(granted.text("id_token"))["sub"], "subject-of-grace");
    let refreshed = visitor.refresh(granted.text("refresh_token"), &[]).await;
    assert_eq!(refreshed.status, StatusCode::OK);
    let ledger = visitor.practice.ledger();
    assert!(ledger.secrets_of(SecretKind::DeviceCode).eq([device.text("device_code")]));

    // A second redemption looks like theft.
    tokio::time::advance(Duration::from_secs(5)).await;
    visitor.poll(&device).await.assert_error(400, "invalid_grant");
    assert_eq!(visitor.practice.verdict(granted.text("access_token")), Verdict::Revoked);
}

#[tokio::test(start_paused = true)]
async fn polls_that_come_too_early_make_the_interval_longer() {
    let visitor = server(|_| {});
    let device = visitor.device().await;
    visitor.poll(&device).await.assert_error(400, "authorization_pending");
    tokio::time::advance(Duration::from_secs(4)).await;
    visitor.poll(&device).await.assert_error(400, "slow_down");
    tokio::time::advance(Duration::from_secs(9)).await;
    visitor.poll(&device).await.assert_error(400, "slow_down");
    tokio::time::advance(Duration::from_secs(15)).await;
    visitor.poll(&device).await.assert_error(400, "authorization_pending");
}

#[tokio::test(start_paused = true)]
async fn a_denial_and_an_expiry_come_with_the_status_that_the_server_likes() {
    for status in [200, 403, 428] {
        let visitor = server(|flow| flow.error_status = status);
        let device = visitor.device().await;
        visitor.poll(&device).await.assert_error(status, "authorization_pending");
        visitor.decide(&device, None).await.unwrap();
        tokio::time::advance(Duration::from_secs(5)).await;
        visitor.poll(&device).await.assert_error(status, "access_denied");
        tokio::time::advance(Duration::from_mins(15)).await;
        visitor.poll(&device).await.assert_error(status, "expired_token");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_takes_one_answer_to_a_code_that_lives() {
    let visitor = server(|_| {});
    let device = visitor.device().await;
    visitor.decide(&device, Some("ada")).await.unwrap();
    assert!(visitor.decide(&device, Some("grace")).await.is_err(), "decided already");
    let late = visitor.device().await;
    tokio::time::advance(Duration::from_mins(15)).await;
    assert!(visitor.decide(&late, Some("ada")).await.is_err(), "too late");
    assert_eq!(visitor.get("/device?user_code=XXXX-XXXX", None).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(visitor.get("/device", None).await.status, StatusCode::OK);
    assert_eq!(visitor.post("/device", &[("decision", "deny")]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn only_who_asked_may_poll_and_only_for_what_is_there() {
    let visitor = server(|_| {});
    let device = visitor.device().await;
    let confidential = Client::confidential();
    let form = [
        ("grant_type", GRANT_TYPE),
        ("client_id", confidential.id.as_str()),
        ("client_secret", confidential.secret.as_deref().unwrap()),
        ("device_code", device.text("device_code")),
    ];
    visitor.post("/token", &form).await.assert_error(400, "invalid_grant");
    let nobody = [("client_id", "nobody")];
    visitor.post("/device_authorization", &nobody).await.assert_error(401, "invalid_client");
    let everything = [("client_id", "practice-client"), ("scope", "everything")];
    visitor.post("/device_authorization", &everything).await.assert_error(400, "invalid_scope");

    let without = Visitor::new(Settings { device_flow: None, ..Settings::default() });
    let metadata = without.get("/.well-known/openid-configuration", None).await;
    assert!(metadata.body.get("device_authorization_endpoint").is_none());
    assert_eq!(without.post("/device_authorization", &[]).await.status, StatusCode::NOT_FOUND);
    without.poll(&device).await.assert_error(400, "unsupported_grant_type");
}

#[tokio::test(start_paused = true)]
async fn it_can_speak_as_google_does() {
    let visitor = server(|flow| {
        flow.verification_url = true;
        flow.announces_expiry = false;
    });
    let device = visitor.device().await;
    assert_eq!(device.text("verification_url"), format!("{ISSUER}/device"));
    for absent in ["verification_uri", "verification_uri_complete", "expires_in"] {
        assert!(device.body.get(absent).is_none(), "{absent}");
    }
}
