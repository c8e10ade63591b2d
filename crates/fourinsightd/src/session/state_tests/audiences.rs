//! Other scopes and resources than the login's: renewed while they are used, forgotten when they are not, and never
//! at the cost of the session's own key.

use super::*;
use crate::{profile::Rotation, token::Token};

/// A session signed in on these terms, with a token of an hour.
fn signed_in_on(terms: Terms) -> Machine {
    let mut machine = Machine::new();
    let new = NewGrant {
        tokens: tokens("A1", Some("R1"), 3600),
        own: own(),
        obtained_at: START,
        id: TokenId(1000),
        policy: Policy { keep_alive: true, refresh_idle: None, in_memory: false },
        by_client_credentials: false,
        terms,
    };
    machine.event(Event::SignIn(Box::new(new)));
    machine
}

fn on(rotation: Rotation) -> Machine {
    signed_in_on(Terms { rotation, ..Terms::default() })
}

impl Machine {
    /// Fetches another audience's token, which lives for 1000 seconds.
    fn fetch(&mut self, key: &TokenKey) -> TokenId {
        let attempt = redeemed(&self.request(key, None)).expect("fetched on demand");
        self.answer(attempt, granted("B", None));
        TokenId(attempt)
    }

    /// Somebody is handed a token without a word to the session.
    fn hand_out(&mut self, id: TokenId) {
        let effects = self.event(Event::Used(vec![(id, self.now)]));
        assert_eq!(redeemed(&effects), None);
    }

    fn token(&self, key: &TokenKey) -> Option<&Token> {
        self.session().entries.get(key)?.token.as_deref()
    }

    fn is_known(&self, key: &TokenKey) -> bool {
        self.session().entries.contains_key(key)
    }

    /// The server refuses another audience.
    fn refuse(&mut self, key: &TokenKey) {
        let attempt = redeemed(&self.request(key, None)).expect("fetched on demand");
        self.answer(attempt, refused(Verdict::Target));
    }

    fn doubted(&self) -> Option<&str> {
        self.session().doubt.as_ref().map(|doubt| doubt.error.as_str())
    }
}

/// The key that a redemption is for.
fn key_of(effects: &[Effect]) -> Option<TokenKey> {
    effects.iter().find_map(|effect| match effect {
        Effect::Redeem { key, .. } => Some(key.clone()),
        _ => None,
    })
}

#[test]
fn a_token_that_was_asked_for_since_it_arrived_is_renewed_by_itself() {
    let mut machine = on(Rotation::Unknown);
    let id = machine.fetch(&other());
    machine.now = START + seconds(10);
    machine.hand_out(id);
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(750)));
    assert_eq!(key_of(&machine.at(749)), None);
    assert_eq!(key_of(&machine.at(750)), Some(other()));
}

#[test]
fn a_token_that_nobody_asked_for_is_looked_at_and_not_renewed() {
    let mut machine = on(Rotation::Unknown);
    let id = machine.fetch(&other());
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(750)), "to look who used it");
    assert_eq!(key_of(&machine.at(750)), None);
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(1000)), "to forget it");
    machine.now = START + seconds(800);
    machine.hand_out(id);
    assert_eq!(key_of(&machine.at(801)), Some(other()), "it is wanted after all");
}

#[test]
fn a_dead_token_that_nobody_asked_for_is_forgotten_and_the_record_rewritten() {
    let mut machine = on(Rotation::Unknown);
    machine.fetch(&other());
    machine.at(999);
    assert!(machine.token(&other()).is_some());
    machine.now = START + seconds(1000);
    let effects = machine.state.handle(Event::Tick { last_used: START }, machine.now, Chance::from_bits(0));
    assert!(matches!(effects.as_slice(), [Effect::Persist]), "{effects:?}");
    assert!(!machine.is_known(&other()) && machine.own_secret() == Some("A1"));
}

#[test]
fn who_may_still_wait_for_an_outcome_keeps_it_from_being_forgotten() {
    let mut machine = on(Rotation::Unknown);
    let attempt = redeemed(&machine.request(&other(), None)).expect("fetched on demand");
    machine.answer(attempt, refused(Verdict::InteractionRequired));
    machine.at(299);
    assert!(machine.is_known(&other()));
    machine.at(300);
    assert!(!machine.is_known(&other()));
}

#[test]
fn a_used_token_that_cannot_be_renewed_is_given_up_when_nobody_asks_any_more() {
    let mut machine = on(Rotation::Unknown);
    let id = machine.fetch(&other());
    machine.now = START + seconds(10);
    machine.hand_out(id);
    for minute in 12..30 {
        if let Some(attempt) = redeemed(&machine.at(minute * 60 + 30)) {
            machine.answer(attempt, retry());
        }
    }
    assert!(!machine.is_known(&other()));
    assert_eq!(machine.own_secret(), Some("A1"));
}

#[test]
fn an_audience_that_fails_for_ever_never_keeps_the_own_key_from_its_renewal() {
    let mut machine = Machine::signed_in();
    let id = machine.fetch(&other());
    machine.now = START + seconds(1);
    machine.hand_out(id);
    let mut renewed = None;
    for second in 700..1000 {
        let effects = machine.at(second);
        let Some(attempt) = redeemed(&effects) else { continue };
        if key_of(&effects) == Some(own()) {
            renewed = Some(second);
            break;
        }
        machine.answer(attempt, retry());
    }
    assert!(renewed.is_some_and(|second| second <= 752), "{renewed:?}");
}

#[test]
fn a_failing_own_key_lets_the_others_have_their_turn() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    machine.answer(attempt, retry());
    machine.request(&other(), None);
    let mut seen = Vec::new();
    for second in 751..760 {
        let effects = machine.at(second);
        if let Some(attempt) = redeemed(&effects) {
            seen.extend(key_of(&effects));
            machine.answer(attempt, retry());
        }
    }
    assert!(seen.contains(&other()) && seen.contains(&own()), "{seen:?}");
}

#[test]
fn what_the_login_does_not_reach_is_never_asked_for() {
    let mut machine = signed_in_on(Terms { bounded: true, ..Terms::default() });
    assert!(machine.request(&other(), None).is_empty());
    assert!(!machine.is_known(&other()));
    let narrower = TokenKey::new([], []);
    assert_eq!(key_of(&machine.request(&narrower, None)), Some(narrower));
}

#[test]
fn only_a_refresh_that_named_scopes_narrows_the_grant() {
    let mut machine = Machine::signed_in();
    let attempt = redeemed(&machine.at(750)).expect("due");
    machine.answer(attempt, granted("A2", Some("R2")));
    machine.fetch(&TokenKey::new([], ["https://mail.example.com/"]));
    assert!(!machine.state.is_narrowed());
    machine.fetch(&other());
    assert!(machine.state.is_narrowed());
}

#[test]
fn a_refused_audience_puts_the_refresh_token_in_doubt_until_the_next_grant() {
    let mut machine = on(Rotation::Unknown);
    machine.refuse(&other());
    assert_eq!((machine.doubted(), machine.refresh_secret()), (Some("code"), Some("R1")));
    assert_eq!(machine.session().problem(), None, "nothing is wrong yet");
    machine.fetch(&TokenKey::new(["files"], []));
    assert_eq!(machine.doubted(), None);
}

#[test]
fn the_last_word_tells_what_may_have_led_to_it() {
    let mut machine = on(Rotation::Unknown);
    machine.refuse(&other());
    let attempt = redeemed(&machine.at(2700)).expect("due");
    machine.answer(attempt, refused(Verdict::Final));
    let Phase::LoginRequired { failure, .. } = &machine.state.phase else { panic!("still signed in") };
    assert_eq!(failure.error, "code");
    assert!(failure.description.starts_with("words; before that"), "{}", failure.description);
}

#[test]
fn a_strict_server_is_left_alone_until_the_living_token_ends() {
    let mut machine = on(Rotation::Strict);
    machine.refuse(&other());
    assert_eq!(
        machine.session().problem().map(|(failure, _)| failure.error),
        Some("rotation_in_doubt".into())
    );
    assert_eq!(redeemed(&machine.request(&TokenKey::new(["files"], []), None)), None);
    assert_eq!(redeemed(&machine.at(3599)), None);
    assert_eq!(machine.state.next_deadline(), Some(START + seconds(3600)));
    let mut tried = Vec::new();
    for second in [3600, 3601] {
        let effects = machine.at(second);
        tried.extend(key_of(&effects));
        if let Some(attempt) = redeemed(&effects) {
            machine.answer(attempt, granted("A2", Some("R2")));
        }
    }
    assert!(tried.contains(&own()), "{tried:?}");
    assert_eq!((machine.doubted(), machine.own_secret()), (None, Some("A2")));
}

#[test]
fn a_strict_server_is_asked_at_once_when_no_token_lives_that_it_could_end() {
    let mut machine = on(Rotation::Strict);
    machine.refuse(&other());
    let effects = machine.event(Event::Rejected { id: TokenId(1000), challenge: None });
    assert_eq!(key_of(&effects), Some(own()));
}

#[test]
fn within_a_grace_the_own_key_is_redeemed_at_once() {
    let mut machine = on(Rotation::Grace(30));
    let attempt = redeemed(&machine.request(&other(), None)).expect("fetched on demand");
    let effects = machine.answer(attempt, refused(Verdict::Scope));
    assert_eq!(key_of(&effects), Some(own()));
}

#[test]
fn no_doubt_where_old_refresh_tokens_stay_good_or_the_client_was_refused() {
    for rotation in [Rotation::None, Rotation::NeverRevoke] {
        let mut machine = on(rotation);
        machine.refuse(&other());
        assert_eq!(machine.doubted(), None, "{rotation:?}");
    }
    let mut machine = on(Rotation::Strict);
    let attempt = redeemed(&machine.request(&other(), None)).expect("fetched on demand");
    machine.answer(attempt, refused(Verdict::Misconfigured));
    assert_eq!(machine.doubted(), None);
}
