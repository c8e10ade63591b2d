//! Claims at Entra's endpoints: what a token request asks for, what an API demands, and what only a login brings.

use std::time::Duration;

use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{
    entra::{DEFAULT, READ, TENANT, directory},
    *,
};

const CAPABLE: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;

/// What the API says to a token, and the claims that it demands when it does.
async fn api(visitor: &Visitor, access_token: &str) -> (u16, Option<Value>) {
    let reply = visitor.get("/api/hello", Some(access_token)).await;
    let demanded = reply.headers.get("www-authenticate").map(|challenge| {
        let challenge = challenge.to_str().unwrap();
        assert!(challenge.starts_with("Bearer ") && challenge.contains("error=\"insufficient_claims\""));
        let (_, claims) = challenge.split_once("claims=\"").unwrap();
        serde_json::from_slice(&STANDARD.decode(claims.trim_end_matches('"')).unwrap()).unwrap()
    });
    (reply.status.as_u16(), demanded)
}

#[tokio::test(start_paused = true)]
async fn an_api_demands_claims_of_clients_that_can_answer_and_of_no_others() {
    let visitor = directory();
    let login = visitor.login_at(TENANT, READ).await;
    let refresh_token = login.text("refresh_token").to_owned();
    let capable = visitor.refresh_at(&refresh_token, &[("claims", CAPABLE)]).await;
    let capable = capable.text("access_token").to_owned();
    let record = visitor.practice.access_token(&capable).unwrap();
    assert_eq!(record.capabilities().collect::<Vec<_>>(), ["cp1"]);
    assert_eq!(api(&visitor, &capable).await, (200, None));

    visitor.practice.end_sessions();
    assert_eq!(api(&visitor, login.text("access_token")).await, (200, None));
    let (status, demanded) = api(&visitor, &capable).await;
    let demanded = demanded.unwrap();
    assert_eq!((status, demanded["access_token"]["nbf"]["essential"].as_bool()), (401, Some(true)));
    // A token of the same second may be from before.
    let same = visitor.refresh_at(&refresh_token, &[("claims", CAPABLE)]).await;
    assert_eq!(api(&visitor, same.text("access_token")).await.0, 401);
    let mut claims = demanded;
    claims["access_token"]["xms_cc"] = json!({ "values": ["cp1"] });
    let answered = visitor.refresh_at(&refresh_token, &[("claims", &claims.to_string())]).await;
    assert_eq!(api(&visitor, answered.text("access_token")).await, (200, None));
    tokio::time::advance(Duration::from_secs(1)).await;
    let later = visitor.refresh_at(&refresh_token, &[("claims", CAPABLE)]).await;
    assert_eq!(api(&visitor, later.text("access_token")).await, (200, None));

    let demand = json!({ "access_token": { "acrs": { "essential": true, "value": "c1" } } });
    visitor.practice.demand_claims(&demand);
    assert_eq!(api(&visitor, later.text("access_token")).await, (401, Some(demand)));
    let step = r#"{"access_token":{"acrs":{"value":"c1"},"xms_cc":{"values":["cp1"]}}}"#;
    let stepped = visitor.refresh_at(&refresh_token, &[("claims", step)]).await;
    assert_eq!(api(&visitor, stepped.text("access_token")).await, (200, None));
    visitor.refresh_at(&refresh_token, &[("claims", "cp1")]).await.assert_code(
        400,
        "invalid_request",
        900_023,
    );
}

#[tokio::test(start_paused = true)]
async fn consent_is_missing_until_a_login_asks_for_the_api() {
    let visitor = directory();
    let scope = "https://unconsented.example/.default";
    let without = visitor.login_at(TENANT, DEFAULT).await.text("refresh_token").to_owned();
    let reply = visitor.refresh_at(&without, &[("scope", scope)]).await;
    reply.assert_code(400, "invalid_grant", 65_001);
    assert_eq!(reply.text("suberror"), "consent_required");
    let other = [("scope", "https://other.example/.default")];
    assert_eq!(visitor.refresh_at(&without, &other).await.status, StatusCode::OK);

    let with = visitor.login_at(TENANT, &format!("offline_access {scope}")).await;
    let reply = visitor.refresh_at(with.text("refresh_token"), &[("scope", scope)]).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    visitor.refresh_at(&without, &[("scope", scope)]).await.assert_code(400, "invalid_grant", 65_001);
}

#[tokio::test(start_paused = true)]
async fn proof_is_missing_until_a_login_carries_the_claims_that_the_refusal_names() {
    let visitor = directory();
    let guarded = [("scope", "https://guarded.example/.default")];
    let login = visitor.login_at(TENANT, READ).await;
    let refused = visitor.refresh_at(login.text("refresh_token"), &guarded).await;
    refused.assert_code(400, "interaction_required", 50_076);
    let claims = refused.text("claims");

    let callback = visitor.sign_in_at(TENANT, DEFAULT, &[("claims", claims)]).await;
    let code = parameter(&callback, "code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "practice-client"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let login = visitor.redeem_at(TENANT, &form).await;
    let reply = visitor.refresh_at(login.text("refresh_token"), &guarded).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    let callback = visitor.sign_in_at(TENANT, READ, &[("claims", "{")]).await;
    assert_eq!(parameter(&callback, "error").as_deref(), Some("invalid_request"));
}
