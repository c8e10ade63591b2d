//! Scripted answers, gates, and waiting for the ledger.

use std::time::Duration;

use super::*;
use crate::practice::{Answer, Endpoint, Gate, fault};

#[tokio::test(start_paused = true)]
async fn a_scripted_answer_replaces_one_request_and_spends_nothing() {
    let visitor = Visitor::new(Settings::default());
    let first = visitor.login(FULL_SCOPE).await;
    let refused = Answer::error(503, "temporarily_unavailable").header("retry-after", "7");
    visitor.practice.answer_next_token_requests([refused, Answer::status(200).body("<html>")]);
    let reply = visitor.refresh(first.text("refresh_token"), &[]).await;
    reply.assert_error(503, "temporarily_unavailable");
    assert_eq!(reply.headers["retry-after"], "7");
    assert_eq!(visitor.refresh(first.text("refresh_token"), &[]).await.body, Value::Null);
    assert_eq!(visitor.refresh(first.text("refresh_token"), &[]).await.status, StatusCode::OK);
    let ledger = visitor.practice.ledger();
    assert_eq!(ledger.token_requests("refresh_token").len(), 3);
    assert_eq!((ledger.refreshes().len(), ledger.reuse_events().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_lost_after_committing_makes_the_retry_a_reuse() {
    let visitor = Visitor::new(Settings::default());
    let first = visitor.login(FULL_SCOPE).await;
    visitor.practice.answer_next_token_requests([Answer::close().after_committing()]);
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "practice-client"),
        ("refresh_token", first.text("refresh_token")),
    ];
    let request = Request::post("/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(Serializer::new(String::new()).extend_pairs(form).finish()))
        .unwrap();
    let response = visitor.router.clone().oneshot(request).await.unwrap();
    assert!(fault::is_lost(&response));
    let ledger = visitor.practice.ledger();
    assert_eq!(ledger.refreshes().len(), 1);
    assert_eq!(ledger.token_requests("refresh_token")[0].status, None);
    visitor.refresh(first.text("refresh_token"), &[]).await.assert_error(400, "invalid_grant");
    assert_eq!(visitor.practice.ledger().reuse_events().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_gate_holds_requests_before_or_after_committing() {
    for after_committing in [false, true] {
        let visitor = Visitor::new(Settings::default());
        let token = visitor.login(FULL_SCOPE).await.text("refresh_token").to_owned();
        let gate = Gate::new();
        let held = Answer::genuine().held_by(&gate);
        let held = if after_committing { held.after_committing() } else { held };
        visitor.practice.answer_next_token_requests([held]);
        let waiting = tokio::spawn({
            let visitor = visitor.clone();
            async move { visitor.refresh(&token, &[]).await.status }
        });
        gate.arrived(1).await;
        assert_eq!(gate.arrivals(), 1);
        assert!(!waiting.is_finished());
        assert_eq!(visitor.practice.ledger().refreshes().len(), usize::from(after_committing));
        gate.open();
        assert_eq!(waiting.await.unwrap(), StatusCode::OK);
        assert_eq!(visitor.practice.ledger().refreshes().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn delays_run_in_tokios_time_and_a_hang_outlasts_them() {
    let visitor = Visitor::new(Settings::default());
    let late = Answer::genuine().delayed(Duration::from_mins(10));
    visitor.practice.answer_next(Endpoint::Jwks, [late, Answer::hang()]);
    let before = tokio::time::Instant::now();
    assert_eq!(visitor.get("/jwks", None).await.status, StatusCode::OK);
    assert!((600..601).contains(&before.elapsed().as_secs()));
    let hanging = tokio::time::timeout(Duration::from_hours(24), visitor.get("/jwks", None));
    assert!(hanging.await.is_err());
    assert_eq!(visitor.get("/jwks", None).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_ledger_ends_when_it_is_met() {
    let visitor = Visitor::new(Settings::default());
    let waiting = tokio::spawn({
        let practice = visitor.practice.clone();
        async move { practice.wait_until(|ledger| ledger.requests(Endpoint::Jwks).count() == 2).await }
    });
    visitor.get("/jwks", None).await;
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    visitor.get("/jwks", None).await;
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn made_up_id_tokens_are_signed_and_remembered() {
    let visitor = Visitor::new(Settings::default());
    let id_token = visitor.practice.sign_id_token(&serde_json::json!({ "sub": "someone else" }));
    assert_eq!(claims(&id_token)["sub"], "someone else");
    assert!(visitor.practice.ledger().secrets().iter().any(|secret| secret.text == id_token));
}
