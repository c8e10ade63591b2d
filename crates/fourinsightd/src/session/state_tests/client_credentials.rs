//! Sessions that the client's own credentials open and renew.

use super::*;
use crate::login::NotOpened;

fn opening() -> (Machine, Vec<Effect>) {
    let mut machine = Machine::new();
    let effects = machine.event(Event::Open { profile: "batch".into() });
    (machine, effects)
}

fn opens(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Open))
}

fn unreachable() -> NotOpened {
    NotOpened::Undecided(Retry {
        after: None,
        ambiguous: true,
        refused: false,
        failure: failure("unreachable"),
    })
}

fn open() -> Machine {
    let mut machine = opening().0;
    let new = NewGrant {
        // A refresh token beside it is not used.
        tokens: tokens("A1", Some("R1"), 1000),
        own: own(),
        obtained_at: START,
        id: TokenId(0),
        policy: Policy { keep_alive: true, refresh_idle: None, in_memory: false },
        by_client_credentials: true,
        terms: Terms::default(),
    };
    machine.event(Event::SignIn(Box::new(new)));
    machine
}

#[test]
fn opening_begins_at_once_and_goes_on_until_it_works() {
    let (mut machine, effects) = opening();
    assert!(opens(&effects) && published(&effects), "{effects:?}");
    assert_eq!(machine.state.next_deadline(), None, "one attempt at a time");
    assert!(!opens(&machine.at(100)));
    let effects = machine.event(Event::NotOpened(unreachable()));
    assert!(published(&effects) && !opens(&effects), "{effects:?}");
    let next = machine.state.next_deadline().expect("it is tried again");
    assert_eq!(next, START + seconds(101));
    assert!(opens(&machine.at(101)));
}

#[test]
fn a_refusal_needs_somebody_and_opening_again_starts_afresh() {
    let (mut machine, _) = opening();
    let refusal = Refusal { verdict: Verdict::Misconfigured, failure: failure("invalid_client") };
    machine.event(Event::NotOpened(NotOpened::Refused(refusal)));
    assert!(
        matches!(&machine.state.phase, Phase::LoginRequired { failure, .. } if failure.error == "invalid_client")
    );
    assert_eq!((machine.state.next_deadline(), machine.state.generation), (None, 0));
    assert!(opens(&machine.event(Event::Open { profile: "batch".into() })));
}

#[test]
fn a_stop_begins_no_attempt() {
    let mut machine = Machine::new();
    machine.event(Event::Stop);
    assert!(!opens(&machine.event(Event::Open { profile: "batch".into() })));
    assert_eq!(machine.state.next_deadline(), None);
}

#[test]
fn a_renewal_writes_nothing_and_a_failing_disk_does_not_hinder_it() {
    let mut machine = open();
    assert_eq!((machine.state.generation, machine.refresh_secret()), (1, None));
    machine.disk_works = false;
    machine.session();
    let effects = machine.at(750);
    let attempt = redeemed(&effects).expect("due");
    let effects = machine.state.handle(
        Event::Answered {
            attempt,
            outcome: granted("A2", Some("R2")),
            obtained_at: machine.now,
            id: TokenId(2),
        },
        machine.now,
        Chance::from_bits(0),
    );
    assert!(matches!(effects.as_slice(), [Effect::Publish]), "{effects:?}");
    assert_eq!((machine.own_secret(), machine.state.generation), (Some("A2"), 1));
    assert_eq!(machine.refresh_secret(), None);
}

#[test]
fn a_session_whose_record_cannot_be_written_renews_all_the_same() {
    let mut machine = Machine::new();
    machine.disk_works = false;
    let new = NewGrant {
        tokens: tokens("A1", None, 1000),
        own: own(),
        obtained_at: START,
        id: TokenId(0),
        policy: Policy { keep_alive: true, refresh_idle: None, in_memory: false },
        by_client_credentials: true,
        terms: Terms::default(),
    };
    machine.event(Event::SignIn(Box::new(new)));
    assert!(matches!(machine.session().durability, Durability::Degraded { .. }));
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(1)), "the write is tried again");
    assert!(redeemed(&machine.at(750)).is_some());
}

#[test]
fn no_verdict_ends_it_once_it_works() {
    for verdict in [Verdict::Final, Verdict::Misconfigured, Verdict::InteractionRequired, Verdict::Scope] {
        let mut machine = open();
        let attempt = redeemed(&machine.at(750)).expect("due");
        machine.answer(attempt, refused(verdict));
        assert_eq!(machine.own_secret(), Some("A1"), "{verdict:?}");
        let next = machine.state.next_deadline().expect("it is tried again");
        assert!(next >= machine.now + seconds(300), "{verdict:?}: {next:?}");
        assert_eq!(machine.session().problem().unwrap().0.error, "code");
        machine.now = next;
        assert!(redeemed(&machine.event(Event::Tick { last_used: START })).is_some(), "{verdict:?}");
    }
}

#[test]
fn a_rejected_token_is_replaced_without_a_write() {
    let mut machine = open();
    let effects = machine.event(Event::Rejected { id: TokenId(0), challenge: None });
    assert!(redeemed(&effects).is_some() && published(&effects), "{effects:?}");
    assert!(machine.own_secret().is_none());
}

#[test]
fn other_audiences_are_redeemed_by_the_same_credentials() {
    let mut machine = open();
    assert!(redeemed(&machine.request(&other(), None)).is_some());
}

#[test]
fn revoking_takes_the_access_tokens_along_and_writes_none() {
    let mut machine = open();
    machine.event(Event::Revoke);
    let Phase::Revoking(revoking) = &machine.state.phase else { panic!("not revoking") };
    assert!(revoking.in_memory_only);
    assert_eq!(revoking.access_tokens.len(), 1);
}
