//! Tokens that meet an API's demands: by claims of a request, by an API's challenge, by the next login.

use testkit::practice::{Answer, Gate, Verdict};
use tokio::task::JoinSet;

use super::{HOUR, audience, seconds};
use crate::{
    authority::{
        Dialect, ResourceStyle, Verdict as Refusal, challenge::Challenge, claims::Claims, step_up::StepUp,
    },
    login::SignIn,
    session::{NoToken, Reported, TokenRequest},
    testing::{SCOPES, World, key, pass, usual},
};

const ACRS: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
const CAE: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;

fn with_claims(json: &str) -> TokenRequest {
    TokenRequest { claims: Some(Claims::read(json).unwrap()), ..usual() }
}

#[expect(clippy::unnecessary_wraps, reason = "what it is compared with, or handed to, is optional")]
fn challenge(error: &str, claims: Option<&str>) -> Option<Challenge> {
    let claims = claims.map(|json| Claims::read(json).unwrap());
    Some(Challenge { error: Some(error.into()), claims, ..Challenge::default() })
}

/// The `claims` of each refresh.
fn sent(world: &World) -> Vec<Option<String>> {
    let ledger = world.practice.ledger();
    let refreshes = ledger.token_requests("refresh_token");
    refreshes.iter().map(|refresh| refresh.form.get("claims").map(str::to_owned)).collect()
}

fn step_up(world: &World) -> Option<StepUp> {
    world.daemon.broker.known(&key("default")).step_up
}

async fn at_entra(capabilities: &[&str]) -> World {
    let world = World::new().await;
    let mut login = world.login("ada", &SCOPES, &[]).await;
    login.registration.dialect = Dialect { resource_style: ResourceStyle::Entra, by_device: false };
    login.registration.client_capabilities = capabilities.iter().map(ToString::to_string).collect();
    world.sign_in_with("default", login).await;
    world
}

#[tokio::test(start_paused = true)]
async fn fifty_requests_with_the_same_claims_are_one_redemption() {
    let world = World::signed_in().await;
    let before = world.token().await.unwrap();
    let gate = Gate::new();
    world.script([Answer::genuine().held_by(&gate)]);
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let session = world.session();
        callers.spawn(async move { session.token(&with_claims(ACRS)).await.unwrap().token.id });
    }
    gate.arrived(1).await;
    assert_eq!(world.token().await.unwrap().token.id, before.token.id, "nobody else waits");
    // The gate is left behind by all fifty before it opens: paused time passes only when nothing else can happen.
    pass(1).await;
    gate.open();
    let served = callers.join_all().await;
    assert!(served.iter().all(|id| *id == served[0] && *id != before.token.id));
    assert_eq!(sent(&world), [Some(ACRS.to_owned())]);
    let own = world.token().await.unwrap();
    assert_eq!((own.token.id, world.verdict(&own)), (served[0], Verdict::Live), "it is everyone's token now");
    pass(HOUR).await;
    assert_eq!(sent(&world), [Some(ACRS.to_owned()), None], "a renewal does not repeat them");
}

#[tokio::test(start_paused = true)]
async fn each_request_with_claims_skips_the_cache_once() {
    let world = World::signed_in().await;
    let first = world.ask(&with_claims(ACRS)).await.unwrap();
    let second = world.ask(&with_claims(ACRS)).await.unwrap();
    assert_ne!(first.token.id, second.token.id);
    assert_eq!(world.refreshes(), 2);
    assert_eq!(world.token().await.unwrap().token.id, second.token.id);
}

#[tokio::test(start_paused = true)]
async fn claims_in_a_loop_cause_no_storm() {
    let world = World::signed_in().await;
    let began = world.clock.now();
    let patient = TokenRequest { wait: seconds(60), ..with_claims(ACRS) };
    for _ in 0..21 {
        world.ask(&patient).await.unwrap();
    }
    assert!(world.clock.now().since(began) >= seconds(5 * 30));
    let hasty = TokenRequest { wait: seconds(1), ..patient };
    for _ in 0..4 {
        let _ = world.ask(&hasty).await;
    }
    assert!(matches!(world.ask(&hasty).await, Err(NoToken::Unavailable { .. })));
    world.token().await.expect("others are served");
}

#[tokio::test(start_paused = true)]
async fn another_audience_takes_claims_too() {
    let world = World::signed_in().await;
    let own = world.token().await.unwrap();
    let request = TokenRequest { claims: Some(Claims::read(ACRS).unwrap()), ..audience(&["read"], &[]) };
    let token = world.ask(&request).await.unwrap();
    assert_eq!(world.ask(&audience(&["read"], &[])).await.unwrap().token.id, token.token.id);
    let reported = world.session().reject(token.token.id, challenge("insufficient_claims", Some(CAE))).await;
    assert_eq!(reported, Some(Reported::Renewing));
    let next = world.ask(&audience(&["read"], &[])).await.unwrap();
    assert_ne!(next.token.id, token.token.id);
    assert_eq!(sent(&world), [Some(ACRS.to_owned()), Some(CAE.to_owned())]);
    assert_eq!(world.token().await.unwrap().token.id, own.token.id);
}

#[tokio::test(start_paused = true)]
async fn a_challenge_reported_by_fifty_is_one_redemption_with_its_claims() {
    let world = World::signed_in().await;
    let refused = world.token().await.unwrap();
    let mut callers = JoinSet::new();
    for number in 0..50 {
        let (session, id) = (world.session(), refused.token.id);
        callers.spawn(async move {
            // Not everybody passes on what the API said.
            let why = (number % 3 != 2).then(|| challenge("insufficient_claims", Some(ACRS))).flatten();
            session.reject(id, why).await;
            session.token(&usual()).await.unwrap().token.id
        });
    }
    let served = callers.join_all().await;
    assert!(served.iter().all(|id| *id == served[0] && *id != refused.token.id));
    pass(60).await;
    assert_eq!(sent(&world), [Some(ACRS.to_owned())]);
    let late = world.session().reject(refused.token.id, challenge("insufficient_claims", Some(ACRS))).await;
    assert_eq!((late, world.refreshes()), (Some(Reported::Unknown), 1));
}

#[tokio::test(start_paused = true)]
async fn an_api_that_always_says_401_with_claims_gets_a_new_token_twice_a_minute_at_most() {
    let world = World::signed_in().await;
    let began = world.clock.now();
    let patient = TokenRequest { wait: seconds(60), ..usual() };
    for _ in 0..10 {
        let token = world.ask(&patient).await.unwrap();
        world.session().reject(token.token.id, challenge("insufficient_claims", Some(ACRS))).await;
    }
    world.ask(&patient).await.unwrap();
    assert_eq!(world.refreshes(), 10);
    assert!(world.clock.now().since(began) >= seconds(9 * 30));
}

#[tokio::test(start_paused = true)]
async fn claims_that_want_a_person_leave_the_token_and_wait_for_the_login() {
    let world = World::signed_in().await;
    let own = world.token().await.unwrap();
    world.script([Answer::error(400, "interaction_required")]);
    let answer = world.ask(&with_claims(ACRS)).await;
    assert!(matches!(answer, Err(NoToken::Refused(Refusal::InteractionRequired, _))), "{answer:?}");
    assert_eq!(world.token().await.unwrap().token.id, own.token.id);
    assert_eq!(step_up(&world).unwrap().claims.unwrap().as_str(), ACRS);
    let world = world.killed().await;
    assert_eq!(world.token().await.unwrap().token.id, own.token.id);
    assert_eq!(step_up(&world).unwrap().claims.unwrap().as_str(), ACRS, "it is in the record");
    world.sign_in().await;
    assert_eq!(step_up(&world), None);
    world.ask(&with_claims(ACRS)).await.expect("the person has been there");
}

#[tokio::test(start_paused = true)]
async fn a_stronger_login_is_remembered_and_the_token_goes_on_being_served() {
    let world = World::signed_in().await;
    let own = world.token().await.unwrap();
    let wanted = |acr_values: Option<&str>, max_age| Challenge {
        error: Some("insufficient_user_authentication".into()),
        acr_values: acr_values.map(str::to_owned),
        max_age,
        ..Challenge::default()
    };
    for why in [wanted(Some("phr phrh"), None), wanted(None, Some(60)), wanted(None, Some(600))] {
        let reported = world.session().reject(own.token.id, Some(why)).await;
        assert!(matches!(reported, Some(Reported::Person(_))), "{reported:?}");
        assert_eq!(world.token().await.unwrap().token.id, own.token.id);
    }
    let mut published = world.session().snapshots;
    published.mark_unchanged();
    for (max_age, is_news) in [(60, false), (3600, false), (30, true)] {
        world.session().reject(own.token.id, Some(wanted(None, Some(max_age)))).await;
        assert_eq!(published.has_changed().unwrap(), is_news, "written anew for {max_age}");
    }
    let world = world.restarted().await;
    let step_up = step_up(&world).unwrap();
    assert_eq!((step_up.acr_values.as_deref(), step_up.max_age), (Some("phr phrh"), Some(30)));
    assert_eq!(world.refreshes(), 0);
    world.revoke().await;
    assert_eq!(world.daemon.broker.known(&key("default")).step_up, None);
}

#[tokio::test(start_paused = true)]
async fn cae_is_asked_for_once_and_kept_by_renewals() {
    let world = at_entra(&[]).await;
    let before = world.token().await.unwrap();
    let cae = TokenRequest { enable_cae: true, ..usual() };
    let token = world.ask(&cae).await.unwrap();
    assert_ne!(token.token.id, before.token.id);
    for request in [&cae, &usual()] {
        assert_eq!(world.ask(request).await.unwrap().token.id, token.token.id);
    }
    pass(HOUR).await;
    world.ask(&cae).await.unwrap();
    assert_eq!(sent(&world), [Some(CAE.to_owned()), Some(CAE.to_owned())]);
    let both = TokenRequest { enable_cae: true, ..with_claims(ACRS) };
    world.ask(&both).await.unwrap();
    let merged = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"},"xms_cc":{"values":["cp1"]}}}"#;
    assert_eq!(sent(&world).last().unwrap().as_deref(), Some(merged));
}

#[tokio::test(start_paused = true)]
async fn who_can_answer_a_challenge_waits_like_anybody_for_an_api_that_refuses_everything() {
    let world = at_entra(&[]).await;
    let began = world.clock.now();
    let patient = TokenRequest { wait: seconds(60), enable_cae: true, ..usual() };
    for _ in 0..10 {
        let token = world.ask(&patient).await.unwrap();
        world.session().reject(token.token.id, None).await;
    }
    world.ask(&patient).await.unwrap();
    assert!(world.clock.now().since(began) >= seconds(9 * 30), "{} refreshes", world.refreshes());
}

#[tokio::test(start_paused = true)]
async fn what_the_profile_says_of_the_client_is_sent_with_every_refresh() {
    let world = at_entra(&["cp1"]).await;
    let own = world.token().await.unwrap();
    let cae = TokenRequest { enable_cae: true, ..usual() };
    assert_eq!(world.ask(&cae).await.unwrap().token.id, own.token.id, "the server knows it already");
    pass(HOUR).await;
    assert_eq!(sent(&world), [Some(CAE.to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn elsewhere_than_at_entra_cae_means_nothing() {
    let world = World::signed_in().await;
    let own = world.token().await.unwrap();
    let cae = TokenRequest { enable_cae: true, ..usual() };
    assert_eq!(world.ask(&cae).await.unwrap().token.id, own.token.id);
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_costs_the_claims_but_not_the_token() {
    let world = World::signed_in().await;
    let own = world.token().await.unwrap();
    world.script([Answer::status(503).header("retry-after", "120")]);
    let answer = world.ask(&with_claims(ACRS)).await;
    let pause = Some(seconds(120));
    assert!(
        matches!(&answer, Err(NoToken::Unavailable { retry_after, .. }) if *retry_after == pause),
        "{answer:?}"
    );
    assert!(matches!(world.ask(&with_claims(ACRS)).await, Err(NoToken::Unavailable { .. })));
    assert_eq!(world.token().await.unwrap().token.id, own.token.id);
    pass(121).await;
    world.ask(&with_claims(ACRS)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_with_claims_learns_that_the_session_is_gone() {
    let world = World::signed_in().await;
    let gate = Gate::new();
    world.script([Answer::genuine().held_by(&gate)]);
    let session = world.session();
    let waiting = tokio::spawn(async move { session.token(&with_claims(ACRS)).await });
    gate.arrived(1).await;
    let (revoked, answer) = tokio::join!(
        async {
            gate.open();
            world.revoke().await
        },
        waiting,
    );
    drop(revoked);
    assert!(matches!(answer.unwrap(), Ok(_) | Err(NoToken::LoginRequired(_))));
    assert!(matches!(world.ask(&with_claims(ACRS)).await, Err(NoToken::LoginRequired(_))));
}
