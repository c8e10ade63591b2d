//! Logins, generations, writes and stops.

use super::*;

#[test]
fn a_login_is_published_after_it_is_durable_and_redeems_nothing() {
    let mut machine = Machine::new();
    let policy = Policy { keep_alive: true, refresh_idle: None, in_memory: false };
    let new = NewGrant {
        tokens: tokens("A1", Some("R1"), 1000),
        own: own(),
        obtained_at: START,
        id: TokenId(0),
        policy,
        by_client_credentials: false,
        terms: Terms::default(),
    };
    let effects = machine.state.handle(Event::SignIn(Box::new(new)), START, Chance::from_bits(0));
    assert!(matches!(effects.as_slice(), [Effect::Persist]), "{effects:?}");
    let effects = machine.event(Event::Persisted);
    assert!(matches!(effects.as_slice(), [Effect::Publish]), "{effects:?}");
    assert_eq!(machine.state.generation, 1);
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(750)));
}

#[test]
fn a_refresh_answer_without_a_refresh_token_keeps_the_old_one_and_a_login_never_inherits() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    machine.answer(attempt, granted("A2", None));
    assert_eq!(machine.refresh_secret(), Some("R1"));
    let policy = Policy { keep_alive: true, refresh_idle: None, in_memory: false };
    let new = NewGrant {
        tokens: tokens("B1", None, 1000),
        own: own(),
        obtained_at: machine.now,
        id: TokenId(9),
        policy,
        by_client_credentials: false,
        terms: Terms::default(),
    };
    machine.event(Event::SignIn(Box::new(new)));
    assert_eq!(machine.refresh_secret(), None);
}

#[test]
fn without_a_refresh_token_the_token_lives_out_and_other_audiences_need_a_person() {
    let policy = Policy { keep_alive: true, refresh_idle: None, in_memory: false };
    let mut machine = Machine::signed_in_with(tokens("A1", None, 1000), policy);
    machine.request(&other(), None);
    assert!(machine.session().entries[&other()].refused.is_some());
    machine.at(300);
    assert!(!machine.session().entries.contains_key(&other()), "nobody asks for it any more");
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(1000)));
    machine.at(1000);
    assert!(
        matches!(&machine.state.phase, Phase::LoginRequired { failure, .. } if failure.error == "access_token_expired")
    );
}

#[test]
fn a_failed_write_is_served_degraded_retried_every_second_and_blocks_redemptions() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    machine.disk_works = false;
    assert!(published(&machine.answer(attempt, granted("A2", Some("R2")))));
    assert_eq!(machine.own_secret(), Some("A2"));
    assert!(matches!(machine.session().durability, Durability::Degraded { .. }));
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(751)));
    assert_eq!(redeemed(&machine.at(760)), None);
    assert_eq!(redeemed(&machine.request(&own(), Some(seconds(5000)))), None, "no rotation while degraded");
    let (problem, since) = machine.session().problem().expect("a problem");
    assert_eq!((problem.error.as_str(), since), ("storage_failed", START + seconds(750)));
    machine.disk_works = true;
    let effects = machine.at(761);
    assert_eq!(machine.session().durability, Durability::Durable);
    assert!(redeemed(&effects).is_some(), "what was asked for meanwhile goes on");
}

#[test]
fn an_answer_from_before_a_new_login_is_discarded() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    let policy = Policy { keep_alive: true, refresh_idle: None, in_memory: false };
    let new = NewGrant {
        tokens: tokens("B1", Some("S1"), 1000),
        own: own(),
        obtained_at: machine.now,
        id: TokenId(9),
        policy,
        by_client_credentials: false,
        terms: Terms::default(),
    };
    machine.event(Event::SignIn(Box::new(new)));
    assert_eq!(redeemed(&machine.request(&own(), Some(seconds(5000)))), None, "the old one still runs");
    let effects = machine.answer(attempt, granted("A2", Some("R2")));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Discard(tokens) if tokens.access_token.expose() == "A2"))
    );
    assert_eq!((machine.own_secret(), machine.refresh_secret()), (Some("B1"), Some("S1")));
    assert!(redeemed(&effects).is_some(), "now the waiting request is served");
}

#[test]
fn nothing_begins_once_the_daemon_is_stopping() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    machine.event(Event::Stop);
    let effects = machine.answer(attempt, granted("A2", Some("R2")));
    assert!(published(&effects), "what runs is finished");
    assert_eq!(redeemed(&machine.at(5000)), None);
    assert_eq!(machine.state.next_deadline(), None);
}

#[test]
fn the_least_recently_used_of_too_many_audiences_is_forgotten() {
    let mut machine = Machine::signed_in();
    for index in 0..100u64 {
        machine.now = START + Duration::from_millis(index);
        let key = TokenKey::new([format!("scope{index}").as_str()], []);
        if let Some(attempt) = redeemed(&machine.request(&key, None)) {
            machine.answer(attempt, granted("T", None));
        }
    }
    let entries = &machine.session().entries;
    assert_eq!(entries.len(), SignedIn::MOST_KEYS);
    assert!(entries.contains_key(&own()));
    assert!(!entries.contains_key(&TokenKey::new(["scope0"], [])));
}

#[test]
fn a_person_that_a_refresh_names_first_is_remembered() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    let mut grant = tokens("A2", Some("R2"), 1000);
    grant.person = Some(Person { issuer: "i".into(), subject: "s".into(), name: None, login_hint: None });
    machine.answer(attempt, Outcome::Granted(Box::new(grant)));
    assert_eq!(machine.state.person().map(|person| person.subject.as_str()), Some("s"));
    assert!(matches!(machine.session().grant, Grant::RefreshToken { .. }));
}
