//! Sessions that nobody uses, at servers that forget what is not used.

use testkit::practice::Verdict;

use super::{HOUR, seconds};
use crate::testing::{World, pass};

const DAY: u64 = 24 * HOUR;

/// Access tokens that live longer than an unused refresh token does: only keeping it alive keeps the login.
async fn world(idle: u64) -> World {
    let world = World::with(|settings| {
        settings.access_token_life = seconds(10 * DAY);
        settings.refresh_token_life = Some(seconds(idle));
    })
    .await;
    world.sign_in().await;
    world
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_outlives_its_servers_limit_for_weeks_with_stops_and_sleeps_between() {
    let mut world = world(8 * HOUR).await;
    for day in 0..21 {
        pass(15 * HOUR).await;
        match day % 3 {
            0 => world = world.killed_for(HOUR).await,
            1 => world = world.restarted().await,
            // Asleep over the time when it was due: made good at once.
            _ => {
                world.readings.sleep(HOUR);
                world.practice.skip(HOUR);
            }
        }
        pass(8 * HOUR).await;
        assert_eq!(world.problem(), None, "day {day}");
    }
    let refreshes = world.refreshes();
    assert!((63..=110).contains(&refreshes), "{refreshes} in three weeks");
    let families = world.practice.families();
    assert!(families.iter().all(|family| family.alive), "{families:?}");
    let token = world.token().await.unwrap();
    assert_eq!(world.verdict(&token), Verdict::Live);
    assert_eq!(world.snapshot().login_needed_by, None, "using it puts the end off");
}

#[tokio::test(start_paused = true)]
async fn what_was_due_while_nothing_ran_is_done_at_the_start() {
    let world = world(8 * HOUR).await;
    pass(5 * HOUR).await;
    assert_eq!(world.refreshes(), 0);
    let world = world.killed_for(2 * HOUR).await;
    pass(1).await;
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_profile_can_say_how_long_its_server_remembers() {
    let world = World::with(|settings| settings.access_token_life = seconds(10 * DAY)).await;
    let mut login = world.login("ada", &crate::testing::SCOPES, &[]).await;
    login.refresh_idle = Some(4 * HOUR);
    world.sign_in_with("default", login).await;
    pass(DAY).await;
    assert!((7..=9).contains(&world.refreshes()), "{}", world.refreshes());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_kept_alive_says_when_it_ends() {
    let world = World::with(|settings| settings.refresh_token_life = Some(seconds(8 * HOUR))).await;
    let mut login = world.login("ada", &crate::testing::SCOPES, &[]).await;
    login.keep_alive = false;
    let end = login.obtained_at + seconds(8 * HOUR);
    world.sign_in_with("default", login).await;
    assert_eq!(world.snapshot().login_needed_by, Some(end));
    let world = world.restarted().await;
    let after = world.snapshot().login_needed_by.unwrap();
    assert_eq!(world.clock.to_unix(after), world.clock.to_unix(end));
}
