//! The state machine, transition by transition.

use std::time::Duration;

use super::{
    schedule::{Chance, Freshness},
    signed_in::{Durability, Grant, Policy, SignedIn},
    state::{Effect, Event, NewGrant, Phase, State},
};
use crate::{
    authority::{Failure, Outcome, Refusal, Retry, Verdict},
    clock::Timestamp,
    token::{AccessToken, Lifetime, Person, RefreshToken, TokenId, TokenKey, TokenSet},
};

pub(super) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) fn tokens(access: &str, refresh: Option<&str>, lifetime: i64) -> TokenSet {
    TokenSet {
        access_token: AccessToken::new(access.to_owned()),
        token_type: "Bearer".into(),
        scope: None,
        lifetime: Lifetime::Seconds(lifetime),
        refresh_in: None,
        refresh_token: refresh.map(|token| RefreshToken::new(token.to_owned())),
        refresh_idle: None,
        person: None,
        warnings: vec![],
    }
}

pub(super) fn failure(error: &str) -> Failure {
    Failure { error: error.into(), description: "words".into() }
}

fn refused(verdict: Verdict) -> Outcome {
    Outcome::Refused(Refusal { verdict, failure: failure("code") })
}

fn retry() -> Outcome {
    Outcome::Retry(Retry { after: None, ambiguous: false, failure: failure("unreachable") })
}

fn granted(access: &str, refresh: Option<&str>) -> Outcome {
    Outcome::Granted(Box::new(tokens(access, refresh, 1000)))
}

/// A state machine at a moment, whose writes all succeed at once unless the test says otherwise.
pub(super) struct Machine {
    pub(super) state: State,
    pub(super) now: Timestamp,
    disk_works: bool,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self { state: State::signed_out(), now: START, disk_works: true }
    }

    fn signed_in_with(grant: TokenSet, policy: Policy) -> Self {
        let mut machine = Self::new();
        let own = TokenKey::new(["api"], []);
        let new = NewGrant { tokens: grant, own, obtained_at: START, id: TokenId(0), policy };
        machine.event(Event::SignIn(Box::new(new)));
        machine
    }

    fn signed_in() -> Self {
        let policy = Policy { keep_alive: true, refresh_idle: None };
        Self::signed_in_with(tokens("A1", Some("R1"), 1000), policy)
    }

    /// Takes an event, and the writes that follow from it. Returns the other effects, in order.
    pub(super) fn event(&mut self, event: Event) -> Vec<Effect> {
        let mut pending = self.state.handle(event, self.now, Chance::from_bits(0));
        let mut seen = Vec::new();
        while !pending.is_empty() {
            match pending.remove(0) {
                Effect::Persist => {
                    let event = if self.disk_works { Event::Persisted } else { Event::PersistFailed };
                    let mut next = self.state.handle(event, self.now, Chance::from_bits(0));
                    next.append(&mut pending);
                    pending = next;
                }
                effect => seen.push(effect),
            }
        }
        seen
    }

    fn at(&mut self, second: u64) -> Vec<Effect> {
        self.now = START + seconds(second);
        self.event(Event::Tick { last_used: START })
    }

    fn request(&mut self, key: &TokenKey, min_validity: Option<Duration>) -> Vec<Effect> {
        let entry = match &self.state.phase {
            Phase::SignedIn(session) => session.entries.get(key),
            _ => None,
        };
        let outcomes = entry.map_or(0, |entry| entry.outcomes);
        self.event(Event::Requested { key: key.clone(), min_validity, outcomes })
    }

    fn answer(&mut self, attempt: u64, outcome: Outcome) -> Vec<Effect> {
        self.event(Event::Answered { attempt, outcome, obtained_at: self.now, id: TokenId(attempt) })
    }

    fn session(&self) -> &SignedIn {
        match &self.state.phase {
            Phase::SignedIn(session) => session,
            phase => panic!("not signed in: {phase:?}"),
        }
    }

    fn own_secret(&self) -> Option<&str> {
        self.session().own_token().map(|token| token.secret.expose())
    }

    fn refresh_secret(&self) -> Option<&str> {
        self.state.refresh_token().map(RefreshToken::expose)
    }
}

fn own() -> TokenKey {
    TokenKey::new(["api"], [])
}

fn other() -> TokenKey {
    TokenKey::new(["mail"], ["https://mail.example.com/"])
}

fn redeemed(effects: &[Effect]) -> Option<u64> {
    effects.iter().find_map(|effect| match effect {
        Effect::Redeem { attempt, .. } => Some(*attempt),
        _ => None,
    })
}

fn published(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Publish))
}

#[test]
fn a_login_is_published_after_it_is_durable_and_redeems_nothing() {
    let mut machine = Machine::new();
    let policy = Policy { keep_alive: true, refresh_idle: None };
    let new = NewGrant {
        tokens: tokens("A1", Some("R1"), 1000),
        own: own(),
        obtained_at: START,
        id: TokenId(0),
        policy,
    };
    let effects = machine.state.handle(Event::SignIn(Box::new(new)), START, Chance::from_bits(0));
    assert!(matches!(effects.as_slice(), [Effect::Persist]), "{effects:?}");
    let effects = machine.event(Event::Persisted);
    assert!(matches!(effects.as_slice(), [Effect::Publish]), "{effects:?}");
    assert_eq!(machine.state.generation, 1);
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(750)));
}

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
fn a_refresh_answer_without_a_refresh_token_keeps_the_old_one_and_a_login_never_inherits() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    machine.answer(attempt, granted("A2", None));
    assert_eq!(machine.refresh_secret(), Some("R1"));
    let policy = Policy { keep_alive: true, refresh_idle: None };
    let new = NewGrant {
        tokens: tokens("B1", None, 1000),
        own: own(),
        obtained_at: machine.now,
        id: TokenId(9),
        policy,
    };
    machine.event(Event::SignIn(Box::new(new)));
    assert_eq!(machine.refresh_secret(), None);
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
    let retry = Retry { after: Some(seconds(120)), ambiguous: false, failure: failure("slow") };
    machine.answer(attempt, Outcome::Retry(retry));
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(870)));
}

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
fn without_a_refresh_token_the_token_lives_out_and_other_audiences_need_a_person() {
    let policy = Policy { keep_alive: true, refresh_idle: None };
    let mut machine = Machine::signed_in_with(tokens("A1", None, 1000), policy);
    machine.request(&other(), None);
    assert!(machine.session().entries[&other()].refused.is_some());
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
    let policy = Policy { keep_alive: true, refresh_idle: None };
    let new = NewGrant {
        tokens: tokens("B1", Some("S1"), 1000),
        own: own(),
        obtained_at: machine.now,
        id: TokenId(9),
        policy,
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
fn a_rejected_token_is_gone_at_once_and_fetched_once() {
    let mut machine = Machine::signed_in();
    let effects = machine.event(Event::Rejected { id: TokenId(0) });
    assert!(published(&effects));
    let attempt = redeemed(&effects).expect("a new one is fetched");
    assert_eq!(machine.own_secret(), None);
    assert!(machine.event(Event::Rejected { id: TokenId(0) }).is_empty(), "later reports find nothing");
    machine.answer(attempt, granted("A2", Some("R2")));
    let effects = machine.event(Event::Rejected { id: TokenId(attempt) });
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
fn keep_alive_uses_the_refresh_token_before_its_idle_end() {
    let mut grant = tokens("A1", Some("R1"), 100_000);
    grant.refresh_idle = Some(1800);
    let mut machine = Machine::signed_in_with(grant.clone(), Policy { keep_alive: true, refresh_idle: None });
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(1350)));
    assert!(redeemed(&machine.at(1350)).is_some());
    let resting = Machine::signed_in_with(grant, Policy { keep_alive: false, refresh_idle: None });
    assert_eq!(resting.state.next_deadline(), None, "unused, and not to be kept alive");
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
fn more_validity_than_a_whole_life_costs_one_renewal_per_token() {
    let mut machine = Machine::signed_in();
    let long = Some(seconds(100_000));
    let attempt = redeemed(&machine.request(&own(), long)).expect("one is fetched");
    machine.answer(attempt, granted("A2", Some("R2")));
    let token = machine.session().own_token().expect("a token").clone();
    assert!(token.on_demand);
    assert_eq!(super::schedule::freshness(&token, machine.now, long), Freshness::Fresh);
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

#[test]
fn a_person_that_a_refresh_names_first_is_remembered() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    let mut grant = tokens("A2", Some("R2"), 1000);
    grant.person = Some(Person { issuer: "i".into(), subject: "s".into(), name: None });
    machine.answer(attempt, Outcome::Granted(Box::new(grant)));
    assert_eq!(machine.state.person().map(|person| person.subject.as_str()), Some("s"));
    assert!(matches!(machine.session().grant, Grant::RefreshToken { .. }));
}
