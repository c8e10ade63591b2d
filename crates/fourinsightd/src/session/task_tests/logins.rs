//! New logins, other people, stops and starts.

use fourinsight_ipc::SessionKey;
use serde_json::json;
use testkit::practice::{Answer, Endpoint, Gate, SecretKind, Verdict};

use super::{HOUR, seconds};
use crate::{
    login::{SignIn as _, SignedInAs},
    session::{NoToken, TokenRequest},
    testing::{ISSUER, SCOPES, START, World, pass, until, usual},
    token::Person,
};

fn subject(person: Option<&Person>) -> Option<&str> {
    person.map(|person| person.subject.as_str())
}

#[tokio::test(start_paused = true)]
async fn a_login_during_a_renewal_wins_and_what_comes_late_is_revoked() {
    let world = World::signed_in().await;
    let gate = Gate::new();
    world.script([Answer::genuine().after_committing().held_by(&gate)]);
    gate.arrived(1).await;
    let mut login = world.login("grace", &SCOPES, &[]).await;
    // The late tokens are revoked where they came from, not where the new login belongs.
    login.registration.revocation_endpoint = None;
    world.sign_in_with("default", login).await;
    let token = world.token().await.unwrap();
    gate.open();
    world.seen(|ledger| ledger.requests(Endpoint::Revocation).count() >= 1).await;
    let ledger = world.practice.ledger();
    assert_eq!(world.practice.verdict(&ledger.refreshes()[0].access_token), Verdict::Revoked);
    assert_eq!(world.token().await.unwrap().token.id, token.token.id);
    assert_eq!(subject(world.snapshot().person.as_deref()), Some("subject-of-grace"));
    pass(10 * HOUR).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    assert!(world.practice.ledger().reuse_events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_replaced_grant_is_forgotten_and_not_revoked() {
    let world = World::signed_in().await;
    let old = world.token().await.unwrap();
    world.sign_in().await;
    let new = world.token().await.unwrap();
    pass(60).await;
    assert_eq!((world.verdict(&old), world.verdict(&new)), (Verdict::Live, Verdict::Live));
    assert_eq!(world.practice.ledger().requests(Endpoint::Revocation).count(), 0);
    assert_eq!(world.snapshot().generation, 2);
}

#[tokio::test(start_paused = true)]
async fn a_new_login_inherits_nothing() {
    let world = World::signed_in().await;
    let login = world.login("ada", &["openid", "api", "read"], &[]).await;
    world.sign_in_with("default", login).await;
    pass(HOUR + 1).await;
    assert!(matches!(world.token().await, Err(NoToken::LoginRequired(_))));
    assert_eq!(world.refreshes(), 0, "the earlier login's refresh token is gone");
}

/// An answer to a refresh that is for somebody else.
fn for_grace(world: &World, unix: u64) -> Answer {
    let claims = json!({
        "iss": ISSUER, "sub": "subject-of-grace", "aud": "practice-client", "iat": unix, "exp": unix + 3600,
    });
    Answer::json(
        200,
        &json!({
            "access_token": "for-grace", "token_type": "Bearer", "expires_in": 3600,
            "refresh_token": "also-for-grace", "id_token": world.practice.sign_id_token(&claims),
        }),
    )
}

#[tokio::test(start_paused = true)]
async fn another_person_at_a_refresh_is_neither_stored_nor_served() {
    let world = World::signed_in().await;
    let first = world.token().await.unwrap();
    world.script([for_grace(&world, START + HOUR * 3 / 4)]);
    until("the switch shows", || world.problem().is_some()).await;
    assert_eq!(world.token().await.unwrap().token.id, first.token.id, "the old token lives out");
    let world = world.restarted().await;
    assert_eq!(world.token().await.unwrap().token.id, first.token.id);
    assert_eq!(subject(world.snapshot().person.as_deref()), Some("subject-of-ada"));
    pass(HOUR).await;
    let Err(NoToken::LoginRequired(Some(failure))) = world.token().await else { panic!("served") };
    assert!(failure.description.contains("person"), "{failure:?}");
    assert_eq!(world.refreshes(), 1, "the refresh token is not sent again");
}

#[tokio::test(start_paused = true)]
async fn another_person_when_the_old_token_is_dead_asks_for_a_login_at_once() {
    let world = World::signed_in().await;
    world.readings.sleep(2 * HOUR);
    world.script([for_grace(&world, START)]);
    let answer = world.token().await;
    assert!(matches!(answer, Err(NoToken::LoginRequired(Some(_)))), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_start_with_a_living_token_asks_the_server_nothing() {
    let world = World::signed_in().await;
    let before = world.token().await.unwrap();
    let requests = world.practice.ledger().entries().len();
    let world = world.restarted().await;
    let after = world.token().await.unwrap();
    assert_eq!(after.token.id, before.token.id);
    assert_eq!(after.token.secret.expose(), before.token.secret.expose());
    assert_eq!(subject(world.snapshot().person.as_deref()), Some("subject-of-ada"));
    pass(60).await;
    assert_eq!(world.practice.ledger().entries().len(), requests);
    assert_eq!(world.daemon.problems, [""; 0]);
    pass(10 * HOUR).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
}

#[tokio::test(start_paused = true)]
async fn a_start_after_the_tokens_end_renews_at_once() {
    let world = World::signed_in().await.killed_for(2 * HOUR).await;
    let token = world.token().await.unwrap();
    assert_eq!((world.verdict(&token), world.refreshes()), (Verdict::Live, 1));
}

#[tokio::test(start_paused = true)]
async fn a_start_after_the_wall_clock_was_set_back_trusts_no_stored_token() {
    let world = World::signed_in().await;
    let before = world.token().await.unwrap();
    world.readings.step_wall(-86_400);
    let world = world.restarted().await;
    let token = world.token().await.unwrap();
    assert_ne!(token.token.id, before.token.id);
    assert_eq!(world.verdict(&token), Verdict::Live);
}

#[tokio::test(start_paused = true)]
async fn a_stop_drains_the_renewal_that_is_in_flight() {
    let world = World::signed_in().await;
    let gate = Gate::new();
    world.script([Answer::genuine().after_committing().held_by(&gate)]);
    world.readings.sleep(2 * HOUR);
    let session = world.session();
    let caller = tokio::spawn(async move { session.token(&usual()).await });
    gate.arrived(1).await;
    world.daemon.stopping.send_replace(true);
    pass(10).await;
    assert!(!caller.is_finished());
    gate.open();
    let served = caller.await.unwrap().unwrap();

    let world = world.restarted().await;
    let token = world.token().await.unwrap();
    assert_eq!(token.token.id, served.token.id);
    assert_eq!((world.refreshes(), world.problem()), (1, None));
    pass(10 * HOUR).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    assert!(world.practice.ledger().reuse_events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_session_begins_nothing_and_says_to_come_back() {
    let world = World::signed_in().await;
    let session = world.session();
    world.daemon.stop().await;
    world.readings.sleep(2 * HOUR);
    let answer = session.token(&TokenRequest { wait: seconds(30), ..usual() }).await;
    assert!(matches!(answer, Err(NoToken::Unavailable { retry_after: Some(_), .. })), "{answer:?}");
    assert!(session.revoke().await.is_err());
    assert_eq!(world.practice.ledger().token_requests("refresh_token").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_rotate_keeps_its_refresh_token() {
    let world = World::signed_in().await;
    let answer = json!({ "access_token": "second", "token_type": "bearer", "expires_in": "3600" });
    world.script([Answer::json(200, &answer)]);
    pass(HOUR).await;
    assert_eq!(world.token().await.unwrap().token.secret.expose(), "second");
    let world = world.restarted().await;
    pass(HOUR).await;
    let ledger = world.practice.ledger();
    let first = ledger.secrets_of(SecretKind::RefreshToken).next().unwrap();
    assert_eq!(ledger.redemptions()[first], 1, "the scripted answer never reached the server's own count");
    assert_eq!(ledger.token_requests("refresh_token")[1].form.get("refresh_token"), Some(first));
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
}

#[tokio::test(start_paused = true)]
async fn a_session_knows_whose_it_was_until_it_is_revoked() {
    let known = |world: &World| world.daemon.broker.known(&SessionKey::default()).signed_in_as;
    let is_ada = |known: &SignedInAs| matches!(known, SignedInAs::Person(person) if person.subject == "subject-of-ada");
    let world = World::new().await;
    assert_eq!(known(&world), SignedInAs::Nobody);
    world.sign_in().await;
    assert!(is_ada(&known(&world)));
    // Its login has ended, and so have its tokens.
    world.script([Answer::error(400, "invalid_grant")]);
    pass(2 * HOUR).await;
    assert!(matches!(world.token().await, Err(NoToken::LoginRequired(_))));
    assert!(is_ada(&known(&world)));
    let world = world.restarted().await;
    assert!(is_ada(&known(&world)));
    world.revoke().await;
    assert_eq!(known(&world), SignedInAs::Nobody);

    let mut login = world.login("ada", &["offline_access", "api"], &[]).await;
    login.tokens.person = None;
    world.sign_in_with("default", login).await;
    assert_eq!(known(&world), SignedInAs::Unknown);
}
