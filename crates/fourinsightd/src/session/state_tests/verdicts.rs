//! What a refusal, a rejection and a revocation end, and what they do not.

use super::*;

#[test]
fn a_final_verdict_on_the_own_key_ends_the_login() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    assert!(published(&machine.answer(attempt, refused(Verdict::Final))));
    assert!(matches!(&machine.state.phase, Phase::LoginRequired { failure, .. } if failure.error == "code"));
    assert_eq!(machine.state.next_deadline(), None);
    assert_eq!(redeemed(&machine.request(&own(), None)), None);
}

#[test]
fn the_same_verdict_on_another_key_ends_that_key_only() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.request(&other(), None)).expect("fetched on demand");
    machine.answer(attempt, refused(Verdict::Final));
    let entry = &machine.session().entries[&other()];
    assert!(entry.refused.as_ref().is_some_and(|refused| refused.verdict == Verdict::InteractionRequired));
    assert_eq!((machine.own_secret(), machine.refresh_secret()), (Some("A1"), Some("R1")));
}

#[test]
fn an_interaction_keeps_the_grant_and_is_tried_again_by_a_request_after_a_minute() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    machine.answer(attempt, refused(Verdict::InteractionRequired));
    assert_eq!(machine.refresh_secret(), Some("R1"));
    assert_eq!(redeemed(&machine.at(800)), None, "no timer tries it");
    assert_eq!(redeemed(&machine.request(&own(), None)), None, "nor does a request before the floor");
    machine.now = START + seconds(811);
    assert!(redeemed(&machine.request(&own(), None)).is_some());
}

#[test]
fn a_wrong_registration_keeps_the_grant_and_slows_down() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    machine.answer(attempt, refused(Verdict::Misconfigured));
    assert_eq!(machine.refresh_secret(), Some("R1"));
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(1050)));
}

#[test]
fn after_a_changed_person_the_old_token_lives_out_and_the_refresh_token_is_not_sent_again() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    machine.answer(attempt, refused(Verdict::PersonChanged));
    assert_eq!((machine.own_secret(), machine.refresh_secret()), (Some("A1"), None));
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(1000)));
    machine.at(1000);
    assert!(matches!(&machine.state.phase, Phase::LoginRequired { failure, .. } if failure.error == "code"));
}

#[test]
fn a_rejected_token_is_gone_at_once_and_fetched_once() {
    let mut machine = Machine::signed_in();
    let effects = machine.event(Event::Rejected { id: TokenId(0), challenge: None });
    assert!(published(&effects));
    let attempt = redeemed(&effects).expect("a new one is fetched");
    assert_eq!(machine.own_secret(), None);
    assert!(
        machine.event(Event::Rejected { id: TokenId(0), challenge: None }).is_empty(),
        "later reports find nothing"
    );
    machine.answer(attempt, granted("A2", Some("R2")));
    let effects = machine.event(Event::Rejected { id: TokenId(attempt), challenge: None });
    assert_eq!(redeemed(&effects), None, "an API that refuses every token does not cause a storm");
    assert_eq!(machine.state.next_deadline(), Some(machine.now + seconds(30)));
}

#[test]
fn a_revocation_waits_for_the_running_redemption_and_takes_its_newest_token() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    let effects = machine.event(Event::Revoke);
    assert!(matches!(effects.as_slice(), [Effect::Publish]), "callers are told at once: {effects:?}");
    let effects = machine.answer(attempt, granted("A2", Some("R2")));
    assert!(matches!(effects.as_slice(), [Effect::Revoke]), "{effects:?}");
    match &machine.state.phase {
        Phase::Revoking(revoking) => {
            assert_eq!(revoking.refresh_token.as_ref().map(RefreshToken::expose), Some("R2"));
            assert_eq!(revoking.access_tokens.len(), 2);
        }
        phase => panic!("{phase:?}"),
    }
    let effects = machine.event(Event::RevocationEnded);
    assert!(matches!(effects.as_slice(), [Effect::Forget, Effect::Publish]), "{effects:?}");
    assert!(matches!(machine.state.phase, Phase::SignedOut));
}

#[test]
fn a_second_revocation_adds_nothing() {
    let mut machine = Machine::signed_in();
    assert!(machine.event(Event::Revoke).iter().any(|effect| matches!(effect, Effect::Revoke)));
    assert!(machine.event(Event::Revoke).is_empty());
}
