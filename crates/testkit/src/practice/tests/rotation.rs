//! The modes of rotation as a client meets them, what a reuse costs, and how the families stand afterwards.

use std::time::Duration;

use super::*;
use crate::practice::{Answer, Reuse, Rotation, Successor, Why};

fn at(rotation: Rotation) -> Visitor {
    Visitor::new(Settings { rotation, access_token_life: Duration::from_mins(1), ..Settings::default() })
}

/// Signs in and redeems the first refresh token: it, and the one that came for it.
async fn spent_once(visitor: &Visitor) -> (String, Reply) {
    let first = visitor.login(FULL_SCOPE).await.text("refresh_token").to_owned();
    let second = visitor.refresh(&first, &[]).await;
    assert_eq!(second.status, StatusCode::OK);
    (first, second)
}

fn the_family(visitor: &Visitor) -> crate::practice::Family {
    let [family] = &visitor.practice.families()[..] else { panic!("one login, one family") };
    family.clone()
}

#[tokio::test(start_paused = true)]
async fn without_rotation_it_stays_the_same_for_ever() {
    let visitor = at(Rotation::None);
    let (first, second) = spent_once(&visitor).await;
    assert_eq!(second.text("refresh_token"), first);
    assert_eq!(visitor.refresh(&first, &[]).await.text("refresh_token"), first);
    let ledger = visitor.practice.ledger();
    assert_eq!((ledger.refreshes().len(), ledger.redemptions().len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn in_its_grace_a_spent_one_brings_the_same_successor_or_a_newer_one() {
    let window = Duration::from_secs(30);
    for successor in [Successor::Same, Successor::New] {
        let visitor = at(Rotation::Grace { window, successor });
        let (first, second) = spent_once(&visitor).await;
        tokio::time::advance(window.saturating_sub(Duration::from_millis(1))).await;
        let third = visitor.refresh(&first, &[]).await;
        let is_same = third.text("refresh_token") == second.text("refresh_token");
        assert_eq!(is_same, successor == Successor::Same);
        assert!(the_family(&visitor).alive);
        tokio::time::advance(Duration::from_millis(1)).await;
        visitor.refresh(&first, &[]).await.assert_error(400, "invalid_grant");
        assert_eq!(the_family(&visitor).end.map(|end| end.why), Some(Why::RefreshTokenReused));
    }
}

#[tokio::test(start_paused = true)]
async fn grace_is_for_the_one_spent_last() {
    let window = Duration::from_secs(30);
    let visitor = at(Rotation::Grace { window, successor: Successor::New });
    let (first, second) = spent_once(&visitor).await;
    assert_eq!(visitor.refresh(second.text("refresh_token"), &[]).await.status, StatusCode::OK);
    visitor.refresh(&first, &[]).await.assert_error(400, "invalid_grant");
    assert!(!the_family(&visitor).alive);
}

#[tokio::test(start_paused = true)]
async fn a_successor_that_was_replaced_is_spent_too() {
    let visitor = at(Rotation::MaxReuse(1));
    let (first, second) = spent_once(&visitor).await;
    assert_eq!(visitor.refresh(&first, &[]).await.status, StatusCode::OK);
    visitor.refresh(second.text("refresh_token"), &[]).await.assert_error(400, "invalid_grant");
}

#[tokio::test(start_paused = true)]
async fn an_old_one_works_until_what_it_brought_is_used() {
    let visitor = at(Rotation::UntilNewUsed);
    let (first, second) = spent_once(&visitor).await;
    tokio::time::advance(Duration::from_secs(30)).await;
    let third = visitor.refresh(&first, &[]).await;
    assert_eq!(visitor.get("/api/hello", Some(second.text("access_token"))).await.status, StatusCode::OK);
    let fourth = visitor.refresh(&first, &[]).await;
    assert_eq!(fourth.status, StatusCode::OK, "the token used was not of the last redemption");
    assert_ne!(third.text("refresh_token"), fourth.text("refresh_token"));
    assert_eq!(visitor.get("/api/hello", Some(fourth.text("access_token"))).await.status, StatusCode::OK);
    visitor.refresh(&first, &[]).await.assert_error(400, "invalid_grant");

    let visitor = at(Rotation::UntilNewUsed);
    let (first, second) = spent_once(&visitor).await;
    assert_eq!(visitor.refresh(second.text("refresh_token"), &[]).await.status, StatusCode::OK);
    visitor.refresh(&first, &[]).await.assert_error(400, "invalid_grant");
}

#[tokio::test(start_paused = true)]
async fn a_reuse_may_be_allowed_so_many_times() {
    let visitor = at(Rotation::MaxReuse(2));
    let (first, _) = spent_once(&visitor).await;
    for _ in 0..2 {
        assert_eq!(visitor.refresh(&first, &[]).await.status, StatusCode::OK);
    }
    visitor.refresh(&first, &[]).await.assert_error(400, "invalid_grant");
    let redemptions = visitor.practice.ledger().redemptions()[&first];
    assert_eq!((redemptions, the_family(&visitor).refreshes), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn a_reuse_costs_what_the_server_says() {
    for (reuse, alive, verdict) in [
        (Reuse::Deny, true, Verdict::Live),
        (Reuse::RevokeFamily, false, Verdict::Live),
        (Reuse::RevokeFamilyAndAccessTokens, false, Verdict::Revoked),
    ] {
        let visitor = Visitor::new(Settings { reuse, ..Settings::default() });
        let (first, second) = spent_once(&visitor).await;
        tokio::time::advance(Duration::from_secs(5)).await;
        visitor.refresh(&first, &[]).await.assert_error(400, "invalid_grant");
        assert_eq!(visitor.practice.verdict(second.text("access_token")), verdict, "{reuse:?}");
        let status = visitor.refresh(second.text("refresh_token"), &[]).await.status;
        assert_eq!(status.is_success(), alive, "{reuse:?}");
        let family = the_family(&visitor);
        assert_eq!((family.alive, family.reuse_events), (alive, 1));
        assert_eq!(family.end.map(|end| end.at.as_secs()), (!alive).then_some(5));
        assert_eq!(visitor.practice.ledger().reuse_events()[0].family, family.id);
    }
}

#[tokio::test(start_paused = true)]
async fn other_processes_see_how_each_login_stands() {
    let visitor = Visitor::new(Settings::default());
    let (first, second) = spent_once(&visitor).await;
    visitor.login(FULL_SCOPE).await;
    visitor.refresh(&first, &[]).await;
    let figures = visitor.get("/practice/ledger", None).await.body;
    let [dead, live] = &figures["families"].as_array().unwrap()[..] else { panic!("{figures}") };
    assert_eq!((&dead["id"], &dead["alive"], &dead["refreshes"]), (&0.into(), &false.into(), &1.into()));
    assert_eq!(dead["end"]["why"], "refresh_token_reused");
    assert_eq!((&live["id"], &live["alive"], &live["end"]), (&1.into(), &true.into(), &Value::Null));
    let asked = serde_json::json!({ "access_token": second.text("access_token") }).to_string();
    let request = Request::post("/practice/verdict").header("content-type", "application/json");
    let verdict = visitor.send(request.body(Body::from(asked)).unwrap()).await.body;
    assert_eq!((&verdict["verdict"], &verdict["family"]), (&"revoked".into(), &0.into()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgets_the_past_still_knows_its_families() {
    let visitor = at(Rotation::Strict);
    let (first, second) = spent_once(&visitor).await;
    let third = visitor.refresh(second.text("refresh_token"), &[]).await;
    tokio::time::advance(Duration::from_mins(2)).await;
    visitor.practice.forget_the_past();
    assert_eq!(visitor.practice.ledger().secrets().len(), 0);
    assert_eq!(visitor.practice.verdict(third.text("access_token")), Verdict::Unknown);
    assert_eq!(the_family(&visitor).refreshes, 2);
    assert_eq!(visitor.refresh(third.text("refresh_token"), &[]).await.status, StatusCode::OK);
    visitor.refresh(&first, &[]).await.assert_error(400, "invalid_grant");
    assert!(the_family(&visitor).alive, "it is forgotten, hence no reuse");
    visitor.refresh(third.text("refresh_token"), &[]).await.assert_error(400, "invalid_grant");
    assert!(!the_family(&visitor).alive);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_while_the_past_is_forgotten_is_answered_all_the_same() {
    let visitor = at(Rotation::Strict);
    let first = visitor.login(FULL_SCOPE).await.text("refresh_token").to_owned();
    visitor.practice.answer_next_token_requests([Answer::genuine().delayed(Duration::from_secs(5))]);
    let waiting = tokio::spawn({
        let visitor = visitor.clone();
        async move { visitor.refresh(&first, &[]).await.status }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    visitor.practice.forget_the_past();
    visitor.get("/jwks", None).await;
    assert_eq!(waiting.await.unwrap(), StatusCode::OK);
    let statuses: Vec<_> = visitor.practice.ledger().entries().iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [Some(200)]);
}
