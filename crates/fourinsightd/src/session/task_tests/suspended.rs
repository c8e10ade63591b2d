//! A machine that sleeps, and clocks that were set while the daemon was down.

use testkit::practice::{Answer, Fault, Gate, Kind, Point, Verdict, Weather};

use super::HOUR;
use crate::{
    testing::{SCOPES, World, key, pass, usual},
    token::Expiry,
};

#[tokio::test(start_paused = true)]
async fn a_token_that_died_on_its_way_is_not_the_answer_that_a_caller_gets() {
    let world = World::signed_in().await;
    world.readings.sleep(2 * HOUR);
    let gate = Gate::new();
    world.script([Answer::genuine().held_by(&gate)]);
    let session = world.session();
    let caller = tokio::spawn(async move { session.token(&usual()).await });
    gate.arrived(1).await;
    world.readings.sleep(8 * HOUR);
    gate.open();
    let token = caller.await.unwrap().unwrap();
    assert!(matches!(token.token.expiry, Expiry::At { at, .. } if at > world.clock.now()));
    assert_eq!((world.verdict(&token), world.refreshes()), (Verdict::Live, 2));
}

#[tokio::test(start_paused = true)]
async fn after_a_sleep_all_are_fresh_soon_after_the_network_is_back_however_long_that_took() {
    let world = World::new().await;
    let mut sessions = Vec::new();
    for index in 0..100 {
        let name = format!("s{index}");
        let login = world.login("ada", &SCOPES, &[]).await;
        world.sign_in_with(&name, login).await;
        sessions.push(world.daemon.broker.session(&key(&name)).unwrap());
    }
    for (without_network, most) in [(45, 30), (120, 30), (1800, 45)] {
        let down = Fault { point: Point::BeforeReading, kind: Kind::Status(503) };
        world.practice.set_weather(Some(Weather::new(1, 1.0, [down])));
        world.readings.sleep(8 * HOUR);
        pass(without_network).await;
        assert!(sessions.iter().all(|session| session.at_once(None, None).is_none()));
        world.practice.set_weather(None);
        let began = world.clock.now();
        while sessions.iter().any(|session| session.at_once(None, None).is_none()) {
            pass(1).await;
            let took = world.clock.now().since(began).as_secs();
            assert!(took <= most, "after {without_network} s without network: {took} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_was_set_while_nothing_ran_brings_no_dead_token_to_life() {
    const YEARS: i64 = 10 * 365 * 86_400;
    for step in [YEARS, -YEARS] {
        for down in [60, 2 * HOUR] {
            let world = World::signed_in().await;
            world.readings.step_wall(step);
            let world = world.killed_for(down).await;
            let token = world.token().await.unwrap();
            assert_eq!(world.verdict(&token), Verdict::Live, "{step} {down}");
            let Expiry::At { at, .. } = token.token.expiry else { panic!("the server names a life") };
            assert!(at.since(world.clock.now()).as_secs() <= HOUR, "{step} {down}");
            assert!(world.refreshes() <= 1, "{step} {down}");
            // It is renewed in time though nobody asks.
            pass(HOUR).await;
            assert!(world.session().at_once(None, None).is_some(), "{step} {down}");
        }
    }
}
