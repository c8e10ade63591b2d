//! Claims that a caller or an API demands, and what an API's refusal means.

use super::*;
use crate::{
    authority::{Detail, challenge::Challenge, claims::Claims},
    session::{
        demand::{Demand, Ended},
        state::{Meaning, Reported},
    },
};

fn claims(name: &str) -> Claims {
    Claims::read(&format!("{{\"{name}\":null}}")).unwrap()
}

fn demand(name: &str) -> Demand {
    Demand { claims: Some(claims(name)), cae: false }
}

#[expect(clippy::unnecessary_wraps, reason = "what it is compared with, or handed to, is optional")]
fn challenge(error: &str, claims: Option<Claims>) -> Option<Box<Challenge>> {
    Some(Box::new(Challenge { error: Some(error.into()), claims, ..Challenge::default() }))
}

impl Machine {
    fn demand(&mut self, key: &TokenKey, demand: &Demand) -> Vec<Effect> {
        self.event(Event::Demanded { key: key.clone(), demand: demand.clone() })
    }

    /// Reports a token: what follows, and what the reporter is told.
    fn reject(&mut self, id: u64, challenge: Option<Box<Challenge>>) -> (Vec<Effect>, Reported) {
        let meaning = self.state.meaning(TokenId(id), challenge.as_deref());
        let effects = self.event(Event::Rejected { id: TokenId(id), challenge });
        (effects, self.state.reported(meaning, self.now))
    }
}

/// What the redemption that begins asks for.
fn asks_for(effects: &[Effect]) -> Option<(u64, Option<Demand>)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Redeem { attempt, demand, .. } => Some((*attempt, demand.clone())),
        _ => None,
    })
}

fn ends(effects: &[Effect]) -> Vec<(&Demand, &Ended)> {
    let settled = effects.iter().filter_map(|effect| match effect {
        Effect::Settled(settled) => Some((&settled.demand, &settled.ended)),
        _ => None,
    });
    settled.collect()
}

fn wants_login(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::StepUp(_)))
}

#[test]
fn claims_are_redeemed_once_and_the_token_is_everyones() {
    let mut machine = Machine::signed_in();
    let (attempt, asked) = asks_for(&machine.demand(&own(), &demand("a"))).expect("redeemed at once");
    assert_eq!(asked, Some(demand("a")));
    assert_eq!(machine.own_secret(), Some("A1"), "the present token is served meanwhile");
    assert!(machine.demand(&own(), &demand("a")).is_empty(), "the same demand joins");
    let effects = machine.answer(attempt, granted("A2", Some("R2")));
    assert_eq!(ends(&effects), [(&demand("a"), &Ended::Granted)]);
    let position = |wanted: fn(&Effect) -> bool| effects.iter().position(wanted);
    let published = position(|effect| matches!(effect, Effect::Publish));
    assert!(published < position(|effect| matches!(effect, Effect::Settled(_))), "published first");
    assert_eq!(machine.own_secret(), Some("A2"));
    let (_, asked) = asks_for(&machine.at(1750)).expect("due");
    assert_eq!(asked, None, "the renewal does not repeat the claims");
}

#[test]
fn different_claims_are_redeemed_in_turn() {
    let mut machine = Machine::signed_in();
    let (first, _) = asks_for(&machine.demand(&own(), &demand("a"))).unwrap();
    assert_eq!(asks_for(&machine.demand(&own(), &demand("b"))), None);
    let effects = machine.answer(first, granted("A2", None));
    assert_eq!(ends(&effects), [(&demand("a"), &Ended::Granted)]);
    assert_eq!(asks_for(&effects).unwrap().1, Some(demand("b")));
}

#[test]
fn a_refused_demand_leaves_the_token_to_the_others_and_wants_a_login() {
    for verdict in [Verdict::InteractionRequired, Verdict::Scope, Verdict::Target] {
        let mut machine = Machine::signed_in();
        let (attempt, _) = asks_for(&machine.demand(&own(), &demand("a"))).unwrap();
        let effects = machine.answer(attempt, refused(verdict));
        assert!(matches!(ends(&effects)[..], [(_, Ended::Refused(refusal))] if refusal.verdict == verdict));
        assert_eq!(wants_login(&effects), verdict == Verdict::InteractionRequired);
        let session = machine.session();
        assert_eq!((machine.own_secret(), session.problem().is_none()), (Some("A1"), true));
        assert!(session.entries[&own()].refused.is_none());
        let again = machine.demand(&own(), &demand("a"));
        assert!(matches!(ends(&again)[..], [(_, Ended::Refused(_))]), "the refusal stands for a while");
        machine.now = START + seconds(61);
        assert!(asks_for(&machine.demand(&own(), &demand("a"))).is_some());
    }
}

#[test]
fn what_the_server_itself_asks_of_a_login_is_remembered_and_kept() {
    let named = Detail { claims: Some(claims("named")), ..Detail::default() };
    let failure = failure("interaction_required").with_detail(named);
    let refusal = Refusal { verdict: Verdict::InteractionRequired, failure };
    for (asked, expected) in [(None, r#"{"named":null}"#), (Some("a"), r#"{"a":null,"named":null}"#)] {
        let mut machine = Machine::signed_in();
        let effects = match asked {
            Some(name) => machine.demand(&own(), &demand(name)),
            None => machine.request(&own(), Some(seconds(999_999))),
        };
        let (attempt, _) = asks_for(&effects).unwrap();
        let outcome = Outcome::Refused(refusal.clone());
        let answered = Event::Answered { attempt, outcome, obtained_at: machine.now, id: TokenId(attempt) };
        let effects = machine.state.handle(answered, machine.now, Chance::from_bits(0));
        let wanted = effects.iter().find_map(|effect| match effect {
            Effect::StepUp(step_up) => step_up.claims.as_ref(),
            _ => None,
        });
        assert_eq!(wanted.map(Claims::as_str), Some(expected));
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Persist)), "{effects:?}");
        assert_eq!(machine.own_secret(), Some("A1"));
    }
}

#[test]
fn a_final_verdict_on_a_demand_of_the_own_key_ends_the_login_which_carries_it() {
    let mut machine = Machine::signed_in();
    let (attempt, _) = asks_for(&machine.demand(&own(), &demand("a"))).unwrap();
    let effects = machine.answer(attempt, refused(Verdict::Final));
    assert!(wants_login(&effects) && matches!(ends(&effects)[..], [(_, Ended::Refused(_))]));
    assert!(matches!(machine.state.phase, Phase::LoginRequired { .. }));
}

#[test]
fn claims_that_the_server_does_not_understand_pause_nobody() {
    let not_understood = || {
        let failure = failure("invalid_request");
        Outcome::Retry(Retry::of(failure))
    };
    let mut machine = Machine::signed_in();
    let (attempt, _) = asks_for(&machine.demand(&own(), &demand("a"))).unwrap();
    let effects = machine.answer(attempt, not_understood());
    assert!(matches!(ends(&effects)[..], [(_, Ended::NotTaken(_))]));
    assert!(machine.session().backoff.is_none());

    let (effects, _) = machine.reject(0, challenge("insufficient_claims", Some(claims("b"))));
    let (attempt, asked) = asks_for(&effects).unwrap();
    assert_eq!(asked, Some(demand("b")));
    let (attempt, asked) =
        asks_for(&machine.answer(attempt, not_understood())).expect("without them, at once");
    assert_eq!(asked, None);
    machine.answer(attempt, granted("A2", None));
    assert_eq!(machine.own_secret(), Some("A2"));
}

#[test]
fn claims_that_are_not_understood_for_another_key_leave_it_usable_and_the_refresh_token_in_doubt() {
    let not_understood = || {
        let failure = failure("invalid_request");
        Outcome::Retry(Retry { after: None, ambiguous: true, refused: false, failure })
    };
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.request(&other(), None)).unwrap();
    machine.answer(attempt, granted("B1", None));
    let (effects, _) = machine.reject(attempt, challenge("insufficient_claims", Some(claims("b"))));
    let (attempt, asked) = asks_for(&effects).unwrap();
    assert_eq!(asked, Some(demand("b")));
    let effects = machine.answer(attempt, not_understood());
    assert!(machine.session().doubt.is_some());
    let (attempt, asked) = asks_for(&effects).expect("without them, at once");
    assert_eq!(asked, None);
    machine.answer(attempt, granted("B2", None));
    assert!(machine.session().entries[&other()].token.is_some() && machine.session().doubt.is_none());

    // Of the own key an error that decides nothing is just that.
    let (attempt, _) = asks_for(&machine.demand(&own(), &demand("a"))).unwrap();
    let effects = machine.answer(attempt, not_understood());
    assert!(matches!(ends(&effects)[..], [(_, Ended::Unavailable(_))]));
    assert!(machine.session().backoff.is_some());
}

#[test]
fn without_a_refresh_token_claims_need_the_person() {
    let policy = Policy { keep_alive: true, refresh_idle: None, in_memory: false };
    let mut machine = Machine::signed_in_with(tokens("A1", None, 1000), policy);
    let effects = machine.demand(&own(), &demand("a"));
    assert!(wants_login(&effects) && matches!(ends(&effects)[..], [(_, Ended::Refused(_))]));
    assert_eq!(machine.own_secret(), Some("A1"));
}

#[test]
fn a_rejection_carries_its_claims_until_a_token_has_come() {
    let mut machine = Machine::signed_in();
    let wanted = challenge("insufficient_claims", Some(claims("a")));
    let (effects, reported) = machine.reject(0, wanted.clone());
    let (attempt, asked) = asks_for(&effects).unwrap();
    assert_eq!((asked, reported), (Some(demand("a")), Reported::Renewing));
    assert_eq!(machine.own_secret(), None);
    for _ in 0..3 {
        let (effects, reported) = machine.reject(0, wanted.clone());
        assert_eq!((effects.len(), reported), (0, Reported::Renewing), "others report the same");
    }
    machine.answer(attempt, retry());
    let (attempt, asked) = asks_for(&machine.at(60)).expect("tried again");
    assert_eq!(asked, Some(demand("a")));
    let effects = machine.answer(attempt, granted("A2", None));
    assert_eq!((machine.own_secret(), asks_for(&effects)), (Some("A2"), None));
    assert_eq!(machine.reject(0, wanted).1, Reported::Unknown, "it was replaced long ago");
}

#[test]
fn claims_that_come_after_the_plain_report_are_redeemed_after_it() {
    let mut machine = Machine::signed_in();
    let (attempt, asked) = asks_for(&machine.reject(0, None).0).unwrap();
    assert_eq!(asked, None);
    machine.reject(0, challenge("insufficient_claims", Some(claims("a"))));
    let effects = machine.answer(attempt, granted("A2", None));
    assert_eq!(asks_for(&effects).expect("the claims are not lost").1, Some(demand("a")));
}

#[test]
fn a_refused_rejection_makes_its_key_wait_for_the_person_and_no_other() {
    let mut machine = Machine::signed_in();
    let (attempt, _) = asks_for(&machine.request(&other(), None)).unwrap();
    machine.answer(attempt, granted("M1", None));
    let (effects, _) = machine.reject(attempt, challenge("insufficient_claims", Some(claims("a"))));
    let (attempt, _) = asks_for(&effects).unwrap();
    let effects = machine.answer(attempt, refused(Verdict::InteractionRequired));
    assert!(wants_login(&effects));
    let entry = &machine.session().entries[&other()];
    assert!(entry.token.is_none() && entry.refused.is_some());
    assert_eq!(machine.own_secret(), Some("A1"));
    machine.now = machine.now + seconds(61);
    let (_, asked) = asks_for(&machine.request(&other(), None)).expect("a request tries again");
    assert_eq!(asked, Some(demand("a")), "what the API demands is not forgotten");
}

#[test]
fn an_api_that_always_demands_the_same_waits_between_tokens() {
    let mut machine = Machine::signed_in();
    let wanted = || challenge("insufficient_claims", Some(claims("a")));
    let (attempt, _) = asks_for(&machine.reject(0, wanted()).0).expect("the first at once");
    machine.answer(attempt, granted("A2", None));
    let (effects, reported) = machine.reject(attempt, wanted());
    assert_eq!((asks_for(&effects), reported), (None, Reported::Paused(seconds(30))));
    assert!(asks_for(&machine.at(29)).is_none());
    assert!(asks_for(&machine.at(30)).is_some());
}

#[test]
fn an_api_that_demands_something_new_each_time_gets_four_at_once() {
    let mut machine = Machine::signed_in();
    let mut id = 0;
    for round in 0..4 {
        let wanted = challenge("insufficient_claims", Some(claims(&format!("c{round}"))));
        let (attempt, _) = asks_for(&machine.reject(id, wanted).0).expect("at once");
        machine.answer(attempt, granted("next", None));
        id = attempt;
    }
    let (effects, reported) = machine.reject(id, challenge("insufficient_claims", Some(claims("c4"))));
    assert_eq!((asks_for(&effects), reported), (None, Reported::Paused(seconds(30))));
}

#[test]
fn a_scope_that_is_missing_is_named_and_renews_nothing() {
    let mut machine = Machine::signed_in();
    let mut tokens = tokens("A2", None, 1000);
    tokens.scope = Some("read write".into());
    let attempt = redeemed(&machine.at(750)).unwrap();
    machine.answer(attempt, Outcome::Granted(Box::new(tokens)));
    let reject = |scope: Option<&str>| {
        let mut wanted = challenge("insufficient_scope", None).unwrap();
        wanted.scope = scope.map(str::to_owned);
        Some(wanted)
    };
    for (scope, missing) in
        [(Some("write admin read"), Some("admin")), (Some("read"), Some("read")), (None, None)]
    {
        let meaning = Meaning::Scope { missing: missing.map(str::to_owned) };
        assert_eq!(machine.state.meaning(TokenId(attempt), reject(scope).as_deref()), meaning);
        let (effects, _) = machine.reject(attempt, reject(scope));
        assert!(effects.is_empty());
    }
    assert_eq!(machine.own_secret(), Some("A2"));
}

#[test]
fn a_person_who_must_sign_in_otherwise_keeps_the_token_for_other_apis() {
    let mut machine = Machine::signed_in();
    let (effects, reported) = machine.reject(0, challenge("insufficient_user_authentication", None));
    assert!(wants_login(&effects) && redeemed(&effects).is_none());
    assert!(matches!(reported, Reported::Person(_)));
    assert_eq!(machine.own_secret(), Some("A1"));
}

#[test]
fn what_cannot_be_renewed_needs_its_person_after_a_rejection() {
    let policy = Policy { keep_alive: true, refresh_idle: None, in_memory: false };
    let mut machine = Machine::signed_in_with(tokens("A1", None, 1000), policy);
    let (_, reported) = machine.reject(0, None);
    assert!(matches!(reported, Reported::Person(failure) if failure.error == "access_token_rejected"));
}

#[test]
fn capabilities_are_declared_from_the_first_wish_on() {
    let mut machine = Machine::signed_in();
    let cae = Demand { claims: None, cae: true };
    let (attempt, asked) = asks_for(&machine.demand(&own(), &cae)).unwrap();
    assert_eq!(asked, Some(cae.clone()));
    machine.answer(attempt, granted("A2", None));
    assert!(machine.session().entries[&own()].declares_cae());
    let late = machine.demand(&own(), &cae);
    assert_eq!((asks_for(&late), &ends(&late)[..]), (None, &[(&cae, &Ended::Granted)][..]), "it has come");
    let (attempt, asked) = asks_for(&machine.at(750)).expect("due");
    assert_eq!(asked, Some(cae));
    machine.answer(attempt, granted("A3", None));
    assert!(machine.session().entries[&own()].declares_cae());
}
