//! `POST /v1/sessions/{key}/rejections`.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use testkit::practice::{Answer, Gate};

use super::{Caller, Reply};
use crate::testing::pass;

const TOKEN: &str = "/v1/sessions/default/token";
const REJECTIONS: &str = "/v1/sessions/default/rejections";
const STATUS: &str = "/v1/sessions/default";

impl Caller {
    async fn token_id(&self) -> Value {
        self.get(TOKEN).await.body["token_id"].clone()
    }

    async fn reject(&self, id: &Value, www_authenticate: &str) -> Reply {
        let body = json!({ "token_id": id, "www_authenticate": www_authenticate });
        let reply = self.post(REJECTIONS, &body.to_string()).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        assert!(!reply.body["description"].as_str().unwrap().is_empty());
        reply
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_accepted_and_the_token_is_gone() {
    let caller = Caller::signed_in().await;
    let before = caller.token_id().await;
    // The renewal is under way for as long as all of them report.
    let gate = Gate::new();
    caller.world.script([Answer::genuine().held_by(&gate)]);
    let rejection = json!({
        "token_id": before, "www_authenticate": "Bearer error=\"invalid_token\"", "later": [1],
    });
    for _ in 0..3 {
        let reply = caller.post(REJECTIONS, &rejection.to_string()).await;
        assert_eq!((reply.status, &reply.body["outcome"]), (202, &json!("renewing")));
        assert_eq!(reply.fields(), ["description", "outcome"]);
    }
    gate.open();
    assert_ne!(caller.token_id().await, before);
    assert_eq!(caller.world.refreshes(), 1);
    let late = caller.post(REJECTIONS, &rejection.to_string()).await;
    assert_eq!((late.status, &late.body["outcome"]), (202, &json!("unknown_token")));
}

#[tokio::test(start_paused = true)]
async fn a_malformed_rejection_is_refused() {
    let caller = Caller::signed_in().await;
    for body in
        ["", "{}", "[]", "{\"token_id\":7}", "{\"token_id\":\"not hexadecimal\"}", "{\"token_id\":\"\"}"]
    {
        caller.post(REJECTIONS, body).await.is_error(400, "invalid_request");
    }
    let long = json!({ "token_id": "0", "www_authenticate": "x".repeat(70_000) }).to_string();
    caller.post(REJECTIONS, &long).await.is_error(413, "payload_too_large");
    let unknown = json!({ "token_id": "00000000000000ff" }).to_string();
    caller.post("/v1/sessions/nobody/rejections", &unknown).await.is_error(404, "not_found");
    let reply = caller.post(REJECTIONS, &unknown).await;
    assert_eq!((reply.status, &reply.body["outcome"]), (202, &json!("unknown_token")));
}

#[tokio::test(start_paused = true)]
async fn a_header_that_cannot_be_read_is_a_plain_rejection() {
    for header in ["", "\"", "Bearer claims=\"%%%\"", "é\u{1}=", &"x".repeat(9000)] {
        let caller = Caller::signed_in().await;
        let before = caller.token_id().await;
        assert_eq!(caller.reject(&before, header).await.body["outcome"], "renewing", "{header}");
        assert_ne!(caller.token_id().await, before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_claims_challenge_goes_to_the_server_and_into_no_answer() {
    let caller = Caller::signed_in().await;
    let before = caller.token_id().await;
    let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
    let header = format!(
        "Basic realm=\"x\", Bearer error=\"insufficient_claims\", claims=\"{}\"",
        BASE64_STANDARD.encode(claims)
    );
    let reply = caller.reject(&before, &header).await;
    assert_eq!(reply.body["outcome"], "renewing");
    assert!(!reply.text.contains("1604106651"));
    assert_ne!(caller.token_id().await, before);
    let ledger = caller.world.practice.ledger();
    assert_eq!(ledger.token_requests("refresh_token")[0].form.get("claims"), Some(claims));
}

#[tokio::test(start_paused = true)]
async fn a_missing_scope_is_named_and_the_token_stays() {
    let caller = Caller::signed_in().await;
    let before = caller.token_id().await;
    let header = "Bearer error=\"insufficient_scope\", scope=\"api admin:all read\"";
    let reply = caller.reject(&before, header).await;
    assert_eq!(
        (&reply.body["outcome"], &reply.body["scope"]),
        (&json!("insufficient_scope"), &json!("admin:all"))
    );
    assert_eq!(caller.token_id().await, before);
    pass(60).await;
    assert_eq!(caller.world.refreshes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stronger_login_is_a_problem_of_the_session_until_it_has_come() {
    let caller = Caller::signed_in().await;
    let before = caller.token_id().await;
    let header = "Bearer error=\"insufficient_user_authentication\", acr_values=\"phr\", max_age=\"60\"";
    let reply = caller.reject(&before, header).await;
    assert_eq!(reply.body["outcome"], "interaction_required");
    assert!(
        reply.body["description"].as_str().unwrap().ends_with("run `fourinsightctl login`"),
        "{}",
        reply.text
    );
    assert_eq!(caller.token_id().await, before, "other APIs take it");
    let status = caller.get(STATUS).await;
    assert_eq!(status.body["state"], "signed_in");
    assert_eq!(status.body["problem"]["error"], "insufficient_user_authentication");
    caller.world.sign_in().await;
    assert_eq!(caller.get(STATUS).await.body["problem"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_refuses_everything_is_told_how_long_to_wait() {
    let caller = Caller::signed_in().await;
    let first = caller.token_id().await;
    caller.reject(&first, "Bearer").await;
    let second = caller.token_id().await;
    let reply = caller.reject(&second, "Bearer").await;
    assert_eq!((&reply.body["outcome"], &reply.body["retry_after"]), (&json!("paused"), &json!(30)));
}

#[tokio::test(start_paused = true)]
async fn a_challenge_that_wants_a_person_stops_its_audience_only() {
    let caller = Caller::signed_in().await;
    let own = caller.token_id().await;
    let read = format!("{TOKEN}?scope=read");
    let before = caller.get(&read).await.body["token_id"].clone();
    caller.world.script([Answer::error(400, "interaction_required")]);
    let header =
        format!("Bearer error=insufficient_claims, claims={}", BASE64_STANDARD.encode("{\"a\":null}"));
    caller.reject(&before, &header).await;
    caller.get(&read).await.is_error(409, "interaction_required");
    let again = caller.reject(&before, &header).await;
    assert_eq!(again.body["outcome"], "interaction_required");
    assert_eq!(caller.token_id().await, own);
}
