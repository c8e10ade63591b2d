//! Deaths of the daemon at each step of a rotation, and what the next start makes of them.

use serde_json::json;
use testkit::practice::{Answer, Endpoint, Gate, Verdict};
use zeroize::Zeroizing;

use super::HOUR;
use crate::{
    session::{NoToken, Shown},
    store::{Slot, Store},
    testing::{World, key, pass},
    token::TokenKey,
};

/// What a daemon that dies now would find in the journal.
async fn slot(world: &World) -> Slot {
    let left = world.daemon.left_on_disk();
    let opened = Store::open(left.path()).await.unwrap();
    opened.sessions.into_iter().next().unwrap().slot
}

fn assert_announced(slot: &Slot) {
    assert!(matches!(slot, Slot::Intent { generation: 2, intent } if !intent.is_empty()), "{slot:?}");
}

/// A world whose renewal has reached the server and waits there, before or after the server acted on it.
async fn renewing(answer: Answer) -> (World, Gate) {
    let world = World::signed_in().await;
    let gate = Gate::new();
    world.script([answer.held_by(&gate)]);
    gate.arrived(1).await;
    (world, gate)
}

#[tokio::test(start_paused = true)]
async fn the_intent_is_on_the_disk_before_the_server_sees_the_request() {
    let (world, gate) = renewing(Answer::genuine()).await;
    assert_announced(&slot(&world).await);
    gate.open();
    world.seen(|ledger| ledger.refreshes().len() == 1).await;
    pass(1).await;
    assert_eq!(slot(&world).await, Slot::Settled);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_written_meanwhile_wipes_the_intent() {
    let (world, _gate) = renewing(Answer::genuine()).await;
    let token = world.token().await.unwrap();
    world.session().reject(token.token.id, None).await;
    assert_announced(&slot(&world).await);
    let session = world.session();
    tokio::spawn(async move { session.revoke().await });
    pass(1).await;
    assert_eq!(world.snapshot().shown, Shown::Revoking);
    assert_announced(&slot(&world).await);
}

#[tokio::test(start_paused = true)]
async fn killed_before_the_server_acted_it_asks_again_and_loses_nothing() {
    let (world, _gate) = renewing(Answer::genuine()).await;
    let token = world.token().await.unwrap();
    let world = world.killed_for(3).await;
    pass(5).await;
    assert_eq!((world.refreshes(), world.problem()), (2, None));
    let next = world.token().await.unwrap();
    assert_ne!(next.token.id, token.token.id);
    assert_eq!(world.verdict(&next), Verdict::Live);
    assert!(world.practice.ledger().reuse_events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn killed_after_a_strict_server_acted_it_says_so_and_asks_for_a_person() {
    let (world, _gate) = renewing(Answer::genuine().after_committing()).await;
    let world = world.killed_for(3).await;
    pass(5).await;
    let Err(NoToken::LoginRequired(Some(failure))) = world.token().await else { panic!("served") };
    assert_eq!(failure.error, "rotation_interrupted");
    assert!(failure.description.starts_with("the daemon ended in the middle of a renewal"), "{failure:?}");
    assert!(failure.description.contains("invalid_grant"), "{failure:?}");
    let kept = world.daemon.store.quarantined().await;
    let of_session = kept.iter().any(|kept| kept.session == Some(key("default")));
    assert!(of_session && kept.len() == 1, "{kept:?}");
    pass(HOUR).await;
    assert_eq!(world.refreshes(), 2, "asked once more, and never again");
}

#[tokio::test(start_paused = true)]
async fn started_late_it_serves_the_token_to_its_end_before_it_risks_the_grant() {
    for committed in [false, true] {
        let answer = if committed { Answer::genuine().after_committing() } else { Answer::genuine() };
        let (world, _gate) = renewing(answer).await;
        let token = world.token().await.unwrap();
        let world = world.killed_for(120).await;
        assert_eq!(world.problem().as_deref(), Some("rotation_interrupted"));
        pass(300).await;
        assert_eq!(world.token().await.unwrap().token.id, token.token.id);
        assert_eq!((world.refreshes(), world.verdict(&token)), (1, Verdict::Live));
        pass(HOUR / 2).await;
        assert_eq!(world.refreshes(), 2);
        let answer = world.token().await;
        if committed {
            assert!(matches!(answer, Err(NoToken::LoginRequired(Some(_)))), "{answer:?}");
        } else {
            assert_eq!(world.verdict(&answer.unwrap()), Verdict::Live);
            assert_eq!(world.problem(), None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn killed_with_the_answer_in_the_journal_it_takes_it_up_without_asking_again() {
    let (world, gate) = renewing(Answer::genuine()).await;
    world.daemon.store.fill_disk(true);
    gate.open();
    pass(5).await;
    let served = world.token().await.unwrap();
    assert!(matches!(slot(&world).await, Slot::Answer { generation: 2, .. }));
    let world = world.killed_for(300).await;
    let token = world.token().await.unwrap();
    assert_eq!(token.token.secret.expose(), served.token.secret.expose());
    assert_eq!((world.refreshes(), world.problem()), (1, None));
    assert_eq!(slot(&world).await, Slot::Settled);
    pass(10 * HOUR).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    assert!(world.practice.ledger().reuse_events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_final_verdict_in_the_journal_is_taken_up_too() {
    let (world, gate) = renewing(Answer::json(200, &json!({ "error": "bad_verification" }))).await;
    world.daemon.store.fill_disk(true);
    gate.open();
    pass(5).await;
    let world = world.killed().await;
    assert!(matches!(world.token().await, Err(NoToken::LoginRequired(Some(_)))));
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn killed_while_another_audience_was_fetched_the_own_token_goes_on() {
    let world = World::signed_in().await;
    let gate = Gate::new();
    world.script([Answer::genuine().held_by(&gate)]);
    let session = world.session();
    let request = super::audience(&["read"], &[]);
    tokio::spawn(async move { session.token(&request).await });
    gate.arrived(1).await;
    world.daemon.store.fill_disk(true);
    gate.open();
    pass(2).await;
    let world = world.killed().await;
    let read = TokenKey::new(["read"], []);
    assert!(world.session().at_once(Some(&read), None).is_some());
    assert!(world.session().at_once(None, None).is_some());
    assert_eq!(world.refreshes(), 1);
    // The refresh token that came with the other audience's token is the one that the own key goes on with.
    pass(2 * HOUR).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    let ledger = world.practice.ledger();
    assert_eq!((ledger.reuse_events().len(), ledger.most_redemptions()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn killed_before_another_audience_was_answered_it_asks_again_while_that_may_help() {
    let world = World::signed_in().await;
    let own = world.token().await.unwrap();
    let gate = Gate::new();
    world.script([Answer::genuine().held_by(&gate)]);
    let session = world.session();
    let request = super::audience(&["read"], &[]);
    tokio::spawn(async move { session.token(&request).await });
    gate.arrived(1).await;
    let world = world.killed_for(3).await;
    pass(5).await;
    assert_eq!((world.refreshes(), world.problem()), (2, None));
    let read = TokenKey::new(["read"], []);
    assert!(world.session().at_once(Some(&read), None).is_some());
    assert_eq!(world.token().await.unwrap().token.id, own.token.id);
}

#[tokio::test(start_paused = true)]
async fn killed_while_revoking_with_a_renewal_in_flight_it_revokes_and_forgets() {
    let (world, _gate) = renewing(Answer::genuine().after_committing()).await;
    let session = world.session();
    tokio::spawn(async move { session.revoke().await });
    pass(1).await;
    let world = world.killed().await;
    assert!(matches!(world.token().await, Err(NoToken::LoginRequired(None))));
    world.seen(|ledger| ledger.requests(Endpoint::Revocation).count() == 2).await;
    pass(1).await;
    assert_eq!(world.snapshot().shown, Shown::SignedOut);
    let newest = world.practice.ledger().refreshes()[0].access_token.clone();
    assert_eq!(world.practice.verdict(&newest), Verdict::Revoked);
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_too_long_for_its_slot_survives_as_well() {
    let long = "x".repeat(100_000);
    let answer = json!({ "access_token": long, "token_type": "Bearer", "expires_in": 3600 });
    let (world, gate) = renewing(Answer::json(200, &answer)).await;
    gate.open();
    pass(5).await;
    assert_eq!(world.token().await.unwrap().token.secret.expose(), long);
    let world = world.killed().await;
    assert_eq!(world.token().await.unwrap().token.secret.expose(), long);
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_was_rolled_back_is_named_and_its_refresh_token_kept_for_the_end() {
    let world = World::signed_in().await.restarted().await;
    let old = std::fs::read(world.daemon.folder.path().join("broker.db")).unwrap();
    let first = world.token().await.unwrap();
    pass(HOUR * 80 / 100).await;
    assert_eq!(world.refreshes(), 1);
    let world = world.restarted().await;
    let folder = world.daemon.folder.path().to_owned();
    for name in ["broker.db-wal", "broker.db-shm"] {
        let _ = std::fs::remove_file(folder.join(name));
    }
    std::fs::write(folder.join("broker.db"), old).unwrap();
    let world = world.killed().await;
    assert_eq!(world.problem().as_deref(), Some("record_rolled_back"));
    assert_eq!(world.daemon.problems.len(), 1, "{:?}", world.daemon.problems);
    // The refresh token is most likely spent: presenting it may cost the access token its life, so that goes first.
    assert_eq!(world.token().await.unwrap().token.id, first.token.id);
    pass(HOUR).await;
    assert_eq!(world.refreshes(), 2);
    assert!(matches!(world.token().await, Err(NoToken::LoginRequired(Some(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_record_of_another_version_is_named_and_a_login_replaces_it() {
    let world = World::new().await;
    let record = Zeroizing::new(b"{\"version\":99}".to_vec());
    world.daemon.store.compare_and_put(&key("default"), None, 5, record).await.unwrap();
    let world = world.restarted().await;
    assert!(world.daemon.problems[0].contains("default"), "{:?}", world.daemon.problems);
    world.sign_in().await;
    let token = world.token().await.unwrap();
    assert!(!world.snapshot().degraded && world.snapshot().generation > 5);
    let world = world.restarted().await;
    assert_eq!(world.daemon.problems, [""; 0]);
    assert_eq!(world.token().await.unwrap().token.id, token.token.id);
}
