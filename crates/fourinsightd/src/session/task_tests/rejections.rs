//! Reports that an API refused a token.

use testkit::practice::{Answer, Gate, Verdict};
use tokio::task::JoinSet;

use super::{audience, seconds};
use crate::{
    session::{NoToken, TokenRequest},
    testing::{World, pass, usual},
    token::TokenId,
};

#[tokio::test(start_paused = true)]
async fn fifty_reports_of_one_token_cost_one_renewal() {
    let world = World::signed_in().await;
    let refused = world.token().await.unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let (session, id) = (world.session(), refused.token.id);
        callers.spawn(async move {
            session.reject(id, None).await;
            session.token(&usual()).await.unwrap().token.id
        });
    }
    let served = callers.join_all().await;
    assert!(served.iter().all(|id| *id == served[0] && *id != refused.token.id));
    pass(60).await;
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_not_served_again_even_after_a_crash() {
    let world = World::signed_in().await;
    let refused = world.token().await.unwrap();
    let gate = Gate::new();
    world.script([Answer::genuine().held_by(&gate)]);
    world.session().reject(refused.token.id, None).await;
    assert!(world.session().at_once(None, None).is_none());
    let hasty = TokenRequest { wait: seconds(0), ..usual() };
    assert!(matches!(world.ask(&hasty).await, Err(NoToken::Unavailable { .. })));
    gate.arrived(1).await;

    let world = world.killed().await;
    let token = world.token().await.unwrap();
    assert_ne!(token.token.id, refused.token.id);
    assert_eq!(world.verdict(&token), Verdict::Live);
}

#[tokio::test(start_paused = true)]
async fn a_late_report_of_an_older_token_changes_nothing() {
    let world = World::signed_in().await;
    let old = world.token().await.unwrap();
    world.session().reject(old.token.id, None).await;
    let new = world.token().await.unwrap();
    for id in [old.token.id, TokenId(7)] {
        world.session().reject(id, None).await;
        assert_eq!(world.token().await.unwrap().token.id, new.token.id);
    }
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_refuses_everything_gets_a_new_token_twice_a_minute_at_most() {
    let world = World::signed_in().await;
    let began = world.clock.now();
    let patient = TokenRequest { wait: seconds(60), ..usual() };
    for _ in 0..10 {
        let token = world.ask(&patient).await.unwrap();
        world.session().reject(token.token.id, None).await;
    }
    world.ask(&patient).await.unwrap();
    assert_eq!(world.refreshes(), 10);
    assert!(world.clock.now().since(began) >= seconds(9 * 30));
    assert!(world.practice.ledger().reuse_events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_report_concerns_one_audience_only() {
    let world = World::signed_in().await;
    let own = world.token().await.unwrap();
    let other = world.ask(&audience(&["read"], &[])).await.unwrap();
    world.session().reject(other.token.id, None).await;
    assert_eq!(world.token().await.unwrap().token.id, own.token.id);
    let next = world.ask(&audience(&["read"], &[])).await.unwrap();
    assert_ne!(next.token.id, other.token.id);
    assert_eq!(world.refreshes(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_report_during_a_renewal_costs_no_second_one() {
    let world = World::signed_in().await;
    let old = world.token().await.unwrap();
    let gate = Gate::new();
    world.script([Answer::genuine().held_by(&gate)]);
    gate.arrived(1).await;
    world.session().reject(old.token.id, None).await;
    assert!(world.session().at_once(None, None).is_none());
    gate.open();
    let token = world.token().await.unwrap();
    pass(60).await;
    assert_ne!(token.token.id, old.token.id);
    assert_eq!(world.refreshes(), 1);
}
