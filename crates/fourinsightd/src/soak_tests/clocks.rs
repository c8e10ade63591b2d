//! Clocks that step, and a machine that sleeps: no stale token, no storm of refreshes.

use super::*;

const YEAR: i64 = 365 * 86_400;

/// Every session hands out a token that lives by the server's clock.
async fn assert_all_serve_the_living(fleet: &Fleet, when: &str) {
    for session in &fleet.sessions {
        let token =
            token(session).await.unwrap_or_else(|no| panic!("{when}: {} has no token: {no:?}", session.key));
        assert!(fleet.left(&token).is_some(), "{when}: {} serves a dead token", session.key);
    }
}

/// How often each session was refreshed.
fn refreshes(fleet: &Fleet) -> Vec<u64> {
    fleet.world.practice.families().iter().map(|family| family.refreshes).collect()
}

/// The most that any session was refreshed since.
fn most_since(fleet: &Fleet, before: &[u64]) -> u64 {
    refreshes(fleet).iter().zip(before).map(|(now, before)| now - before).max().unwrap()
}

#[tokio::test(start_paused = true)]
async fn soak_clocks_that_step_ten_years_either_way() {
    let fleet = Fleet::of(100, Rotation::Unknown, Duration::from_secs(30), |_| {}).await;
    let mut dice = Dice(10);
    let mut steps = 0;
    for round in 0..60 {
        pass(dice.below(HOUR)).await;
        let before = refreshes(&fleet);
        let years = if dice.below(2) == 0 { -10 } else { 10 };
        fleet.world.readings.step_wall(years * YEAR);
        steps += 1;
        let when = format!("round {round}, after {years} years");
        assert_all_serve_the_living(&fleet, &when).await;
        pass(10 * 60).await;
        assert_all_serve_the_living(&fleet, &when).await;
        // A token of an hour is renewed after 42 minutes at the earliest: one of these would have come anyway.
        let most = most_since(&fleet, &before);
        assert!(most <= 1, "{when}: a session was refreshed {most} times in ten minutes");
    }
    fleet.assert_nothing_is_lost("at the end");
    println!(
        "{steps} steps of ten years, {} sessions, {} refreshes",
        fleet.sessions.len(),
        fleet.refreshes()
    );
}

/// Where the system has a timer that counts suspend (Linux), the daemon looks at the clock as soon as the machine wakes.
#[tokio::test(start_paused = true)]
async fn soak_clocks_of_a_machine_that_wakes_its_daemon() {
    sleep_and_wake(Duration::from_secs(30), Daemon::tick).await;
}

/// Elsewhere the daemon looks at its next tick.
#[tokio::test(start_paused = true)]
async fn soak_clocks_of_a_machine_that_sleeps_hours_or_a_month() {
    sleep_and_wake(Duration::from_mins(1), |_| {}).await;
}

/// Sleeps again and again; after each the daemon is woken so, and all must be fresh within that time.
async fn sleep_and_wake(within: Duration, wake: impl Fn(&Daemon)) {
    let fleet = Fleet::of(100, Rotation::Unknown, Duration::from_secs(30), |_| {}).await;
    let mut dice = Dice(8);
    let mut slowest = 0;
    for round in 0..20 {
        pass(dice.below(HOUR)).await;
        let before = refreshes(&fleet);
        let slept = if round % 4 == 3 { 30 * DAY } else { 8 * HOUR };
        fleet.sleep(slept);
        for session in &fleet.sessions {
            assert!(
                session.at_once(None, None).is_none(),
                "round {round}: {} serves a dead token",
                session.key
            );
        }
        fleet.world.practice.forget_the_past();
        wake(&fleet.world.daemon);
        let mut healed_after = 0;
        while fleet.sessions.iter().any(|session| session.at_once(None, None).is_none()) {
            pass(1).await;
            healed_after += 1;
            assert!(
                healed_after <= within.as_secs(),
                "round {round}: not fresh {within:?} after the machine woke"
            );
        }
        slowest = slowest.max(healed_after);
        let mut moments = fleet.world.practice.look(|ledger| {
            ledger.token_requests("refresh_token").iter().map(|entry| entry.at).collect::<Vec<_>>()
        });
        assert!(peak(&mut moments) <= 10, "round {round}: {moments:?}");
        assert_all_serve_the_living(&fleet, &format!("round {round}")).await;
        let most = most_since(&fleet, &before);
        assert!(most <= 1, "round {round}: a session was refreshed {most} times for one sleep");
    }
    fleet.assert_nothing_is_lost("at the end");
    println!(
        "20 sleeps of 8 hours to 30 days, {} sessions: all fresh within {slowest} s",
        fleet.sessions.len()
    );
}

#[tokio::test(start_paused = true)]
async fn soak_clocks_that_step_while_the_daemon_is_down() {
    let mut fleet = Fleet::of(20, Rotation::Unknown, Duration::from_secs(30), |_| {}).await;
    let mut dice = Dice(20);
    for round in 0..30 {
        pass(dice.below(HOUR)).await;
        let before = refreshes(&fleet);
        let years = [-10, 0, 10][usize::try_from(dice.below(3)).unwrap()];
        let readings = Arc::clone(&fleet.world.readings);
        readings.step_wall(years * YEAR);
        if dice.below(2) == 0 {
            fleet.sleep(8 * HOUR);
        }
        fleet = fleet.restarted().await;
        let when = format!("round {round}, started after {years} years");
        assert_all_serve_the_living(&fleet, &when).await;
        pass(10 * 60).await;
        assert_all_serve_the_living(&fleet, &when).await;
        let most = most_since(&fleet, &before);
        // One for the doubt about the clock, one whose time had come.
        assert!(most <= 2, "{when}: a session was refreshed {most} times in ten minutes");
        fleet.assert_nothing_is_lost(&when);
    }
    println!(
        "30 restarts with stepped clocks, {} sessions, {} refreshes",
        fleet.sessions.len(),
        fleet.refreshes()
    );
}
