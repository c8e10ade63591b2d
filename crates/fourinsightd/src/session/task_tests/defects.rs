//! Defects of the daemon in one session's task: what they cost that session, and that they cost the others nothing.

use std::{sync::atomic::Ordering, time::Duration};

use fourinsight_ipc::message::Lifetime;
use testkit::practice::{Rotation as Server, Successor, Verdict};

use super::{HOUR, interrupted::at};
use crate::{
    profile::Rotation,
    session::{NoToken, Shown},
    testing::{SCOPES, World, key, pass, usual},
};

fn break_next(world: &World, exchanges: usize) {
    world.daemon.mishaps.panics_before.store(exchanges, Ordering::Relaxed);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_task_fails_starts_again_from_its_record() {
    let world = World::signed_in().await;
    let other = world.login("grace", &SCOPES, &[]).await;
    world.sign_in_with("other", other).await;
    let (first, session) = (world.token().await.unwrap(), world.session());
    break_next(&world, 1);
    pass(HOUR * 76 / 100).await;
    assert_eq!(world.daemon.mishaps.panics_before.load(Ordering::Relaxed), 0);
    for session in [session, world.daemon.broker.session(&key("other")).unwrap()] {
        let token = session.token(&usual()).await.unwrap();
        assert_ne!(token.token.id, first.token.id);
        assert_eq!(world.verdict(&token), Verdict::Live);
        assert_eq!(session.snapshot().problem, None);
    }
    assert!(world.practice.ledger().reuse_events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_with_the_task_is_asked_for_again() {
    let grace = Server::Grace { window: Duration::from_secs(30), successor: Successor::New };
    let world = at(grace, Rotation::Grace(30)).await;
    let first = world.token().await.unwrap();
    world.daemon.mishaps.panics_after.store(1, Ordering::Relaxed);
    assert!(world.session().reject(first.token.id, None).await.is_some());
    let token = world.token().await.unwrap();
    assert_eq!(world.daemon.mishaps.panics_after.load(Ordering::Relaxed), 0);
    assert_eq!((world.refreshes(), world.verdict(&token)), (2, Verdict::Live));
    assert_eq!(world.snapshot().problem, None);
    assert!(world.practice.ledger().reuse_events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_a_strict_server_an_answer_that_is_lost_with_the_task_is_told_as_that() {
    let world = at(Server::Strict, Rotation::Strict).await;
    let first = world.token().await.unwrap();
    world.daemon.mishaps.panics_after.store(1, Ordering::Relaxed);
    pass(HOUR * 76 / 100).await;
    assert_eq!(world.daemon.mishaps.panics_after.load(Ordering::Relaxed), 0);
    assert_eq!(world.token().await.unwrap().token.id, first.token.id, "served to its end");
    assert_eq!(world.refreshes(), 1);
    pass(HOUR).await;
    let Err(NoToken::LoginRequired(Some(failure))) = world.token().await else { panic!("served") };
    assert_eq!(failure.error, "rotation_interrupted");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_goes_on_waiting_while_the_task_fails_again_and_again() {
    let world = World::signed_in().await;
    let first = world.token().await.unwrap();
    break_next(&world, 3);
    // The next token is fetched at once, which fails; the pauses are none, one second and two.
    assert!(world.session().reject(first.token.id, None).await.is_some());
    let began = world.clock.now();
    let token = world.token().await.unwrap();
    assert_ne!(token.token.id, first.token.id);
    assert_eq!(world.verdict(&token), Verdict::Live);
    let took = world.clock.now().since(began).as_secs();
    assert!((3..30).contains(&took), "{took}");
    pass(2 * HOUR).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
}

#[tokio::test(start_paused = true)]
async fn a_session_in_memory_is_lost_with_its_task_and_says_so() {
    let world = World::new().await;
    let mut login = world.login("ada", &SCOPES, &[]).await;
    login.lifetime = Lifetime::Ephemeral;
    world.sign_in_with("default", login).await;
    break_next(&world, 1);
    pass(HOUR).await;
    let Err(NoToken::LoginRequired(Some(failure))) = world.token().await else { panic!("served") };
    assert_eq!(failure.error, "session_lost");
    world.sign_in().await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_whose_task_fails_is_taken_up_again() {
    let world = World::signed_in().await;
    let token = world.token().await.unwrap();
    break_next(&world, 1);
    drop(world.session().revoke().await);
    pass(5).await;
    assert_eq!(world.verdict(&token), Verdict::Revoked);
    assert_eq!(world.snapshot().shown, Shown::SignedOut);
    assert!(world.restarted().await.daemon.broker.sessions().is_empty());
}
