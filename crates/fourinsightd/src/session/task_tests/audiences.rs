//! Other scopes and resources than the login's: fetched on demand, each under its own key.

use testkit::practice::{Answer, Gate, Verdict};
use tokio::task::JoinSet;

use super::{HOUR, audience};
use crate::{
    authority::Verdict as Refusal,
    session::NoToken,
    testing::{World, pass},
};

const MAIL: &str = "https://mail.test/";
const FILES: &str = "https://files.test/";

#[tokio::test(start_paused = true)]
async fn another_audience_is_asked_for_by_name_and_kept() {
    let world = World::signed_in().await;
    let own = world.token().await.unwrap();
    let token = world.ask(&audience(&["read"], &[MAIL, FILES])).await.unwrap();
    let known = world.practice.access_token(token.token.secret.expose()).unwrap();
    assert_eq!(known.scope, ["read"]);
    assert_eq!(known.audience, [FILES, MAIL]);
    for request in [audience(&["read"], &[MAIL, FILES]), audience(&["openid", "read"], &[FILES, MAIL])] {
        assert_eq!(world.ask(&request).await.unwrap().token.id, token.token.id);
    }
    assert_eq!(world.refreshes(), 1);
    assert_eq!(world.token().await.unwrap().token.id, own.token.id, "the session's own token is untouched");
    assert_eq!(world.verdict(&own), Verdict::Live);
}

#[tokio::test(start_paused = true)]
async fn the_sessions_own_refresh_names_no_scope() {
    let world = World::signed_in().await;
    pass(HOUR).await;
    let ledger = world.practice.ledger();
    let refresh = ledger.token_requests("refresh_token")[0];
    assert_eq!((refresh.form.get("scope"), refresh.form.get("resource")), (None, None));
}

#[tokio::test(start_paused = true)]
async fn the_logins_own_scopes_in_any_order_are_the_own_token() {
    let world = World::signed_in().await;
    let own = world.token().await.unwrap();
    let same = world.ask(&audience(&["read", "api", "offline_access"], &[])).await.unwrap();
    assert_eq!(same.token.id, own.token.id);
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test(start_paused = true)]
async fn audiences_take_turns_at_the_one_refresh_token() {
    let world = World::signed_in().await;
    let gate = Gate::new();
    world.script([Answer::genuine().held_by(&gate)]);
    let mut callers = JoinSet::new();
    for number in 0..100 {
        let session = world.session();
        let resource = format!("https://api-{}.test/", number % 5);
        callers.spawn(async move { session.token(&audience(&["read"], &[&resource])).await });
    }
    gate.arrived(1).await;
    pass(5).await;
    assert_eq!(world.refreshes(), 1, "one at a time");
    gate.open();
    for answer in callers.join_all().await {
        assert_eq!(world.verdict(&answer.unwrap()), Verdict::Live);
    }
    let ledger = world.practice.ledger();
    assert_eq!((ledger.refreshes().len(), ledger.most_redemptions()), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_audience_leaves_the_others_alone() {
    let world = World::new().await;
    let login = world.login("ada", &["openid", "offline_access", "api", "read"], &[MAIL]).await;
    world.sign_in_with("default", login).await;
    for (request, refused) in
        [(audience(&["write"], &[MAIL]), Refusal::Scope), (audience(&["read"], &[FILES]), Refusal::Target)]
    {
        for _ in 0..10 {
            let answer = world.ask(&request).await;
            assert!(
                matches!(&answer, Err(NoToken::Refused(verdict, _)) if *verdict == refused),
                "{answer:?}"
            );
        }
        assert!(world.token().await.is_ok());
        assert!(world.ask(&audience(&["read"], &[MAIL])).await.is_ok());
    }
    // Ten requests for each refused one cost one redemption each, and the granted one cost one.
    assert_eq!(world.refreshes(), 3);
    assert_eq!(world.problem(), None);
    pass(61).await;
    assert!(world.ask(&audience(&["write"], &[MAIL])).await.is_err());
    assert_eq!(world.refreshes(), 4, "a refusal stands for a minute");
}

#[tokio::test(start_paused = true)]
async fn a_final_word_on_another_audience_does_not_end_the_login() {
    let world = World::signed_in().await;
    world.script([Answer::error(400, "invalid_grant")]);
    let answer = world.ask(&audience(&["read"], &[])).await;
    assert!(matches!(answer, Err(NoToken::Refused(Refusal::InteractionRequired, _))), "{answer:?}");
    pass(HOUR).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
}

#[tokio::test(start_paused = true)]
async fn without_a_refresh_token_there_is_no_other_audience() {
    let world = World::new().await;
    let login = world.login("ada", &["api", "read"], &[]).await;
    world.sign_in_with("default", login).await;
    let answer = world.ask(&audience(&["read"], &[])).await;
    assert!(matches!(answer, Err(NoToken::Refused(Refusal::InteractionRequired, _))), "{answer:?}");
    assert!(world.token().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn other_audiences_are_fetched_when_asked_for_and_never_else() {
    let world = World::signed_in().await;
    let first = world.ask(&audience(&["read"], &[])).await.unwrap();
    pass(5 * HOUR).await;
    let named = |world: &World| {
        let ledger = world.practice.ledger();
        ledger.token_requests("refresh_token").iter().filter(|it| it.form.get("scope").is_some()).count()
    };
    assert_eq!(named(&world), 1);
    let second = world.ask(&audience(&["read"], &[])).await.unwrap();
    assert_ne!(second.token.id, first.token.id);
    assert_eq!((named(&world), world.verdict(&second)), (2, Verdict::Live));
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_of_too_many_audiences_is_forgotten() {
    let world = World::signed_in().await;
    let own = world.token().await.unwrap();
    let nth = |number: usize| audience(&[], &[&format!("https://api-{number}.test/")]);
    for number in 0..64 {
        world.ask(&nth(number)).await.unwrap();
        pass(1).await;
    }
    assert_eq!(world.refreshes(), 64);
    assert_eq!(world.token().await.unwrap().token.id, own.token.id);
    world.ask(&nth(63)).await.unwrap();
    assert_eq!(world.refreshes(), 64);
    world.ask(&nth(0)).await.unwrap();
    assert_eq!(world.refreshes(), 65);
}
