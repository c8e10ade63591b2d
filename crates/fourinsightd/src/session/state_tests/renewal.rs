//! When a token is renewed, and what a failure does not do.

use super::*;

#[test]
fn a_due_token_is_redeemed_once_and_published_after_it_is_durable() {
    let mut machine = Machine::signed_in();
    assert!(machine.at(749).is_empty());
    let attempt = redeemed(&machine.at(750)).expect("due");
    assert_eq!(redeemed(&machine.at(751)), None, "one at a time");
    assert_eq!(redeemed(&machine.request(&own(), None)), None, "a waiter joins the running one");
    let outcome = granted("A2", Some("R2"));
    let event = Event::Answered { attempt, outcome, obtained_at: machine.now, id: TokenId(2) };
    let effects = machine.state.handle(event, machine.now, Chance::from_bits(0));
    assert!(matches!(effects.as_slice(), [Effect::Persist]), "{effects:?}");
    assert!(published(&machine.event(Event::Persisted)));
    assert_eq!((machine.own_secret(), machine.refresh_secret()), (Some("A2"), Some("R2")));
    assert_eq!(machine.state.generation, 2);
}

#[test]
fn a_failure_keeps_token_and_grant_and_is_tried_again_after_a_pause() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    assert!(published(&machine.answer(attempt, retry())));
    assert_eq!((machine.own_secret(), machine.refresh_secret()), (Some("A1"), Some("R1")));
    let (problem, since) = machine.session().problem().expect("a problem");
    assert_eq!((problem.error.as_str(), since), ("unreachable", START + seconds(750)));
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(751)));
    assert_eq!(redeemed(&machine.request(&own(), None)), None, "a waiter does not break the pause");
    let attempt = redeemed(&machine.at(751)).expect("the pause is over");
    machine.answer(attempt, granted("A2", Some("R2")));
    assert_eq!(machine.session().problem(), None);
}

#[test]
fn the_servers_retry_after_is_honoured() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    let retry =
        Retry { after: Some(seconds(120)), ambiguous: false, refused: false, failure: failure("slow") };
    machine.answer(attempt, Outcome::Retry(retry));
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(870)));
}

#[test]
fn who_asked_before_an_outcome_starts_nothing_after_it() {
    let mut machine = Machine::signed_in();
    let outcomes = machine.session().entries[&own()].outcomes;
    let late = || Event::Requested { key: own(), min_validity: None, outcomes };
    machine.now = START + seconds(2000);
    let attempt = redeemed(&machine.event(late())).expect("expired");
    machine.answer(attempt, granted("A2", Some("R2")));
    assert_eq!(redeemed(&machine.event(late())), None);
    assert_eq!(machine.own_secret(), Some("A2"));
}

#[test]
fn keep_alive_uses_the_refresh_token_before_its_idle_end() {
    let mut grant = tokens("A1", Some("R1"), 100_000);
    grant.refresh_idle = Some(1800);
    let mut machine = Machine::signed_in_with(
        grant.clone(),
        Policy { keep_alive: true, refresh_idle: None, in_memory: false },
    );
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(1350)));
    assert!(redeemed(&machine.at(1350)).is_some());
    let resting =
        Machine::signed_in_with(grant, Policy { keep_alive: false, refresh_idle: None, in_memory: false });
    assert_eq!(resting.state.next_deadline(), None, "unused, and not to be kept alive");
}

#[test]
fn more_validity_than_a_whole_life_costs_one_renewal_per_token() {
    let mut machine = Machine::signed_in();
    let long = Some(seconds(100_000));
    let attempt = redeemed(&machine.request(&own(), long)).expect("one is fetched");
    machine.answer(attempt, granted("A2", Some("R2")));
    let token = machine.session().own_token().expect("a token").clone();
    assert!(token.on_demand);
    assert_eq!(super::super::schedule::freshness(&token, machine.now, long), Freshness::Fresh);
}

#[test]
fn tokens_that_arrive_dead_do_not_cause_a_storm() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    let effects = machine.answer(attempt, Outcome::Granted(Box::new(tokens("A2", Some("R2"), -30))));
    assert_eq!(redeemed(&effects), None);
    assert_eq!(machine.refresh_secret(), Some("R2"));
    assert!(machine.state.next_deadline() >= Some(START + seconds(751)));
}
