//! A server, or something before it, that refuses every renewal and never says that the login is over.

use testkit::practice::{Answer, Verdict};

use super::HOUR;
use crate::{
    session::{NoToken, Shown},
    testing::{World, pass, until},
};

fn firewall() -> Answer {
    Answer::status(403).header("content-type", "text/html").body("<html>Access denied</html>")
}

/// What callers are told.
async fn told(world: &World) -> String {
    match world.token().await {
        Ok(token) => format!("{:?}", world.verdict(&token)),
        Err(NoToken::LoginRequired(failure)) => failure.map_or_else(String::new, |failure| failure.error),
        Err(NoToken::Unavailable { failure, .. }) => {
            format!("not now: {}", failure.map_or_else(String::new, |failure| failure.error))
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn once_the_token_is_dead_a_login_is_asked_for_and_it_heals_by_itself_all_the_same() {
    for answer in [firewall(), Answer::error(400, "invalid_request"), Answer::error(401, "invalid_client")] {
        let world = World::signed_in().await;
        world.script(std::iter::repeat_n(answer, 200));
        until("it is refused", || world.problem().is_some()).await;
        while world.session().at_once(None, None).is_some() {
            pass(1).await;
        }
        // However the token's last minutes went, by an hour after its end it is clear.
        pass(HOUR).await;
        assert_eq!(told(&world).await, "refused_for_long");
        let snapshot = world.snapshot();
        assert_eq!(snapshot.shown, Shown::SignedIn, "inside nothing is given up");
        let (failure, _) = snapshot.refused_for_long(world.clock.now()).unwrap();
        assert!(failure.description.contains("in a row"), "{failure:?}");
        let before = world.refreshes();
        pass(HOUR).await;
        let attempts = world.refreshes() - before;
        assert!((6..=13).contains(&attempts), "{attempts} attempts in an hour");
        world.practice.forget_scripted_answers();
        pass(601).await;
        assert_eq!(told(&world).await, "Live");
        assert_eq!((world.problem(), world.snapshot().refused_for_long(world.clock.now())), (None, None));
    }
}

#[tokio::test(start_paused = true)]
async fn the_living_token_is_served_however_long_it_is_refused() {
    let world = World::signed_in().await;
    let first = world.token().await.unwrap();
    world.script(std::iter::repeat_n(firewall(), 200));
    pass(HOUR - 5).await;
    assert_eq!(world.token().await.unwrap().token.id, first.token.id);
    assert_eq!(world.problem().as_deref(), Some("invalid_response"));
}

#[tokio::test(start_paused = true)]
async fn what_is_down_or_busy_is_never_taken_for_a_refusal() {
    let down = || Answer::status(503).body("down");
    let mixed = std::iter::repeat_n([firewall(), firewall(), down()], 100).flatten();
    for answers in [vec![down(); 200], vec![Answer::close(); 200], mixed.collect()] {
        let world = World::signed_in().await;
        world.script(answers);
        pass(4 * HOUR).await;
        assert!(told(&world).await.starts_with("not now"), "{}", told(&world).await);
        assert_eq!(world.snapshot().refused_for_long(world.clock.now()), None);
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_counted_anew_after_a_restart() {
    let world = World::signed_in().await;
    world.script(std::iter::repeat_n(firewall(), 200));
    pass(3 * HOUR).await;
    assert_eq!(told(&world).await, "refused_for_long");
    let world = world.restarted().await;
    assert_eq!(told(&world).await, "not now: invalid_response");
    pass(HOUR).await;
    assert_eq!(told(&world).await, "refused_for_long");
    world.practice.forget_scripted_answers();
    world.sign_in().await;
    assert_eq!(world.token().await.map(|token| world.verdict(&token)), Ok(Verdict::Live));
}
