//! A million handouts, whatever the clocks do: none with less than its share of life while the server answers in time,
//! and none that is dead while it does not.

use testkit::practice::{Fault, Kind, Point, Weather};

use super::*;

/// How late answers are: twice at each of two attempts, the first of which a sleeping machine may have made worthless,
/// and still within the wait of a request.
const LATE: Duration = Duration::from_secs(6);

/// Lets a random time pass and has the clocks do as they like.
async fn wander(fleet: &Fleet, dice: &mut Dice, longest_step: u64) {
    match dice.below(400) {
        0 => fleet
            .world
            .readings
            .step_wall(i64::try_from(dice.below(20 * 365 * DAY)).unwrap() - 10 * 365 * 86_400),
        1 => fleet.sleep(dice.below(longest_step)),
        2 => fleet.sleep(dice.below(90)),
        _ => pass(dice.below(5)).await,
    }
}

async fn hand_out(count: u64, life: Duration, seed: u64) {
    let fleet = Fleet::of(8, Rotation::Unknown, Duration::from_secs(30), |settings| {
        settings.access_token_life = life;
    })
    .await;
    let late = [Point::BeforeReading, Point::AfterReading, Point::AfterCommitting]
        .map(|point| Fault { point, kind: Kind::Delay(LATE) });
    fleet.world.practice.set_weather(Some(Weather::new(seed, 0.2, late)));
    let wanted = (life / 10).min(Duration::from_mins(1));
    let mut dice = Dice(seed);
    let mut least = life;
    let (mut handed_out, mut not_now) = (0, 0);
    while handed_out < count {
        wander(&fleet, &mut dice, 30 * DAY).await;
        for _ in 0..10 {
            let session = &fleet.sessions[usize::try_from(dice.below(8)).unwrap()];
            // What was sent before the machine fell asleep may come back dead, and "not now" is then an answer.
            let token = match token(session).await {
                Err(NoToken::Unavailable { .. }) => {
                    not_now += 1;
                    session.token(&usual()).await.unwrap()
                }
                token => token.unwrap(),
            };
            let (left, _) = fleet.left(&token).unwrap_or_else(|| panic!("{} is served dead", session.key));
            assert!(left >= wanted, "{} with {left:?} of {life:?} left", session.key);
            least = least.min(left);
            handed_out += 1;
        }
        if handed_out % 10_000 == 0 {
            fleet.world.practice.forget_the_past();
        }
    }
    fleet.assert_nothing_is_lost("at the end");
    println!(
        "{count} handouts of tokens of {life:?}, {} refreshes, {not_now} times not at the first asking: the least life \
         left was {least:?}",
        fleet.refreshes()
    );
    assert!(not_now <= count / 10_000, "{not_now} times there was no token");
}

#[tokio::test(start_paused = true)]
async fn soak_handouts_of_tokens_of_an_hour() {
    hand_out(500_000, Duration::from_hours(1), 1).await;
}

#[tokio::test(start_paused = true)]
async fn soak_handouts_of_tokens_of_five_minutes() {
    hand_out(500_000, Duration::from_mins(5), 2).await;
}

#[tokio::test(start_paused = true)]
async fn soak_handouts_in_an_outage_are_of_living_tokens_or_none() {
    let fleet = Fleet::of(8, Rotation::Unknown, Duration::from_secs(30), |_| {}).await;
    let down = Fault::all().filter(|fault| {
        let is_early = matches!(fault.point, Point::BeforeReading | Point::AfterReading);
        is_early && !matches!(fault.kind, Kind::Delay(_))
    });
    let down = Weather::new(3, 1.0, down);
    let mut dice = Dice(3);
    let (mut handed_out, mut refused) = (0_u32, 0_u32);
    for round in 0..3000 {
        if round % 100 == 0 {
            let is_down = round % 200 == 100;
            fleet.world.practice.set_weather(is_down.then(|| down.clone()));
            fleet.world.practice.forget_the_past();
        }
        wander(&fleet, &mut dice, 8 * HOUR).await;
        pass(dice.below(90)).await;
        for session in &fleet.sessions {
            match session.at_once(None, None) {
                Some(token) => {
                    assert!(
                        fleet.left(&token).is_some(),
                        "round {round}: {} serves a dead token",
                        session.key
                    );
                    handed_out += 1;
                }
                None => refused += 1,
            }
        }
        if round % 10 == 0 {
            let session = &fleet.sessions[usize::try_from(dice.below(8)).unwrap()];
            if let Ok(token) = session.token(&usual()).await {
                assert!(fleet.left(&token).is_some(), "round {round}: {} serves a dead token", session.key);
            }
        }
    }
    fleet.world.practice.set_weather(None);
    pass(HOUR).await;
    fleet.assert_nothing_is_lost("at the end");
    println!(
        "{handed_out} handouts and {refused} without a token at once, through 15 outages: none was dead"
    );
    assert!(handed_out > 5_000 && refused > 100);
}
