//! `GET /v1/sessions/{key}/attempts`.

use serde_json::{Value, json};
use testkit::practice::{Answer, Endpoint};

use super::{Caller, Reply};
use crate::testing::{START, World, pass};

const ATTEMPTS: &str = "/v1/sessions/default/attempts";
const CORRELATION: &str = "8a7b6c5d-0123-4567-89ab-0123456789ab";
const TRACE: &str = "3c1f3b4e-6f0a-4d5e-9d7a-1f2e3d4c5b6a";

/// A refusal as Entra writes it.
fn entra(error: &str, number: u64, suberror: &str) -> Answer {
    Answer::json(
        400,
        &json!({
            "error": error,
            "error_description": format!("AADSTS{number}: It was refused.\r\nTrace ID: {TRACE}\r\nCorrelation ID: \
                {CORRELATION}\r\nTimestamp: 2026-01-02 03:04:05Z"),
            "error_codes": [number], "timestamp": "2026-01-02 03:04:05Z", "trace_id": TRACE,
            "correlation_id": CORRELATION, "suberror": suberror, "claims": "{\"c4nary\":1}",
            "error_uri": format!("https://login.example.com/error?code={number}"),
        }),
    )
}

async fn attempts(caller: &Caller) -> Vec<Value> {
    let reply: Reply = caller.get(ATTEMPTS).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(!reply.text.contains("c4nary"));
    for secret in caller.world.practice.ledger().secrets() {
        assert!(!reply.text.contains(&secret.text), "{:?}", secret.kind);
    }
    assert_eq!(reply.body["session"], "default");
    reply.body["attempts"].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_refused_refresh_is_told_with_cause_and_next_step_even_after_a_restart() {
    let caller = Caller::signed_in().await;
    caller.world.script([entra("invalid_grant", 700_082, "bad_token")]);
    pass(2760).await;
    let known = attempts(&caller).await;
    let refused = &known[0];
    for (field, expected) in [
        ("action", json!("refresh")),
        ("outcome", json!("refused")),
        ("error", json!("invalid_grant")),
        ("error_description", json!("AADSTS700082: It was refused.")),
        ("codes", json!([700_082])),
        ("correlation_id", json!(CORRELATION)),
        ("trace_id", json!(TRACE)),
        ("count", json!(null)),
        ("flow", json!(null)),
    ] {
        assert_eq!(refused[field], expected, "{field}");
    }
    assert!(refused["cause"].as_str().unwrap().contains("not used"), "{refused}");
    assert!(refused["next_step"].as_str().unwrap().contains("`fourinsightctl login`"), "{refused}");
    assert!(refused["at"].as_u64().unwrap() > START, "{refused}");

    let Caller { world, api, router } = caller;
    drop((api, router));
    let caller = Caller::of(world.restarted().await);
    let after = attempts(&caller).await;
    assert_eq!((after.len(), &after[0]), (1, refused));
}

#[tokio::test(start_paused = true)]
async fn what_works_is_counted_and_what_does_not_is_in_between() {
    let caller = Caller::signed_in().await;
    caller.world.script([Answer::genuine(), Answer::genuine(), Answer::status(503), Answer::close()]);
    pass(9000).await;
    let told: Vec<_> = attempts(&caller)
        .await
        .iter()
        .rev()
        .map(|attempt| {
            let text = |name: &str| attempt[name].as_str().unwrap_or_default().to_owned();
            (text("outcome"), text("error"), attempt["count"].as_u64())
        })
        .collect();
    let expected = |outcome: &str, error: &str, count| (outcome.to_owned(), error.to_owned(), count);
    assert_eq!(
        told,
        [
            expected("succeeded", "", Some(2)),
            expected("failed", "temporarily_unavailable", None),
            expected("failed", "server_unreachable", None),
            expected("succeeded", "", None),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_login_that_failed_before_the_session_existed_is_told() {
    let caller = Caller::of(World::new().await);
    caller.get(ATTEMPTS).await.is_error(404, "not_found");

    let log_in = async |body: Value| caller.post("/v1/logins", &body.to_string()).await;
    log_in(json!({ "profile": "nobodys" })).await.is_error(400, "invalid_request");
    caller.world.practice.answer_next(Endpoint::Discovery, [Answer::status(503), Answer::status(503)]);
    log_in(json!({ "profile": "work" })).await.is_error(503, "temporarily_unavailable");
    let refusal = entra("invalid_client", 7_000_218, "basic_action");
    caller.world.practice.answer_next(Endpoint::DeviceAuthorization, [refusal]);
    log_in(json!({ "profile": "work", "flow": "device" })).await.is_error(400, "invalid_request");
    let begun = log_in(json!({ "profile": "work" })).await.body;
    caller.delete(&format!("/v1/logins/{}", begun["id"].as_str().unwrap())).await;

    let known = attempts(&caller).await;
    let [cancelled, refused, unavailable, unplanned] = &known[..] else { panic!("{known:?}") };
    assert_eq!((&cancelled["flow"], &cancelled["outcome"]), (&json!("browser"), &json!("cancelled")));
    assert!(cancelled["cause"].is_string() && cancelled["error"].is_null(), "{cancelled}");
    assert_eq!(unavailable["outcome"], "failed");
    assert_eq!(unavailable["error"], "temporarily_unavailable");
    assert_eq!((&refused["flow"], &refused["outcome"]), (&json!("device"), &json!("refused")));
    assert_eq!((&refused["codes"], &refused["suberror"]), (&json!([7_000_218]), &json!("basic_action")));
    assert_eq!(refused["error_uri"], "https://login.example.com/error?code=7000218");
    assert!(refused["next_step"].as_str().unwrap().contains("Allow public client flows"), "{refused}");
    assert_eq!((&unplanned["flow"], &unplanned["cause"]), (&json!(null), &json!(null)));
    assert_eq!(unplanned["error"], "invalid_request");
    assert!(unplanned["next_step"].as_str().unwrap().contains("work"), "{unplanned}");
    caller.get("/v1/sessions/default").await.is_error(404, "not_found");
}

#[tokio::test(start_paused = true)]
async fn a_revocation_and_a_session_without_a_history_are_told() {
    let world = World::signed_in().await.restarted().await;
    let caller = Caller::of(world);
    assert_eq!(attempts(&caller).await, Vec::<Value>::new());
    caller.world.practice.answer_next(Endpoint::Revocation, [Answer::error(400, "invalid_client")]);
    assert_eq!(caller.delete("/v1/sessions/default").await.body["revocation"], "failed");
    let known = attempts(&caller).await;
    assert_eq!(known.len(), 1);
    assert_eq!((&known[0]["action"], &known[0]["error"]), (&json!("revocation"), &json!("invalid_client")));
    assert!(known[0]["cause"].is_string(), "{known:?}");
}

#[tokio::test(start_paused = true)]
async fn hostile_words_are_cleaned_and_cut() {
    let caller = Caller::signed_in().await;
    let token = "8xLOxBtZp8AbCdEfGhIjKlMnOpQrStUvWxYz0123";
    let body = json!({
        "error": "inv\u{1b}[2Jalid", "error_description": format!("\u{202e}{token} {}", "x ".repeat(100_000)),
        "trace_id": "\u{1b}]0;x\u{7}", "correlation_id": token, "suberror": "x".repeat(1000),
        "error_uri": "javascript:alert(1)", "error_codes": "many",
    });
    caller.world.script([Answer::json(400, &body)]);
    pass(2760).await;
    let known = attempts(&caller).await;
    let told = known.iter().find(|attempt| attempt["error"] == "inv[2Jalid").unwrap();
    let words = told["error_description"].as_str().unwrap();
    assert!(words.starts_with("[…] x x") && words.chars().count() == 200, "{words}");
    for field in ["trace_id", "correlation_id", "suberror", "error_uri", "codes"] {
        assert!(told[field].is_null(), "{field}: {told}");
    }
    assert!(told["cause"].is_string());
}
