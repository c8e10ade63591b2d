//! Sessions that are in memory only.

use super::*;

fn in_memory() -> Machine {
    let mut machine = Machine::new();
    machine.event(sign_in());
    machine
}

fn sign_in() -> Event {
    Event::SignIn(Box::new(NewGrant {
        tokens: tokens("A1", Some("R1"), 1000),
        own: TokenKey::new(["api"], []),
        obtained_at: START,
        id: TokenId(0),
        policy: Policy { keep_alive: true, refresh_idle: None, in_memory: true },
        by_client_credentials: false,
        terms: Terms::default(),
    }))
}

fn session(machine: &Machine) -> &SignedIn {
    let Phase::SignedIn(session) = &machine.state.phase else { panic!("{:?}", machine.state.phase) };
    session
}

fn revokes(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Revoke))
}

#[test]
fn a_renewal_is_shown_without_a_write_and_leads_to_the_next() {
    let mut machine = in_memory();
    let Some(Effect::Redeem { attempt, .. }) = machine.at(750).pop() else { panic!("nothing is redeemed") };
    let generation = machine.state.generation;
    let answered = Event::Answered {
        attempt,
        outcome: granted("A2", Some("R2")),
        obtained_at: machine.now,
        id: TokenId(2),
    };
    let effects = machine.state.handle(answered, machine.now, Chance::from_bits(0));
    assert!(matches!(effects[..], [Effect::Publish]), "{effects:?}");
    assert_eq!((machine.state.generation, session(&machine).durability), (generation, Durability::Durable));
    assert!(matches!(machine.at(1500).pop(), Some(Effect::Redeem { .. })));
}

#[test]
fn what_cannot_be_deleted_of_the_login_before_keeps_nothing_waiting() {
    let mut machine = Machine { disk_works: false, ..Machine::new() };
    machine.event(sign_in());
    assert!(matches!(session(&machine).durability, Durability::Degraded { .. }));
    assert_eq!(machine.state.next_deadline(), Some(START + State::PERSIST_RETRY), "it is tried again");
    machine.disk_works = true;
    machine.at(1);
    assert_eq!(session(&machine).durability, Durability::Durable);
}

#[test]
fn a_stop_revokes_it_and_leaves_a_stored_one_alone() {
    let mut stored = Machine::signed_in();
    assert!(!revokes(&stored.event(Event::Stop)));
    assert!(matches!(stored.state.phase, Phase::SignedIn(_)));
    let mut machine = in_memory();
    assert!(revokes(&machine.event(Event::Stop)));
    assert!(matches!(&machine.state.phase, Phase::Revoking(revoking) if revoking.refresh_token.is_some()));
}

#[test]
fn a_stop_waits_for_a_renewal_and_a_login_during_a_stop_is_revoked_at_once() {
    let mut machine = in_memory();
    let Some(Effect::Redeem { attempt, .. }) = machine.at(750).pop() else { panic!("nothing is redeemed") };
    assert!(!revokes(&machine.event(Event::Stop)));
    let obtained_at = machine.now;
    let outcome = granted("A2", Some("R2"));
    let effects = machine.event(Event::Answered { attempt, outcome, obtained_at, id: TokenId(2) });
    assert!(revokes(&effects), "{effects:?}");
    let mut late = Machine::new();
    late.event(Event::Stop);
    assert!(revokes(&late.event(sign_in())));
}
