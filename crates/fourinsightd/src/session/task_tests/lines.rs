//! Many sessions at one server: what it asks of one, how fast they come, and who does not wait for them.

use std::time::Duration;

use testkit::practice::{Answer, Verdict};

use super::{HOUR, seconds};
use crate::{
    session::Handle,
    testing::{SCOPES, World, key, pass, until, usual},
};

/// So many sessions, all signed in at the same server.
async fn crowd(count: usize) -> (World, Vec<Handle>) {
    let world = World::new().await;
    let mut sessions = Vec::new();
    for index in 0..count {
        let name = format!("s{index}");
        let login = world.login("ada", &SCOPES, &[]).await;
        world.sign_in_with(&name, login).await;
        sessions.push(world.daemon.broker.session(&key(&name)).unwrap());
    }
    (world, sessions)
}

/// The same, each with a dead token, at the moment when the first of them has reached the server.
async fn crowd_that_wakes(count: usize) -> (World, Vec<Handle>) {
    let (world, sessions) = crowd(count).await;
    world.readings.sleep(2 * HOUR);
    world.seen(|ledger| !ledger.token_requests("refresh_token").is_empty()).await;
    (world, sessions)
}

/// The most requests with a refresh token within any second.
fn peak(world: &World) -> usize {
    let ledger = world.practice.ledger();
    let moments: Vec<_> = ledger.token_requests("refresh_token").iter().map(|request| request.at).collect();
    let within = |at: Duration| moments.iter().filter(|other| (at..at + seconds(1)).contains(*other)).count();
    moments.iter().map(|at| within(*at)).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_one_is_asked_for_holds_for_all_and_they_come_back_in_turn() {
    let (world, sessions) = crowd(30).await;
    world.script([Answer::status(429).header("retry-after", "900")]);
    world.seen(|ledger| ledger.token_requests("refresh_token").len() == 1).await;
    let until_then = world.clock.now() + seconds(900);
    pass(895).await;
    assert_eq!(world.refreshes(), 1, "nobody else has asked");
    let held = sessions.iter().filter(|session| {
        let snapshot = session.snapshot();
        snapshot.problem.as_ref().is_some_and(|(failure, _)| failure.error == "server_asked_to_wait")
    });
    assert!(held.count() > 10, "those that were due meanwhile say why they wait");
    for session in &sessions {
        let token = session.token(&usual()).await.unwrap();
        assert_eq!(world.verdict(&token), Verdict::Live, "the living token is served meanwhile");
    }
    pass(until_then.since(world.clock.now()).as_secs() + 30).await;
    assert!(world.refreshes() > 20, "{}", world.refreshes());
    assert!(peak(&world) <= 10, "{} in a second", peak(&world));
    for session in &sessions {
        assert_eq!(session.snapshot().problem, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_date_counts_by_the_clock_of_the_server_that_wrote_it() {
    let date = |unix: u64| httpdate::fmt_http_date(std::time::UNIX_EPOCH + seconds(unix));
    for skew in [0, 600, 86_400] {
        let world = World::signed_in().await;
        let there = crate::testing::START + skew;
        world.script([Answer::status(503)
            .header("date", &date(there))
            .header("retry-after", &date(there + 1200))
            .body("busy")]);
        world.seen(|ledger| ledger.token_requests("refresh_token").len() == 1).await;
        pass(1195).await;
        assert_eq!(world.refreshes(), 1, "{skew}");
        pass(10).await;
        assert_eq!(world.refreshes(), 2, "{skew}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_over_or_makes_no_sense_is_an_outage_like_any_other() {
    for retry_after in ["Sun, 06 Nov 1994 08:49:37 GMT", "0", "soon", "-3", "1.5", ""] {
        let (world, _sessions) = crowd(2).await;
        world.script([Answer::status(503).header("retry-after", retry_after).body("busy")]);
        world.seen(|ledger| ledger.token_requests("refresh_token").len() == 1).await;
        let began = world.clock.now();
        until("it has been tried again", || world.refreshes() >= 2).await;
        let pause = world.clock.now().since(began);
        assert!(pause <= seconds(240), "{retry_after}: {pause:?}");
        pass(240).await;
        assert!(world.refreshes() >= 3, "{retry_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_that_wake_together_come_one_after_the_other() {
    let (world, sessions) = crowd_that_wakes(100).await;
    let fresh = || sessions.iter().all(|session| session.at_once(None, None).is_some());
    let began = world.clock.now();
    until("all are fresh", fresh).await;
    let took = world.clock.now().since(began);
    assert!((seconds(5)..=seconds(30)).contains(&took), "{took:?}");
    assert!(peak(&world) <= 10, "{} in a second", peak(&world));
    assert_eq!(world.refreshes(), 100);
}

#[tokio::test(start_paused = true)]
async fn who_is_waited_for_goes_first() {
    let (world, sessions) = crowd_that_wakes(100).await;
    let began = world.clock.now();
    let last = sessions.iter().rev().find(|session| session.at_once(None, None).is_none()).unwrap();
    let token = last.token(&usual()).await.unwrap();
    assert_eq!(world.verdict(&token), Verdict::Live);
    assert!(world.clock.now().since(began) <= seconds(2), "{:?}", world.clock.now().since(began));
    assert!(world.refreshes() < 30, "{}", world.refreshes());
}

#[tokio::test(start_paused = true)]
async fn neither_a_revocation_nor_a_login_nor_a_stop_waits_in_the_line() {
    let (world, sessions) = crowd_that_wakes(100).await;
    let began = world.clock.now();
    let mut waiting = sessions.iter().filter(|session| session.at_once(None, None).is_none());
    let revoked = waiting.next().unwrap();
    revoked.revoke().await.unwrap();
    let renewed = waiting.next().unwrap();
    let login = world.login("grace", &SCOPES, &[]).await;
    renewed.sign_in(login).await.unwrap();
    let token = renewed.at_once(None, None).unwrap();
    assert_eq!(world.verdict(&token), Verdict::Live);
    let seen = world.refreshes();
    let World { practice, clock, daemon, .. } = world;
    daemon.stop().await;
    assert!(clock.now().since(began) <= seconds(1), "{:?}", clock.now().since(began));
    let after = practice.ledger().token_requests("refresh_token").len();
    assert!(after <= seen + 8 && after < 60, "{seen} and then {after}");
}
