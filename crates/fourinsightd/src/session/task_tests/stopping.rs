//! A daemon that stops: what is under way is finished, and nothing else is begun.

use std::time::Duration;

use testkit::practice::{Answer, Gate, Verdict};

use super::HOUR;
use crate::{
    login::SignIn,
    session::{Shown, TokenRequest},
    testing::{SCOPES, World, pass, usual},
};

#[tokio::test(start_paused = true)]
async fn a_redemption_in_flight_is_finished_and_stored() {
    let world = World::signed_in().await;
    let first = world.token().await.unwrap();
    let gate = Gate::new();
    world.script([Answer::genuine().after_committing().held_by(&gate)]);
    gate.arrived(1).await;
    world.daemon.stopping.send_replace(true);
    pass(30).await;
    gate.open();
    let world = world.restarted().await;
    let token = world.token().await.unwrap();
    assert_ne!(token.token.id, first.token.id);
    assert_eq!((world.refreshes(), world.problem()), (1, None));
    assert!(world.practice.ledger().reuse_events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_redeemed_from_the_moment_it_stops() {
    let world = World::signed_in().await;
    let insists = TokenRequest { min_validity: Some(Duration::from_hours(2)), ..usual() };
    let session = world.session();
    // The wish is in the task's hands before it has looked whether the daemon stops.
    let asking = tokio::spawn(async move { session.token(&insists).await });
    let hold = world.daemon.broker.hold();
    world.daemon.stopping.send_replace(true);
    let answer = asking.await.unwrap();
    assert!(answer.is_ok(), "the living token: {answer:?}");
    pass(2 * HOUR).await;
    assert_eq!(world.refreshes(), 0);
    drop(hold);
    let world = world.restarted().await;
    pass(1).await;
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_on_its_way_is_waited_for_and_stored() {
    for existed in [true, false] {
        let world = World::new().await;
        if existed {
            world.sign_in().await;
        }
        let hold = world.daemon.broker.hold();
        world.daemon.stopping.send_replace(true);
        pass(20).await;
        let login = world.login("ada", &SCOPES, &[]).await;
        world.sign_in_with("default", login).await;
        let token = world.token().await.unwrap();
        drop(hold);
        let world = world.restarted().await;
        let stored = world.token().await.unwrap();
        assert_eq!((stored.token.id, world.verdict(&stored)), (token.token.id, Verdict::Live));
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_memory_holds_is_written_until_the_disk_takes_it_or_time_is_up() {
    for heals in [true, false] {
        let world = World::new().await;
        world.daemon.store.fill_disk(true);
        world.sign_in().await;
        let token = world.token().await.unwrap();
        let began = world.clock.now();
        let store = world.daemon.store.clone();
        tokio::spawn(async move {
            pass(4).await;
            store.fill_disk(!heals);
        });
        let clock = world.clock.clone();
        let world = world.restarted().await;
        let took = clock.now().since(began).as_secs();
        assert!(if heals { (4..=6).contains(&took) } else { (10..=12).contains(&took) }, "{took}");
        assert_eq!(world.daemon.broker.sessions().len(), usize::from(heals));
        if heals {
            assert_eq!(world.token().await.unwrap().token.id, token.token.id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_disk_did_not_let_go_is_deleted_before_the_end() {
    let world = World::signed_in().await;
    world.daemon.store.fill_disk(true);
    world.revoke().await;
    assert_eq!(world.snapshot().shown, Shown::SignedOut);
    let store = world.daemon.store.clone();
    tokio::spawn(async move {
        pass(4).await;
        store.fill_disk(false);
    });
    let world = world.restarted().await;
    assert_eq!(world.daemon.broker.sessions().len(), 0, "it is back");
}
