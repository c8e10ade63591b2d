//! Token requests: who is answered at once, who waits, and what waiting costs the server.

use std::{sync::Arc, time::Duration};

use testkit::practice::{Answer, Gate, Verdict};
use tokio::task::JoinSet;

use super::{HOUR, seconds};
use crate::{
    session::{NoToken, TokenRequest},
    testing::{SCOPES, World, key, pass, usual},
    token::Expiry,
};

fn asking_for(min_validity: u64, wait: u64) -> TokenRequest {
    TokenRequest { min_validity: Some(seconds(min_validity)), wait: seconds(wait), ..usual() }
}

/// How many seconds a token has left.
fn left(world: &World, served: &crate::session::Served) -> u64 {
    match served.token.expiry {
        Expiry::At { at, .. } => at.since(world.clock.now()).as_secs(),
        Expiry::Unknown => panic!("the practice server names a life"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_of_an_expired_token_cost_one_request() {
    let world = World::signed_in().await;
    let before = world.token().await.unwrap();
    world.readings.sleep(2 * HOUR);
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let session = world.session();
        callers.spawn(async move { session.token(&usual()).await });
    }
    let answers = callers.join_all().await;
    assert_eq!(answers.len(), 1000);
    let first = answers[0].as_ref().unwrap();
    assert_ne!(first.token.id, before.token.id);
    for answer in &answers {
        assert_eq!(answer.as_ref().unwrap().token.id, first.token.id);
    }
    pass(60).await;
    assert_eq!(world.refreshes(), 1);
    assert_eq!(world.practice.ledger().most_redemptions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_share_one_failure_too() {
    let world = World::signed_in().await;
    world.readings.sleep(2 * HOUR);
    let gate = Gate::new();
    let down = Answer::status(503).header("retry-after", "600");
    world.script([down.held_by(&gate)]);
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let session = world.session();
        callers.spawn(async move { session.token(&usual()).await });
    }
    gate.arrived(1).await;
    gate.open();
    for answer in callers.join_all().await {
        let Err(NoToken::Unavailable { retry_after, .. }) = answer else { panic!("{answer:?}") };
        assert!(retry_after.is_some_and(|pause| pause > seconds(590)), "{retry_after:?}");
    }
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_during_a_renewal_changes_nothing() {
    let world = World::signed_in().await;
    world.readings.sleep(2 * HOUR);
    let gate = Gate::new();
    world.script([Answer::genuine().after_committing().held_by(&gate)]);
    let session = world.session();
    let caller = tokio::spawn(async move { session.token(&usual()).await });
    gate.arrived(1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    gate.open();
    let token = world.token().await.unwrap();
    let ledger = world.practice.ledger();
    assert_eq!(ledger.refreshes()[0].access_token, token.token.secret.expose());
    assert_eq!((world.refreshes(), ledger.reuse_events().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_ahead_of_its_end_without_anybody_asking() {
    let world = World::signed_in().await;
    let first = world.token().await.unwrap();
    pass(HOUR * 70 / 100 - 1).await;
    assert_eq!(world.refreshes(), 0);
    pass(HOUR * 6 / 100).await;
    assert_eq!(world.refreshes(), 1);
    let second = world.token().await.unwrap();
    assert_ne!(second.token.id, first.token.id);
    // Both live: nobody who holds the old one is cut off.
    assert_eq!((world.verdict(&first), world.verdict(&second)), (Verdict::Live, Verdict::Live));
    pass(10 * HOUR).await;
    let token = world.token().await.unwrap();
    assert_eq!(world.verdict(&token), Verdict::Live);
    assert!((13..=16).contains(&world.refreshes()), "{} renewals", world.refreshes());
}

#[tokio::test(start_paused = true)]
async fn a_request_for_more_validity_waits_for_the_next_token() {
    let world = World::signed_in().await;
    pass(HOUR / 2).await;
    let token = world.session().token(&asking_for(3000, 30)).await.unwrap();
    assert_eq!(left(&world, &token), HOUR);
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_living_token_is_the_answer_when_the_renewal_fails() {
    let world = World::signed_in().await;
    pass(HOUR / 2).await;
    world.script([Answer::status(503)]);
    let began = world.clock.now();
    let token = world.session().token(&asking_for(3000, 30)).await.unwrap();
    assert_eq!(world.clock.now().since(began), Duration::ZERO);
    assert_eq!((left(&world, &token), world.refreshes()), (HOUR / 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_living_token_is_the_answer_when_the_wait_ends() {
    let world = World::signed_in().await;
    pass(HOUR / 2).await;
    world.script([Answer::hang()]);
    let began = world.clock.now();
    let token = world.session().token(&asking_for(3000, 5)).await.unwrap();
    assert_eq!(world.clock.now().since(began).as_secs(), 5);
    assert_eq!(left(&world, &token), HOUR / 2 - 5);
}

#[tokio::test(start_paused = true)]
async fn a_dead_token_is_never_the_answer() {
    let world = World::signed_in().await;
    world.readings.sleep(HOUR);
    world.script([Answer::hang()]);
    let answer = world.session().token(&asking_for(0, 5)).await;
    assert!(matches!(answer, Err(NoToken::Unavailable { .. })), "{answer:?}");
    assert!(world.session().at_once(None, Some(Duration::ZERO)).is_none());
}

#[tokio::test(start_paused = true)]
async fn more_than_a_whole_life_gets_the_newest_token_and_costs_one_renewal() {
    let world = World::signed_in().await;
    for _ in 0..20 {
        let token = world.session().token(&asking_for(10 * HOUR, 30)).await.unwrap();
        assert!(left(&world, &token) > HOUR - 60);
        pass(1).await;
    }
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_serves_no_dead_token() {
    let world = World::signed_in().await;
    let before = world.token().await.unwrap();
    // Both clocks jump; no timer fires.
    world.readings.sleep(HOUR);
    assert!(world.session().at_once(None, None).is_none());
    let token = world.token().await.unwrap();
    assert_ne!(token.token.id, before.token.id);
    assert_eq!(left(&world, &token), HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_renews_within_half_a_minute_though_nobody_asks() {
    let world = World::signed_in().await;
    world.readings.sleep(HOUR);
    pass(31).await;
    assert_eq!(world.refreshes(), 1);
    assert!(world.session().at_once(None, None).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_step_of_the_wall_clock_changes_nothing() {
    let world = World::signed_in().await;
    let before = world.token().await.unwrap();
    for step in [10 * 365 * 86_400, -20 * 365 * 86_400] {
        world.readings.step_wall(step);
        pass(60).await;
        assert_eq!(world.token().await.unwrap().token.id, before.token.id);
    }
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_server_for_one_session_delays_no_other() {
    let world = World::new().await;
    for session in ["one", "two"] {
        let login = world.login("ada", &SCOPES, &[]).await;
        world.sign_in_with(session, login).await;
    }
    let [one, two] = ["one", "two"].map(|session| world.daemon.broker.session(&key(session)).unwrap());
    world.readings.sleep(2 * HOUR);
    let gate = Gate::new();
    world.script([Answer::hang().held_by(&gate)]);
    let stuck = tokio::spawn({
        let one = one.clone();
        async move { one.token(&usual()).await }
    });
    gate.arrived(1).await;
    gate.open();
    let began = world.clock.now();
    let token = two.token(&usual()).await.unwrap();
    assert_eq!(world.clock.now().since(began), Duration::ZERO);
    assert_eq!(world.verdict(&token), Verdict::Live);
    assert!(matches!(stuck.await.unwrap(), Err(NoToken::Unavailable { .. })));
    // The time limit of the exchange frees the session, and it heals.
    pass(120).await;
    assert_eq!(world.verdict(&one.token(&usual()).await.unwrap()), Verdict::Live);
}

#[tokio::test(start_paused = true)]
async fn a_login_without_a_refresh_token_lives_out_and_then_asks_for_a_person() {
    let world = World::new().await;
    let login = world.login("ada", &["openid", "api"], &[]).await;
    assert!(login.tokens.refresh_token.is_none());
    world.sign_in_with("default", login).await;
    pass(HOUR - 30).await;
    // Nothing can renew it, so nobody waits for that.
    let began = world.clock.now();
    let token = world.token().await.unwrap();
    assert_eq!(world.clock.now().since(began), Duration::ZERO);
    assert_eq!(left(&world, &token), 30);
    pass(31).await;
    let Err(NoToken::LoginRequired(Some(failure))) = world.token().await else { panic!("served") };
    assert_eq!(failure.error, "access_token_expired");
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_sleep_a_login_without_a_refresh_token_asks_for_a_person_at_once() {
    let world = World::new().await;
    let login = world.login("ada", &["openid", "api"], &[]).await;
    world.sign_in_with("default", login).await;
    pass(1).await;
    world.readings.sleep(HOUR);
    let began = world.clock.now();
    let answer = world.token().await;
    assert!(matches!(answer, Err(NoToken::LoginRequired(_))), "{answer:?}");
    assert_eq!(world.clock.now().since(began), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_unknown_life_that_nothing_renews_is_served_until_rejected() {
    let world = World::new().await;
    let mut login = world.login("ada", &["openid", "api"], &[]).await;
    login.tokens.lifetime = crate::token::Lifetime::Unknown;
    world.sign_in_with("default", login).await;
    pass(100 * 24 * HOUR).await;
    let token = world.token().await.unwrap();
    assert_eq!(token.token.expiry, Expiry::Unknown);
    world.session().reject(token.token.id, None).await;
    assert!(matches!(world.token().await, Err(NoToken::LoginRequired(_))));
}

#[tokio::test(start_paused = true)]
async fn sessions_are_kept_alive_only_where_the_profile_says_so() {
    let world = World::with(|settings| settings.refresh_token_life = Some(seconds(8 * HOUR))).await;
    for (session, keep_alive) in [("kept", true), ("left", false)] {
        let mut login = world.login("ada", &SCOPES, &[]).await;
        login.keep_alive = keep_alive;
        world.sign_in_with(session, login).await;
    }
    pass(24 * HOUR).await;
    let [kept, left] = ["kept", "left"].map(|session| world.daemon.broker.session(&key(session)).unwrap());
    assert_eq!(world.verdict(&kept.token(&usual()).await.unwrap()), Verdict::Live);
    assert_eq!(left.snapshot().generation, 1);
    let answer = left.token(&usual()).await;
    assert!(matches!(answer, Err(NoToken::LoginRequired(_))), "{answer:?}");
    drop(Arc::clone(&world.daemon.broker));
}
