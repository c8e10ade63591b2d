//! Revoking a session: the mark, the wait for what is in flight, the server, and then nothing is left.

use fourinsight_ipc::message::Revocation;
use testkit::practice::{Answer, Endpoint, Gate, SecretKind, Verdict};

use super::HOUR;
use crate::{
    session::{NoToken, Shown},
    testing::{SCOPES, World, pass},
};

/// The tokens that the server was asked to revoke, in order, by their hint.
fn revoked(world: &World) -> Vec<(String, String)> {
    let ledger = world.practice.ledger();
    let text = |entry: &testkit::practice::ledger::Entry, name| entry.form.get(name).unwrap().to_owned();
    ledger
        .requests(Endpoint::Revocation)
        .map(|entry| (text(entry, "token_type_hint"), text(entry, "token")))
        .collect()
}

/// Whether nothing of the session is left in memory or on the disk.
async fn is_forgotten(world: World) -> bool {
    let gone = world.snapshot().shown == Shown::SignedOut;
    let slots = std::fs::read_dir(world.daemon.folder.path().join("journal")).unwrap().count();
    let world = world.restarted().await;
    gone && slots == 0 && world.daemon.broker.sessions().is_empty() && world.daemon.problems.is_empty()
}

#[tokio::test(start_paused = true)]
async fn the_refresh_token_goes_first_and_nothing_is_left() {
    let world = World::signed_in().await;
    let token = world.token().await.unwrap();
    let refresh_token =
        world.practice.ledger().secrets_of(SecretKind::RefreshToken).next().unwrap().to_owned();
    let answer = world.revoke().await;
    assert_eq!(answer.revocation, Revocation::Revoked);
    assert_eq!(answer.access_tokens_live_until, Some(1_700_000_000 + HOUR as i64));
    let expected = [("refresh_token", &*refresh_token), ("access_token", token.token.secret.expose())];
    assert_eq!(revoked(&world), expected.map(|(hint, token)| (hint.to_owned(), token.to_owned())));
    assert_eq!(world.verdict(&token), Verdict::Revoked);
    assert!(matches!(world.token().await, Err(NoToken::LoginRequired(None))));
    assert!(is_forgotten(world).await);
}

#[tokio::test(start_paused = true)]
async fn callers_are_told_at_once_and_a_crash_resumes_the_revocation() {
    let world = World::signed_in().await;
    let token = world.token().await.unwrap();
    let gate = Gate::new();
    world.practice.answer_next(Endpoint::Revocation, [Answer::genuine().held_by(&gate)]);
    let session = world.session();
    let revoking = tokio::spawn(async move { session.revoke().await });
    gate.arrived(1).await;
    assert_eq!(world.snapshot().shown, Shown::Revoking);
    assert!(matches!(world.token().await, Err(NoToken::LoginRequired(None))));
    assert_eq!(world.verdict(&token), Verdict::Live);

    let world = world.killed().await;
    assert!(revoking.await.unwrap().is_err());
    assert!(matches!(world.token().await, Err(NoToken::LoginRequired(None))));
    world.seen(|ledger| ledger.requests(Endpoint::Revocation).count() == 3).await;
    pass(1).await;
    assert_eq!(world.verdict(&token), Verdict::Revoked);
    assert!(is_forgotten(world).await);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_in_flight_is_awaited_and_its_newest_token_revoked() {
    let world = World::signed_in().await;
    let gate = Gate::new();
    world.script([Answer::genuine().after_committing().held_by(&gate)]);
    gate.arrived(1).await;
    let session = world.session();
    let revoking = tokio::spawn(async move { session.revoke().await.unwrap() });
    pass(1).await;
    assert_eq!(world.snapshot().shown, Shown::Revoking);
    assert!(matches!(world.token().await, Err(NoToken::LoginRequired(None))));
    assert!(revoked(&world).is_empty() && !revoking.is_finished());
    gate.open();
    assert_eq!(revoking.await.unwrap().revocation, Revocation::Revoked);
    let newest = world.practice.ledger().refreshes()[0].clone();
    assert_eq!(revoked(&world)[0], ("refresh_token".to_owned(), newest.successor));
    assert_eq!(world.practice.verdict(&newest.access_token), Verdict::Revoked);
    assert!(is_forgotten(world).await);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_hangs_delays_a_revocation_to_its_time_limit_only() {
    let world = World::signed_in().await;
    let gate = Gate::new();
    world.script([Answer::hang().held_by(&gate)]);
    gate.arrived(1).await;
    let began = world.clock.now();
    assert_eq!(world.revoke().await.revocation, Revocation::Revoked);
    assert!((59..=61).contains(&world.clock.now().since(began).as_secs()));
    assert!(is_forgotten(world).await);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_the_endpoint_is_told_nothing() {
    let world = World::with(|settings| settings.revocation = false).await;
    let mut login = world.login("ada", &SCOPES, &[]).await;
    login.registration.revocation_endpoint = None;
    world.sign_in_with("default", login).await;
    let answer = world.revoke().await;
    assert_eq!(answer.revocation, Revocation::Unsupported);
    assert!(answer.access_tokens_live_until.is_some());
    assert!(revoked(&world).is_empty());
    assert!(is_forgotten(world).await);
}

#[tokio::test(start_paused = true)]
async fn whatever_the_server_says_the_session_is_forgotten() {
    for (answer, expected) in [
        (Answer::status(503), Revocation::Failed),
        (Answer::error(400, "invalid_request"), Revocation::Failed),
        (Answer::error(401, "invalid_client"), Revocation::Failed),
        (Answer::close(), Revocation::Failed),
        (Answer::hang(), Revocation::Failed),
        (Answer::error(400, "unsupported_token_type"), Revocation::Revoked),
        (Answer::error(400, "invalid_token"), Revocation::Revoked),
        (Answer::status(200), Revocation::Revoked),
    ] {
        let world = World::signed_in().await;
        world.practice.answer_next(Endpoint::Revocation, [answer]);
        let began = world.clock.now();
        let answer = world.revoke().await;
        assert_eq!(answer.revocation, expected, "{}", answer.description);
        assert!(world.clock.now().since(began).as_secs() <= 10);
        assert!(is_forgotten(world).await);
    }
}

#[tokio::test(start_paused = true)]
async fn two_who_revoke_at_once_share_one_revocation() {
    let world = World::signed_in().await;
    let gate = Gate::new();
    world.practice.answer_next(Endpoint::Revocation, [Answer::genuine().held_by(&gate)]);
    let both = [world.session(), world.session()]
        .map(|session| tokio::spawn(async move { session.revoke().await.unwrap().revocation }));
    gate.arrived(1).await;
    gate.open();
    for answer in both {
        assert_eq!(answer.await.unwrap(), Revocation::Revoked);
    }
    assert_eq!(revoked(&world).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_login_during_a_revocation_begins_where_it_ends() {
    let world = World::signed_in().await;
    let gate = Gate::new();
    world.practice.answer_next(Endpoint::Revocation, [Answer::genuine().held_by(&gate)]);
    let session = world.session();
    let revoking = tokio::spawn(async move { session.revoke().await.unwrap() });
    gate.arrived(1).await;
    let (session, login) = (world.session(), world.login("grace", &SCOPES, &[]).await);
    let signing_in = tokio::spawn(async move { session.sign_in(login).await });
    pass(1).await;
    assert!(!signing_in.is_finished());
    gate.open();
    assert_eq!(revoking.await.unwrap().revocation, Revocation::Revoked);
    signing_in.await.unwrap().unwrap();
    let token = world.token().await.unwrap();
    assert_eq!(world.verdict(&token), Verdict::Live);
    let world = world.restarted().await;
    assert_eq!(world.token().await.unwrap().token.id, token.token.id);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_needs_its_person_is_revoked_without_a_word_to_the_server() {
    let world = World::signed_in().await;
    world.script([Answer::error(400, "invalid_grant")]);
    pass(HOUR).await;
    assert!(matches!(world.token().await, Err(NoToken::LoginRequired(Some(_)))));
    let answer = world.revoke().await;
    assert_eq!((answer.revocation, answer.access_tokens_live_until), (Revocation::Revoked, None));
    assert!(revoked(&world).is_empty());
    assert!(is_forgotten(world).await);
}
