//! Failures that decide nothing, and verdicts that do.

use std::time::Duration;

use serde_json::json;
use testkit::practice::{Answer, Verdict};

use super::HOUR;
use crate::{
    session::{NoToken, Shown},
    testing::{World, pass, until},
};

/// Everything a server, or something on the way to it, answers that decides nothing.
fn undecided() -> Vec<(&'static str, Answer)> {
    let html = "<html><title>Sign in to the wireless network</title></html>";
    vec![
        ("503", Answer::status(503)),
        ("503 with invalid_grant", Answer::error(503, "invalid_grant")),
        ("429", Answer::error(429, "slow_down")),
        ("500", Answer::status(500).body("oops")),
        ("a captive portal", Answer::status(200).header("content-type", "text/html").body(html)),
        (
            "truncated JSON",
            Answer::status(200).header("content-type", "application/json").body("{\"access_tok"),
        ),
        ("an empty 400", Answer::status(400)),
        ("a redirect", Answer::status(302).header("location", "https://elsewhere.test/")),
        ("an HTML 400", Answer::status(400).header("content-type", "text/html").body(html)),
        ("a 404", Answer::status(404)),
        ("a proxy that wants a login", Answer::status(407).header("proxy-authenticate", "Basic")),
        ("a firewall", Answer::status(403).header("content-type", "text/html").body(html)),
        ("another type", Answer::status(400).header("content-type", "text/plain").body("invalid_grant")),
        ("a busy edge", Answer::status(425)),
        ("a request that came too slowly", Answer::status(408)),
        ("invalid_request", Answer::error(400, "invalid_request")),
        ("server_error", Answer::error(400, "server_error")),
        ("an empty 204", Answer::status(204)),
        ("a lost connection", Answer::close()),
    ]
}

#[tokio::test(start_paused = true)]
async fn an_outage_keeps_the_session_serves_the_token_and_heals_by_itself() {
    for (what, answer) in undecided() {
        let world = World::signed_in().await;
        let first = world.token().await.unwrap();
        world.script(std::iter::repeat_n(answer.clone(), 3));
        until(&format!("{what} shows"), || world.problem().is_some()).await;
        let snapshot = world.snapshot();
        assert_eq!((snapshot.shown, world.refreshes()), (Shown::SignedIn, 1), "{what}");
        assert!(snapshot.retry_at.is_some() && snapshot.next_renewal.is_some(), "{what}: {snapshot:?}");
        assert_eq!(world.token().await.unwrap().token.id, first.token.id, "{what}");
        // Two more attempts fail and the fourth heals, with fifteen minutes of the token to spare.
        pass(600).await;
        assert_eq!(world.refreshes(), 4, "{what}");
        let healed = world.token().await.unwrap();
        assert_ne!(healed.token.id, first.token.id, "{what}");
        assert_eq!(world.verdict(&healed), Verdict::Live, "{what}");
        assert_eq!(world.problem(), None, "{what}");
        assert!(world.practice.ledger().reuse_events().is_empty(), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn status_says_what_is_wrong_and_since_when() {
    let world = World::signed_in().await;
    world.script(std::iter::repeat_n(Answer::status(503).header("retry-after", "400"), 2));
    pass(HOUR * 76 / 100).await;
    let (failure, since) = world.snapshot().problem.clone().unwrap();
    assert!(failure.description.contains("503"), "{failure:?}");
    pass(500).await;
    let (_, still_since) = world.snapshot().problem.clone().unwrap();
    assert_eq!(still_since, since);
    assert_eq!(world.refreshes(), 2);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_as_seconds_and_as_a_date() {
    let date = httpdate::fmt_http_date(
        std::time::UNIX_EPOCH + Duration::from_secs(crate::testing::START + HOUR + 600),
    );
    for (retry_after, earliest) in [("900", HOUR * 70 / 100 + 900), (date.as_str(), HOUR + 600)] {
        let world = World::signed_in().await;
        world.script([Answer::status(429).header("retry-after", retry_after)]);
        pass(earliest - 1).await;
        assert_eq!(world.refreshes(), 1, "{retry_after}");
        pass(400).await;
        assert_eq!(world.refreshes(), 2, "{retry_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_longer_than_the_token_serves_nothing_dead_and_still_heals() {
    let world = World::signed_in().await;
    world.script(std::iter::repeat_n(Answer::status(503), 20));
    pass(HOUR + 1).await;
    let mut answered = 0;
    while world.practice.ledger().refreshes().is_empty() {
        let answer = world.token().await;
        if let Ok(token) = &answer {
            assert_eq!(world.verdict(token), Verdict::Live);
        } else {
            assert!(matches!(answer, Err(NoToken::Unavailable { failure: Some(_), .. })), "{answer:?}");
            answered += 1;
        }
        pass(10).await;
    }
    assert!(answered > 0);
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    assert!(world.practice.ledger().reuse_events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_client_registration_keeps_the_grant_and_retries_slowly() {
    for error in ["invalid_client", "unauthorized_client"] {
        let world = World::signed_in().await;
        let first = world.token().await.unwrap();
        world.script([Answer::error(401, error), Answer::error(400, error)]);
        pass(HOUR * 75 / 100).await;
        assert_eq!((world.refreshes(), world.problem().as_deref()), (1, Some(error)));
        assert_eq!(world.token().await.unwrap().token.id, first.token.id);
        pass(290).await;
        assert!(world.refreshes() <= 2);
        pass(HOUR / 2).await;
        assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
        assert_eq!(world.problem(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_final_verdict_asks_for_a_person_and_names_the_reason() {
    for answer in [
        Answer::error(400, "invalid_grant"),
        Answer::error(401, "invalid_grant"),
        Answer::error(403, "invalid_grant"),
        Answer::json(400, &json!({ "error": "invalid_grant", "suberror": "bad_token" })),
    ] {
        let world = World::signed_in().await;
        world.script([answer]);
        pass(HOUR * 76 / 100).await;
        let Err(NoToken::LoginRequired(Some(failure))) = world.token().await else { panic!("served") };
        assert_eq!(failure.error, "invalid_grant");
        assert_eq!(world.snapshot().shown, Shown::LoginRequired);
        pass(10 * HOUR).await;
        assert_eq!(world.refreshes(), 1, "a dead grant is left alone");

        let world = world.restarted().await;
        let Err(NoToken::LoginRequired(Some(failure))) = world.token().await else { panic!("served") };
        assert_eq!(failure.error, "invalid_grant");
        world.sign_in().await;
        assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
        assert_eq!(world.problem(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_a_person_can_lift_keeps_the_session() {
    let world = World::signed_in().await;
    let first = world.token().await.unwrap();
    let consent = json!({ "error": "invalid_grant", "suberror": "consent_required" });
    world.script([Answer::json(400, &consent)]);
    until("consent is asked for", || world.problem().is_some()).await;
    let token = world.token().await.unwrap();
    assert_eq!(token.token.id, first.token.id, "the living token is served");
    pass(HOUR / 2).await;
    // The token has died, and nobody has asked since: the server is left alone until somebody does.
    assert_eq!(world.refreshes(), 1);
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    assert_eq!(world.refreshes(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_lost_after_a_strict_server_acted_ends_in_one_named_login() {
    let world = World::signed_in().await;
    let first = world.token().await.unwrap();
    world.script([Answer::close().after_committing()]);
    world.seen(|ledger| ledger.refreshes().len() == 1).await;
    assert_eq!(world.token().await.unwrap().token.id, first.token.id, "served while nothing is decided");
    pass(HOUR).await;
    // The one repetition is what the server takes for a theft.
    assert_eq!(world.refreshes(), 2);
    let Err(NoToken::LoginRequired(Some(failure))) = world.token().await else { panic!("served") };
    assert_eq!(failure.error, "rotation_interrupted");
    assert!(failure.description.contains("invalid_grant"), "the server's own words: {failure:?}");
}
