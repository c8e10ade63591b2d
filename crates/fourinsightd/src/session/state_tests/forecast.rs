//! By when somebody must sign in again, and what is done to put that off.

use super::*;

fn policy(keep_alive: bool) -> Policy {
    Policy { keep_alive, refresh_idle: None, in_memory: false }
}

/// Tokens whose refresh token ends in so many seconds.
fn ending(access: &str, refresh: Option<&str>, idle: Option<u64>) -> TokenSet {
    TokenSet { refresh_idle: idle, ..tokens(access, refresh, 1000) }
}

/// The same after the refresh that is due at this second.
fn refreshed(machine: &mut Machine, second: u64, refresh: Option<&str>, idle: Option<u64>) {
    let attempt = redeemed(&machine.at(second)).expect("due");
    machine.answer(attempt, Outcome::Granted(Box::new(ending("A", refresh, idle))));
}

fn needed(machine: &Machine) -> Option<u64> {
    machine.session().login_needed_by().map(|at| at.since(START).as_secs())
}

#[test]
fn without_a_refresh_token_it_is_the_end_of_the_access_token() {
    assert_eq!(needed(&Machine::signed_in_with(tokens("A1", None, 1000), policy(true))), Some(1000));
}

#[test]
fn an_end_that_moves_with_each_use_is_no_end() {
    let mut machine = Machine::signed_in_with(ending("A1", Some("R1"), Some(5000)), policy(true));
    assert_eq!(needed(&machine), None, "one answer tells nothing");
    refreshed(&mut machine, 750, Some("R2"), Some(5000));
    assert_eq!(needed(&machine), None);
    let idle = Machine::signed_in_with(ending("A1", Some("R1"), Some(5000)), policy(false));
    assert_eq!(needed(&idle), Some(5000), "nobody puts it off");
}

#[test]
fn an_end_that_stays_is_learnt_from_the_second_answer_and_not_fought() {
    let mut machine = Machine::signed_in_with(ending("A1", Some("R1"), Some(5000)), policy(true));
    refreshed(&mut machine, 750, Some("R2"), Some(4250));
    assert_eq!(needed(&machine), Some(5000));
    refreshed(&mut machine, 1500, None, None);
    assert_eq!(needed(&machine), Some(5000), "an answer that does not say it changes nothing");
    let renewals = (1501..4900).filter(|second| {
        let attempt = redeemed(&machine.at(*second));
        if let Some(attempt) = attempt {
            let left = 5000 - second;
            machine.answer(attempt, Outcome::Granted(Box::new(ending("A", Some("R"), Some(left)))));
        }
        attempt.is_some()
    });
    assert_eq!(renewals.count(), 4, "for the access token only");
}

#[test]
fn an_end_that_begins_to_move_again_is_none_any_more() {
    let mut machine = Machine::signed_in_with(ending("A1", Some("R1"), Some(5000)), policy(true));
    refreshed(&mut machine, 750, Some("R2"), Some(4250));
    refreshed(&mut machine, 1500, Some("R3"), Some(8000));
    assert_eq!(needed(&machine), None);
}

#[test]
fn a_server_that_says_nothing_is_not_second_guessed() {
    let mut machine = Machine::signed_in_with(ending("A1", Some("R1"), None), policy(true));
    assert_eq!(needed(&machine), None);
    refreshed(&mut machine, 750, Some("R2"), None);
    assert_eq!(needed(&machine), None);
    let profile = Policy { refresh_idle: Some(seconds(5000)), ..policy(true) };
    let mut machine = Machine::signed_in_with(ending("A1", Some("R1"), None), profile);
    refreshed(&mut machine, 750, Some("R2"), None);
    assert_eq!(needed(&machine), None);
}

#[test]
fn a_refresh_token_that_lives_for_moments_is_no_reason_for_a_storm() {
    let machine = Machine::signed_in_with(ending("A1", Some("R1"), Some(2)), policy(true));
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(10)));
}
