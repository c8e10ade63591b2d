//! Renewals whose outcome nobody knows, while the daemon runs: what is tried again, when, and what is learnt.

use std::time::Duration;

use testkit::practice::{Answer, Rotation as Server, Successor, Verdict};

use super::HOUR;
use crate::{
    profile::Rotation,
    session::{NoToken, Shown},
    testing::{SCOPES, World, pass, until},
};

/// A session at a server that rotates like this, whose profile says that of it.
pub(super) async fn at(server: Server, profile: Rotation) -> World {
    let world = World::with(|settings| settings.rotation = server).await;
    let mut login = world.login("ada", &SCOPES, &[]).await;
    login.registration.rotation = profile;
    world.sign_in_with("default", login).await;
    world
}

const GRACE: Server = Server::Grace { window: Duration::from_secs(30), successor: Successor::New };

/// Waits for the first request with a refresh token: from then on the seconds count.
async fn first_sending(world: &World) {
    world.seen(|ledger| ledger.token_requests("refresh_token").len() == 1).await;
}

/// Time enough for the disk, and too short for the next retry.
async fn half_a_second() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

/// How many requests the server has seen after so many seconds more.
async fn refreshes_after(world: &World, seconds: u64) -> usize {
    pass(seconds).await;
    world.refreshes()
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again_within_the_usual_grace_and_teaches_something() {
    let world = at(GRACE, Rotation::Unknown).await;
    world.script([Answer::close().after_committing(), Answer::status(502), Answer::genuine()]);
    first_sending(&world).await;
    half_a_second().await;
    let interrupted = world.snapshot().rotation.clone().unwrap().interrupted.unwrap();
    assert!(interrupted.2.contains("the answer to a renewal was lost"), "{interrupted:?}");
    assert_eq!(refreshes_after(&world, 2).await, 2);
    assert_eq!(refreshes_after(&world, 4).await, 3);
    assert_eq!(world.problem(), None);
    let known = world.snapshot().rotation.clone().unwrap();
    assert_eq!((known.behaviour, known.learnt), (Rotation::Grace(5), true));
    assert!(known.interrupted.is_none() && known.last_at.is_some());
    let world = world.restarted().await;
    assert_eq!(world.snapshot().rotation.clone().unwrap().behaviour, Rotation::Grace(5));
    pass(2 * HOUR).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_known_three_retries_are_risked_and_then_the_token_is_served_to_its_end() {
    let world = at(Server::Strict, Rotation::Unknown).await;
    let token = world.token().await.unwrap();
    world.script(std::iter::repeat_n(Answer::close(), 4));
    first_sending(&world).await;
    for (seconds, sent) in [(2, 2), (4, 3), (10, 4), (300, 4)] {
        assert_eq!(refreshes_after(&world, seconds).await, sent);
    }
    assert_eq!(world.problem().as_deref(), Some("rotation_interrupted"));
    assert_eq!(world.token().await.unwrap().token.id, token.token.id);
    let end = token.token.expiry.end().unwrap();
    assert_eq!(world.snapshot().retry_at, Some(end));

    let world = world.killed_for(5).await;
    assert_eq!(refreshes_after(&world, 100).await, 4, "a start knows that it was tried enough");
    assert_eq!(world.problem().as_deref(), Some("rotation_interrupted"));
    pass(end.since(world.clock.now()).as_secs() + 1).await;
    assert_eq!(world.refreshes(), 5);
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    assert_eq!(world.problem(), None);
}

#[tokio::test(start_paused = true)]
async fn a_strict_server_is_asked_again_only_when_there_is_nothing_left_to_lose() {
    for committed in [false, true] {
        let world = at(Server::Strict, Rotation::Strict).await;
        let token = world.token().await.unwrap();
        world.script([if committed { Answer::close().after_committing() } else { Answer::close() }]);
        first_sending(&world).await;
        let left = token.token.expiry.end().unwrap().since(world.clock.now()).as_secs();
        pass(left - 5).await;
        assert_eq!((world.refreshes(), world.verdict(&token)), (1, Verdict::Live));
        assert_eq!(world.token().await.unwrap().token.id, token.token.id);
        pass(10).await;
        assert_eq!(world.refreshes(), 2);
        let answer = world.token().await;
        if committed {
            let Err(NoToken::LoginRequired(Some(failure))) = answer else { panic!("served") };
            assert_eq!(failure.error, "rotation_interrupted");
            pass(HOUR).await;
            assert_eq!(world.refreshes(), 2, "never again");
        } else {
            assert_eq!(world.verdict(&answer.unwrap()), Verdict::Live);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_known_grace_is_used_up_to_its_last_seconds() {
    for (grace, sendings) in [(4, 1), (10, 3), (30, 4), (120, 6)] {
        let world = at(Server::Strict, Rotation::Grace(grace)).await;
        world.script(std::iter::repeat_n(Answer::close(), 20));
        first_sending(&world).await;
        assert_eq!(refreshes_after(&world, 300).await, sendings, "{grace}");
        assert_eq!(world.problem().as_deref(), Some("rotation_interrupted"));
    }
}

#[tokio::test(start_paused = true)]
async fn where_old_ones_stay_good_it_is_an_outage_like_any_other() {
    for (server, profile) in [(Server::None, Rotation::None), (Server::NeverRevoke, Rotation::NeverRevoke)] {
        let world = at(server, profile).await;
        world.script(std::iter::repeat_n(Answer::close().after_committing(), 6));
        first_sending(&world).await;
        half_a_second().await;
        assert!(world.snapshot().rotation.clone().unwrap().interrupted.is_none());
        until("it heals", || world.problem().is_none()).await;
        assert_eq!(world.refreshes(), 7);
        assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_time_out_one_retry_is_risked_because_the_server_may_still_be_at_work() {
    let world = at(Server::Strict, Rotation::Unknown).await;
    let token = world.token().await.unwrap();
    world.script(std::iter::repeat_n(Answer::hang(), 2));
    first_sending(&world).await;
    assert_eq!(refreshes_after(&world, 62).await, 2);
    assert_eq!(refreshes_after(&world, 300).await, 2);
    assert_eq!(world.problem().as_deref(), Some("rotation_interrupted"));
    assert_eq!(world.token().await.unwrap().token.id, token.token.id);
    pass(HOUR).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
}

#[tokio::test(start_paused = true)]
async fn what_a_server_does_is_learnt_and_what_the_profile_says_goes_before_it() {
    for (profile, behaviour, learnt) in
        [(Rotation::Unknown, Rotation::None, true), (Rotation::Strict, Rotation::Strict, false)]
    {
        let world = at(Server::None, profile).await;
        assert!(!world.snapshot().rotation.clone().unwrap().learnt);
        pass(HOUR).await;
        let world = world.restarted().await;
        let known = world.snapshot().rotation.clone().unwrap();
        assert_eq!((known.behaviour, known.learnt), (behaviour, learnt));
    }
    let world = at(Server::Strict, Rotation::Unknown).await;
    pass(HOUR).await;
    let known = world.snapshot().rotation.clone().unwrap();
    assert_eq!((known.behaviour, known.learnt), (Rotation::Unknown, false));
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_lost_answers_ends_no_session_however_long_it_is() {
    let world = at(Server::Strict, Rotation::Unknown).await;
    world.script(std::iter::repeat_n(Answer::close(), 70));
    pass(4 * HOUR).await;
    assert_eq!(world.snapshot().shown, Shown::SignedIn);
    assert!((20..=70).contains(&world.refreshes()), "{}", world.refreshes());
    until("it heals", || world.problem().is_none()).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
}
