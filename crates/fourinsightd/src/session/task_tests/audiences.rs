//! Other scopes and resources than the login's: each under its own key, fetched on demand, renewed while it is used.

use serde_json::json;
use testkit::practice::{Answer, Gate, Ledger, Verdict};
use tokio::task::JoinSet;

use super::{HOUR, audience};
use crate::{
    authority::Verdict as Refusal,
    session::{Beyond, NoToken},
    testing::{World, pass},
};

const MAIL: &str = "https://mail.test/";
const FILES: &str = "https://files.test/";

#[tokio::test(start_paused = true)]
async fn another_audience_is_asked_for_by_name_and_kept() {
    let world = World::signed_in_for(&[MAIL, FILES]).await;
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
    let resources: Vec<_> = (0..5).map(|number| format!("https://api-{number}.test/")).collect();
    let world = World::signed_in_for(&resources.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let gate = Gate::new();
    world.script([Answer::genuine().held_by(&gate)]);
    let mut callers = JoinSet::new();
    for number in 0..100 {
        let session = world.session();
        let resource = resources[number % 5].clone();
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
async fn what_the_login_did_not_name_is_refused_without_a_request() {
    let world = World::signed_in_for(&[MAIL]).await;
    let named = vec![MAIL.to_owned()];
    let granted = vec!["api".to_owned(), "read".to_owned()];
    for (request, beyond) in [
        (audience(&["read"], &[FILES]), Beyond::Resource(named.clone())),
        (audience(&[], &[MAIL, FILES]), Beyond::Resource(named)),
        (audience(&["write"], &[MAIL]), Beyond::Scope(granted.clone())),
        (audience(&["Read"], &[]), Beyond::Scope(granted)),
    ] {
        assert_eq!(world.ask(&request).await.err(), Some(NoToken::Beyond(beyond)));
    }
    assert_eq!(world.refreshes(), 0);
    assert_eq!(world.snapshot().others().count(), 0, "nothing is remembered of it");
    let world = world.restarted().await;
    assert!(matches!(world.ask(&audience(&[], &[FILES])).await, Err(NoToken::Beyond(_))));
    assert!(world.ask(&audience(&["read"], &[MAIL])).await.is_ok());
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_leaves_the_others_alone() {
    let world = World::signed_in_for(&[MAIL, FILES]).await;
    for (error, refused) in [
        ("invalid_scope", Refusal::Scope),
        ("invalid_target", Refusal::Target),
        ("interaction_required", Refusal::InteractionRequired),
        ("consent_required", Refusal::InteractionRequired),
    ] {
        let before = world.refreshes();
        let request = audience(&["read"], &[FILES]);
        world.script([Answer::error(400, error)]);
        for _ in 0..10 {
            let answer = world.ask(&request).await;
            assert!(
                matches!(&answer, Err(NoToken::Refused(verdict, _)) if *verdict == refused),
                "{answer:?}"
            );
        }
        assert_eq!(world.refreshes(), before + 1, "ten requests cost one redemption");
        assert!(world.token().await.is_ok());
        assert!(world.ask(&audience(&["read"], &[MAIL])).await.is_ok());
        assert_eq!(world.problem(), None);
        pass(61).await;
    }
    let before = world.refreshes();
    assert!(world.ask(&audience(&["read"], &[FILES])).await.is_ok());
    assert_eq!(world.refreshes(), before + 1, "a refusal stands for a minute");
}

#[tokio::test(start_paused = true)]
async fn an_audience_that_needs_a_person_leaves_the_others_working_over_a_restart() {
    let world = World::signed_in_for(&[MAIL, FILES]).await;
    let mail = world.ask(&audience(&["read"], &[MAIL])).await.unwrap();
    let error = json!({ "error": "invalid_grant", "suberror": "consent_required" });
    world.script([Answer::json(400, &error)]);
    let answer = world.ask(&audience(&["read"], &[FILES])).await;
    assert!(matches!(answer, Err(NoToken::Refused(Refusal::InteractionRequired, _))), "{answer:?}");
    let world = world.killed().await;
    assert_eq!(world.problem(), None);
    assert_eq!(world.ask(&audience(&["read"], &[MAIL])).await.unwrap().token.id, mail.token.id);
    pass(2 * HOUR).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    assert!(world.ask(&audience(&["read"], &[FILES])).await.is_ok(), "the person has consented meanwhile");
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

/// The refreshes that asked for `read` alone of this resource; the session's own names the login's first one too.
fn named(ledger: &Ledger, resource: &str) -> usize {
    let sent = [("scope", "read"), ("resource", resource)];
    let refreshes = ledger.token_requests("refresh_token");
    let asked = refreshes
        .iter()
        .filter(|refresh| sent.iter().all(|(name, value)| refresh.form.get(name) == Some(value)));
    asked.count()
}

#[tokio::test(start_paused = true)]
async fn an_audience_is_renewed_before_it_is_asked_for_while_it_is_used() {
    let world = World::signed_in_for(&[MAIL, FILES]).await;
    let mail = audience(&["read"], &[MAIL]);
    let key = mail.key.clone().unwrap();
    let first = world.ask(&mail).await.unwrap();
    world.ask(&audience(&["read"], &[FILES])).await.unwrap();
    for round in 2..6 {
        pass(600).await;
        assert!(world.session().at_once(Some(&key), None).is_some());
        world.seen(|ledger| named(ledger, MAIL) == round).await;
        pass(1).await;
        let next = world.session().at_once(Some(&key), None).expect("renewed before anybody waited");
        assert_ne!(next.token.id, first.token.id);
        assert_eq!(world.verdict(&next), Verdict::Live);
    }
    assert_eq!(named(&world.practice.ledger(), FILES), 1, "nobody asked for the other one again");
    let ledger = world.practice.ledger();
    assert_eq!((ledger.most_redemptions(), ledger.reuse_events().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_audience_that_nobody_uses_is_fetched_once_and_forgotten() {
    let world = World::signed_in_for(&[MAIL]).await;
    let first = world.ask(&audience(&["read"], &[MAIL])).await.unwrap();
    pass(HOUR - 60).await;
    assert_eq!(world.snapshot().others().count(), 1);
    pass(120).await;
    assert_eq!(world.snapshot().others().count(), 0);
    let world = world.killed().await;
    assert_eq!(world.snapshot().others().count(), 0, "its record is rewritten too");
    pass(5 * HOUR).await;
    assert_eq!(named(&world.practice.ledger(), MAIL), 1);
    let second = world.ask(&audience(&["read"], &[MAIL])).await.unwrap();
    assert_ne!(second.token.id, first.token.id);
    assert_eq!((named(&world.practice.ledger(), MAIL), world.verdict(&second)), (2, Verdict::Live));
}

#[tokio::test(start_paused = true)]
async fn after_a_refresh_that_named_scopes_the_own_one_names_what_was_granted() {
    let world = World::signed_in_for(&[MAIL]).await;
    let scopes = |world: &World| {
        let ledger = world.practice.ledger();
        let own = ledger.token_requests("refresh_token");
        let own = own.iter().filter(|refresh| refresh.form.get("scope") != Some("read"));
        own.map(|refresh| refresh.form.get("scope").unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    pass(HOUR).await;
    assert_eq!(scopes(&world), ["-"]);
    world.ask(&audience(&["read"], &[MAIL])).await.unwrap();
    let world = world.killed().await;
    pass(HOUR).await;
    assert_eq!(scopes(&world), ["-", "openid offline_access api read"]);
    let token = world.token().await.unwrap();
    let known = world.practice.access_token(token.token.secret.expose()).unwrap();
    assert!(known.scope.iter().any(|scope| scope == "api"), "{known:?}");
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_of_too_many_audiences_is_forgotten() {
    let resources: Vec<_> = (0..64).map(|number| format!("https://api-{number}.test/")).collect();
    let world = World::signed_in_for(&resources.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let own = world.token().await.unwrap();
    let nth = |number: usize| audience(&[], &[&resources[number]]);
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
