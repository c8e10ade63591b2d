//! A disk that takes no more: what is in memory is served, nothing new is risked, and room heals it.

use fourinsight_ipc::message::{KeptBy, Revocation};
use testkit::practice::{Answer, Gate, Verdict};

use super::HOUR;
use crate::{
    session::{NoToken, Shown},
    testing::{World, pass, until},
};

#[tokio::test(start_paused = true)]
async fn a_rotation_that_cannot_be_stored_is_served_and_stored_when_there_is_room() {
    let world = World::signed_in().await;
    let first = world.token().await.unwrap();
    let gate = Gate::new();
    world.script([Answer::genuine().held_by(&gate)]);
    gate.arrived(1).await;
    world.daemon.store.fill_disk(true);
    gate.open();
    until("the new token is served", || {
        world.session().at_once(None, None).is_some_and(|token| token.token.id != first.token.id)
    })
    .await;
    let second = world.token().await.unwrap();
    assert!(world.snapshot().degraded);
    assert_eq!(world.problem().as_deref(), Some("storage_failed"));

    // Not even when the token has died: an unstored successor of an unstored token could be lost with the power.
    pass(2 * HOUR).await;
    assert_eq!(world.refreshes(), 1);
    assert!(matches!(world.token().await, Err(NoToken::Unavailable { failure: Some(_), .. })));
    assert_eq!(world.verdict(&second), Verdict::Expired);

    world.daemon.store.fill_disk(false);
    pass(2).await;
    assert!(!world.snapshot().degraded);
    assert_eq!(world.problem(), None);
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    let world = world.restarted().await;
    pass(10 * HOUR).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    assert!(world.practice.ledger().reuse_events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_asks_a_degraded_session_for_more_validity_gets_the_living_token_at_once() {
    let world = World::new().await;
    world.daemon.store.fill_disk(true);
    world.sign_in().await;
    assert!(world.snapshot().degraded);
    pass(HOUR - 30).await;
    let began = world.clock.now();
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    assert_eq!(world.clock.now(), began);
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_room_for_the_intent_the_refresh_token_is_not_sent() {
    let world = World::signed_in().await;
    let first = world.token().await.unwrap();
    world.daemon.store.fill_disk(true);
    pass(HOUR * 80 / 100).await;
    assert_eq!(world.refreshes(), 0);
    assert_eq!(world.problem().as_deref(), Some("storage_failed"));
    assert!(world.snapshot().degraded);
    assert_eq!(world.token().await.unwrap().token.id, first.token.id);
    world.daemon.store.fill_disk(false);
    pass(2).await;
    assert_eq!((world.problem(), world.snapshot().degraded, world.refreshes()), (None, false, 1));
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_a_while_for_the_disk_to_take_what_only_memory_holds() {
    let world = World::new().await;
    world.daemon.store.fill_disk(true);
    world.sign_in().await;
    let token = world.token().await.unwrap();
    let store = world.daemon.store.clone();
    let (world, ()) = tokio::join!(world.restarted(), async {
        pass(5).await;
        store.fill_disk(false);
        drop(store);
    });
    assert_eq!(world.token().await.unwrap().token.id, token.token.id);
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_no_folder_any_more_stops_renewals_and_nothing_else() {
    let world = World::signed_in().await;
    let first = world.token().await.unwrap();
    let journal = world.daemon.folder.path().join("journal");
    std::fs::remove_dir_all(&journal).unwrap();
    std::fs::write(&journal, "in the way").unwrap();
    pass(HOUR * 80 / 100).await;
    assert_eq!(world.refreshes(), 0);
    assert_eq!(world.problem().as_deref(), Some("storage_failed"));
    assert_eq!(world.token().await.unwrap().token.id, first.token.id);
    std::fs::remove_file(&journal).unwrap();
    std::fs::create_dir(&journal).unwrap();
    until("it heals", || world.problem().is_none()).await;
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_cannot_be_stored_is_served_and_stored_later() {
    let world = World::new().await;
    world.daemon.store.fill_disk(true);
    world.sign_in().await;
    let token = world.token().await.unwrap();
    world.daemon.store.fill_disk(false);
    pass(2).await;
    assert!(!world.snapshot().degraded);
    let world = world.killed().await;
    assert_eq!(world.token().await.unwrap().token.id, token.token.id);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_counts_though_the_disk_does_not_take_it() {
    let world = World::signed_in().await;
    let refused = world.token().await.unwrap();
    world.daemon.store.fill_disk(true);
    world.session().reject(refused.token.id, None).await;
    assert!(matches!(world.token().await, Err(NoToken::Unavailable { .. })));
    world.daemon.store.fill_disk(false);
    let token = world.token().await.unwrap();
    assert_ne!(token.token.id, refused.token.id);
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_reaches_the_server_though_the_disk_does_not_take_it() {
    let world = World::signed_in().await;
    let token = world.token().await.unwrap();
    world.daemon.store.fill_disk(true);
    assert_eq!(world.revoke().await.revocation, Revocation::Revoked);
    assert_eq!(world.verdict(&token), Verdict::Revoked);
    assert_eq!(world.snapshot().shown, Shown::SignedOut);
    world.daemon.store.fill_disk(false);
    world.sign_in().await;
    let token = world.token().await.unwrap();
    let world = world.restarted().await;
    assert_eq!(world.token().await.unwrap().token.id, token.token.id);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_neither_journal_nor_record_takes_is_in_memory_and_durable_soon_after_the_disk_heals()
{
    for journal_works in [true, false] {
        let world = World::signed_in().await;
        assert_eq!(world.snapshot().kept_by, KeptBy::Record);
        let gate = Gate::new();
        world.script([Answer::genuine().held_by(&gate)]);
        gate.arrived(1).await;
        let journal = world.daemon.folder.path().join("journal");
        if !journal_works {
            std::fs::remove_dir_all(&journal).unwrap();
            std::fs::write(&journal, "in the way").unwrap();
        }
        world.daemon.store.fill_disk(true);
        gate.open();
        pass(600).await;
        assert!(world.snapshot().degraded);
        let expected = if journal_works { KeptBy::Journal } else { KeptBy::Memory };
        assert_eq!((world.snapshot().kept_by, world.refreshes()), (expected, 1));
        let token = world.token().await.unwrap();
        assert_eq!(world.verdict(&token), Verdict::Live);
        if !journal_works {
            std::fs::remove_file(&journal).unwrap();
            std::fs::create_dir(&journal).unwrap();
        }
        world.daemon.store.fill_disk(false);
        pass(2).await;
        assert_eq!((world.snapshot().kept_by, world.problem()), (KeptBy::Record, None));
        let world = world.killed().await;
        assert_eq!(world.token().await.unwrap().token.id, token.token.id);
        pass(2 * HOUR).await;
        assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
        assert!(world.practice.ledger().reuse_events().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn that_a_person_must_sign_in_is_written_as_soon_as_the_disk_takes_it() {
    let world = World::signed_in().await;
    let gate = Gate::new();
    world.script([Answer::error(400, "invalid_grant").held_by(&gate)]);
    gate.arrived(1).await;
    world.daemon.store.fill_disk(true);
    gate.open();
    pass(60).await;
    assert_eq!(world.snapshot().shown, Shown::LoginRequired);
    world.daemon.store.fill_disk(false);
    pass(2).await;
    let world = world.killed().await;
    assert_eq!((world.snapshot().shown, world.refreshes()), (Shown::LoginRequired, 1));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_session_is_deleted_as_soon_as_the_disk_takes_it() {
    let world = World::signed_in().await;
    world.daemon.store.fill_disk(true);
    assert_eq!(world.revoke().await.revocation, Revocation::Revoked);
    pass(60).await;
    world.daemon.store.fill_disk(false);
    pass(2).await;
    let world = world.killed().await;
    assert!(world.daemon.broker.sessions().is_empty());
    assert_eq!(world.daemon.problems, [""; 0]);
}
