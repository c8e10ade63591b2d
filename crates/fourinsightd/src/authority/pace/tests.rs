//! The budget and the pause, under paused time.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::task::JoinSet;

use super::*;
use crate::clock::virtual_time::Virtual;

const ENDPOINT: &str = "https://practice.test/token";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn pace() -> Pace {
    Pace::new(Virtual::clock().0)
}

/// Nobody waits for it, and the token that it replaces ends in so many seconds.
fn ends_in(pace: &Pace, count: u64) -> Urgency {
    Urgency { is_waited_for: false, ends_at: Some(pace.clock.now() + seconds(count)) }
}

fn wanted(pace: &Pace, count: u64) -> Urgency {
    Urgency { is_waited_for: true, ..ends_in(pace, count) }
}

/// Uses up what may be sent at once.
async fn spend(pace: &Pace) {
    for _ in 0..8 {
        pace.turn(ENDPOINT, ends_in(pace, 1)).await.unwrap().send();
    }
}

fn retry(after: Option<Duration>) -> Retry {
    Retry { after, ambiguous: false, refused: false, failure: Failure::ours("busy", "ask later") }
}

/// When each of these got its turn and sent its request, in that order.
async fn run(pace: &Pace, urgencies: Vec<(usize, Urgency)>) -> Vec<(usize, Timestamp)> {
    let mut running = JoinSet::new();
    for (name, urgency) in urgencies {
        let (pace, (_seat, turn)) = (pace.clone(), pace.join(ENDPOINT, urgency));
        running.spawn(async move {
            let permit = turn.await.unwrap();
            // The disk takes its time before anything is sent.
            tokio::time::sleep(Duration::from_millis(name as u64 % 20)).await;
            permit.send();
            (name, pace.clock.now())
        });
    }
    let mut sent = running.join_all().await;
    sent.sort_by_key(|(_, at)| *at);
    sent
}

#[tokio::test(start_paused = true)]
async fn a_thousand_at_once_are_never_more_than_ten_a_second_and_all_get_through() {
    let pace = pace();
    let everyone = (0..1000).map(|name| (name, ends_in(&pace, 10))).collect();
    let began = pace.clock.now();
    let sent = run(&pace, everyone).await;
    assert_eq!(sent.len(), 1000);
    for (first, (_, at)) in sent.iter().enumerate() {
        let within = sent[first..].iter().take_while(|(_, other)| *other < *at + seconds(1)).count();
        assert!(within <= 10, "{within} in the second from {at:?}");
    }
    let took = sent.last().unwrap().1.since(began);
    assert!(took <= seconds(150), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_waited_for_goes_first_and_then_whose_token_ends_first() {
    let pace = pace();
    spend(&pace).await;
    let mut everyone: Vec<_> = (0..24).map(|name| (name, ends_in(&pace, 600 - name as u64))).collect();
    everyone.extend((100..108).map(|name| (name, wanted(&pace, 600))));
    everyone.push((200, Urgency { is_waited_for: true, ends_at: None }));
    let sent = run(&pace, everyone).await;
    let mut batches = sent.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    for batch in batches.chunks_mut(8) {
        batch.sort_unstable();
    }
    assert_eq!(batches[..8], [100, 101, 102, 103, 104, 105, 106, 200]);
    assert_eq!(batches[8..16], [17, 18, 19, 20, 21, 22, 23, 107]);
    assert_eq!(batches[24..], [1, 2, 3, 4, 5, 6, 7, 8, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_comes_later_moves_its_session_ahead() {
    let pace = pace();
    spend(&pace).await;
    let earlier: Vec<_> = (0..16).map(|_| pace.join(ENDPOINT, ends_in(&pace, 10))).collect();
    let (seat, turn) = pace.join(ENDPOINT, ends_in(&pace, 600));
    seat.hurry();
    let began = pace.clock.now();
    turn.await.unwrap().send();
    assert!(pace.clock.now().since(began) <= Duration::from_millis(1001), "{:?}", pace.clock.now());
    drop(earlier);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_behind_those_that_are_waited_for() {
    let pace = pace();
    spend(&pace).await;
    let (_seat, turn) = pace.join(ENDPOINT, ends_in(&pace, 10));
    let crowd: Vec<_> = (0..1000).map(|_| pace.join(ENDPOINT, wanted(&pace, 600))).collect();
    let mut running = JoinSet::new();
    let through = Arc::new(AtomicUsize::new(0));
    for (_, turn) in crowd {
        let through = Arc::clone(&through);
        running.spawn(async move {
            turn.await.unwrap().send();
            through.fetch_add(1, Ordering::Relaxed);
        });
    }
    let start = pace.clock.now();
    turn.await.unwrap().send();
    assert!(pace.clock.now().since(start) <= seconds(32));
    let before = through.load(Ordering::Relaxed);
    assert!((200..300).contains(&before), "{before} of the crowd went first");
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_given_up_costs_nobody_a_turn() {
    let pace = pace();
    spend(&pace).await;
    let (seat, given_up) = pace.join(ENDPOINT, ends_in(&pace, 10));
    let (_other, turn) = pace.join(ENDPOINT, ends_in(&pace, 600));
    seat.withdraw();
    assert!(matches!(given_up.await, Err(NoTurn::Withdrawn)));
    // A turn that has come and is not used goes to the next one, as does one that nobody takes any more.
    drop(pace.join(ENDPOINT, ends_in(&pace, 5)));
    drop(turn.await.unwrap());
    let began = pace.clock.now();
    spend(&pace).await;
    assert_eq!(pace.clock.now(), began, "all eight turns were left");
}

#[tokio::test(start_paused = true)]
async fn a_person_waits_for_nobody_but_counts() {
    let pace = pace();
    let began = pace.clock.now();
    for _ in 0..8 {
        pace.go_ahead(ENDPOINT);
    }
    assert_eq!(pace.clock.now(), began);
    pace.turn(ENDPOINT, wanted(&pace, 0)).await.unwrap().send();
    assert!(pace.clock.now().since(began) >= seconds(1));
}

#[tokio::test(start_paused = true)]
async fn another_endpoint_has_a_budget_of_its_own() {
    let pace = pace();
    spend(&pace).await;
    let began = pace.clock.now();
    pace.turn("https://other.test/token", ends_in(&pace, 10)).await.unwrap().send();
    assert_eq!(pace.clock.now(), began);
}

#[tokio::test(start_paused = true)]
async fn what_a_server_asks_of_one_it_asks_of_all() {
    let pace = pace();
    spend(&pace).await;
    let (_seat, waiting) = pace.join(ENDPOINT, wanted(&pace, 10));
    let until = pace.clock.now() + seconds(600);
    pace.note_retry(ENDPOINT, &retry(Some(seconds(600))));
    let Err(NoTurn::Paused(pause)) = waiting.await else { panic!("given a turn") };
    assert_eq!(pause.until, until);
    // A shorter pause that is asked for later does not end the longer one; a word of no pause neither.
    pace.note_retry(ENDPOINT, &retry(Some(seconds(10))));
    pace.note_retry(ENDPOINT, &retry(None));
    tokio::time::sleep(seconds(599)).await;
    let Err(NoTurn::Paused(pause)) = pace.turn(ENDPOINT, wanted(&pace, 10)).await else {
        panic!("too early")
    };
    let told = pause.into_retry(pace.clock.now());
    assert_eq!(told.after, Some(seconds(1)));
    assert!(!told.ambiguous && told.failure.description.contains("ask later"), "{told:?}");
    tokio::time::sleep(seconds(1)).await;
    pace.turn(ENDPOINT, wanted(&pace, 10)).await.unwrap().send();
}

#[tokio::test(start_paused = true)]
async fn no_server_can_ask_for_more_than_an_hour() {
    let pace = pace();
    pace.note_retry(ENDPOINT, &retry(Some(seconds(1_000_000))));
    tokio::time::sleep(seconds(3600)).await;
    pace.turn(ENDPOINT, wanted(&pace, 10)).await.unwrap().send();
}

#[tokio::test(start_paused = true)]
async fn only_the_first_answer_after_a_failure_is_a_recovery() {
    let pace = pace();
    let mut recoveries = pace.recoveries();
    let refusal = || {
        Outcome::Refused(crate::authority::Refusal {
            verdict: crate::authority::Verdict::Final,
            failure: Failure::ours("invalid_grant", "gone"),
        })
    };
    pace.note(ENDPOINT, &refusal());
    assert!(!recoveries.has_changed().unwrap());
    pace.note(ENDPOINT, &Outcome::Retry(retry(None)));
    assert_eq!((recoveries.has_changed().unwrap(), pace.recovered_at(ENDPOINT)), (false, None));
    tokio::time::sleep(seconds(5)).await;
    // Whatever it answers: it answers.
    pace.note(ENDPOINT, &refusal());
    assert!(recoveries.has_changed().unwrap());
    recoveries.mark_unchanged();
    assert_eq!(pace.recovered_at(ENDPOINT), Some(pace.clock.now()));
    pace.note(ENDPOINT, &refusal());
    assert!(!recoveries.has_changed().unwrap());
}
