//! Servers that refuse another audience, and may have used up the refresh token with that.

use testkit::practice::{Answer, Gate, Verdict};

use super::{HOUR, audience};
use crate::{
    authority::{Dialect, ResourceStyle},
    profile::Rotation,
    session::NoToken,
    store::{Slot, Store},
    testing::{SCOPES, World, pass},
};

const MAIL: &str = "https://mail.test/";

/// A session whose profile says this of the server.
async fn at_a_server_that(rotation: Rotation) -> World {
    let world = World::new().await;
    let mut login = world.login("ada", &SCOPES, &[MAIL]).await;
    login.registration.rotation = rotation;
    world.sign_in_with("default", login).await;
    world
}

/// The server refuses another audience; `spent` says whether it used up the refresh token before.
async fn refuse(world: &World, spent: bool) {
    let refusal = Answer::error(400, "invalid_target");
    world.script([if spent { refusal.after_committing() } else { refusal }]);
    let answer = world.ask(&audience(&["read"], &[MAIL])).await;
    assert!(matches!(answer, Err(NoToken::Refused(..))), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_known_the_own_key_shows_what_the_refresh_token_is_worth() {
    for spent in [false, true] {
        let world = at_a_server_that(Rotation::Unknown).await;
        let own = world.token().await.unwrap();
        refuse(&world, spent).await;
        assert_eq!(world.problem(), None);
        let world = world.killed().await;
        assert_eq!(world.token().await.unwrap().token.id, own.token.id);
        pass(HOUR).await;
        if spent {
            let Err(NoToken::LoginRequired(Some(failure))) = world.token().await else { panic!("served") };
            assert_eq!(failure.error, "invalid_grant");
            assert!(failure.description.contains("another audience (invalid_target)"), "{failure:?}");
        } else {
            assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
        }
        assert_eq!(world.refreshes(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_strict_server_gets_the_refresh_token_again_only_when_the_access_token_is_over() {
    for restarts in [false, true] {
        let world = at_a_server_that(Rotation::Strict).await;
        let own = world.token().await.unwrap();
        refuse(&world, true).await;
        let world = if restarts { world.killed_for(10).await } else { world };
        assert_eq!(world.problem().as_deref(), Some("rotation_in_doubt"));
        let answer = world.ask(&audience(&["read"], &[])).await;
        assert!(matches!(answer, Err(NoToken::Unavailable { .. })), "{answer:?}");
        pass(HOUR - 120).await;
        assert_eq!(world.token().await.unwrap().token.id, own.token.id);
        assert_eq!((world.refreshes(), world.verdict(&own)), (1, Verdict::Live), "nothing was risked");
        pass(180).await;
        assert!(matches!(world.token().await, Err(NoToken::LoginRequired(Some(_)))));
        assert_eq!(world.refreshes(), 2, "asked once more, and never again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_strict_server_that_spent_nothing_goes_on() {
    let world = at_a_server_that(Rotation::Strict).await;
    refuse(&world, false).await;
    pass(HOUR + 60).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    assert_eq!(world.problem(), None);
    assert!(world.ask(&audience(&["read"], &[MAIL])).await.is_ok());
    assert!(world.practice.ledger().reuse_events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn within_a_grace_the_own_key_is_renewed_at_once() {
    let world = at_a_server_that(Rotation::Grace(30)).await;
    let own = world.token().await.unwrap();
    refuse(&world, false).await;
    pass(2).await;
    assert_eq!(world.refreshes(), 2);
    assert_ne!(world.token().await.unwrap().token.id, own.token.id);
}

#[tokio::test(start_paused = true)]
async fn where_old_refresh_tokens_stay_good_a_refusal_is_only_that() {
    for (rotation, resource_style) in [
        (Rotation::NeverRevoke, ResourceStyle::Rfc8707),
        (Rotation::None, ResourceStyle::Rfc8707),
        (Rotation::Strict, ResourceStyle::Entra),
    ] {
        let world = World::new().await;
        let mut login = world.login("ada", &SCOPES, &[MAIL]).await;
        login.registration.rotation = rotation;
        login.registration.dialect = Dialect { resource_style, by_device: false };
        world.sign_in_with("default", login).await;
        refuse(&world, false).await;
        assert_eq!(world.problem(), None, "{rotation:?}");
        world.script([Answer::genuine()]);
        let session = world.session();
        drop(session.token(&audience(&["read"], &[])).await);
        assert_eq!(world.refreshes(), 2, "{rotation:?}: the next is asked for at once");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_decides_nothing_is_no_better() {
    for (status, shown, doubted) in [
        (400, "invalid_request", true),
        (403, "", true),
        (503, "", true),
        (500, "server_error", true),
        (503, "temporarily_unavailable", false),
        (429, "slow_down", false),
        (401, "invalid_client", false),
    ] {
        let world = at_a_server_that(Rotation::Strict).await;
        world.script([if shown.is_empty() { Answer::status(status) } else { Answer::error(status, shown) }]);
        assert!(world.ask(&audience(&["read"], &[MAIL])).await.is_err(), "{shown}");
        pass(1200).await;
        drop(world.ask(&audience(&["read"], &[MAIL])).await);
        pass(60).await;
        assert_eq!(world.refreshes() == 1, doubted, "{shown}");
        pass(2 * HOUR).await;
        assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn killed_before_the_refusal_is_in_the_record_the_journal_tells_of_it() {
    let world = at_a_server_that(Rotation::Strict).await;
    let own = world.token().await.unwrap();
    let gate = Gate::new();
    world.script([Answer::error(400, "invalid_target").after_committing().held_by(&gate)]);
    let session = world.session();
    tokio::spawn(async move { session.token(&audience(&["read"], &[MAIL])).await });
    gate.arrived(1).await;
    world.daemon.store.fill_disk(true);
    gate.open();
    pass(2).await;
    let left = world.daemon.left_on_disk();
    let opened = Store::open(left.path()).await.unwrap();
    let slot = opened.sessions.into_iter().next().unwrap().slot;
    assert!(matches!(slot, Slot::Intent { generation: 2, .. }), "{slot:?}");
    let world = world.killed_for(120).await;
    assert_eq!(world.problem().as_deref(), Some("rotation_interrupted"));
    pass(HOUR / 2).await;
    assert_eq!((world.refreshes(), world.token().await.unwrap().token.id), (1, own.token.id));
}
