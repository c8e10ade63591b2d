//! A session whose refresh token another tool obtained: it has no access token yet, so its own is due at once, and
//! redeeming it is the proof that the refresh token is good. Pure.
//!
//! The refresh token is on the disk before it is sent, and it is sent by the same protocol as every later one, so a
//! crash at any point loses nothing that the other tool's cache would still have held.

use super::{
    event::{Effect, NewRefreshToken},
    signed_in::{Grant, SignedIn},
    state::{Phase, State},
};
use crate::clock::Timestamp;

impl State {
    /// Takes a refresh token from elsewhere.
    pub(super) fn adopt(&mut self, new: NewRefreshToken, now: Timestamp) -> Vec<Effect> {
        let mut session = SignedIn::new(new.own.clone(), new.policy, new.terms, now);
        // How old it is nobody knows, so neither when it ends unused.
        session.grant =
            Grant::RefreshToken { token: new.token, obtained_at: now, idle_end: None, is_fixed: false };
        session.entry(new.own, now);
        self.phase = Phase::SignedIn(session);
        self.write()
    }

    /// Gives the refresh token up where the proof did not succeed, without telling its server: it is not ours.
    pub(super) fn abandon(&mut self) -> Vec<Effect> {
        self.phase = Phase::SignedOut;
        // Should the record not go away, it at least says so.
        let mut effects = self.write();
        effects.extend([Effect::Forget, Effect::Publish]);
        effects
    }

    /// Whether the session holds an access token of its own.
    pub(super) fn has_own_token(&self) -> bool {
        matches!(&self.phase, Phase::SignedIn(session) if session.own_token().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authority::{Failure, Outcome, Refusal, Retry, Verdict},
        session::{
            event::Event,
            schedule::Chance,
            signed_in::{Durability, Policy},
            terms::Terms,
        },
        token::{AccessToken, Lifetime, RefreshToken, TokenId, TokenKey, TokenSet},
    };

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn handle(state: &mut State, event: Event) -> Vec<String> {
        let effects = state.handle(event, NOW, Chance::from_bits(7));
        let name =
            |effect: &Effect| format!("{effect:?}").split([' ', '(']).next().unwrap_or_default().to_owned();
        effects.iter().map(name).collect()
    }

    fn adopted() -> State {
        let mut state = State::signed_out();
        let new = NewRefreshToken {
            token: RefreshToken::new("rt".to_owned()),
            own: TokenKey::new(["api"], []),
            policy: Policy { keep_alive: false, refresh_idle: None, in_memory: false },
            terms: Terms::default(),
        };
        assert_eq!(handle(&mut state, Event::Adopt(Box::new(new))), ["Persist"]);
        state
    }

    fn answered(state: &mut State, outcome: Outcome) -> Vec<String> {
        handle(state, Event::Answered { attempt: 1, outcome, obtained_at: NOW, id: TokenId(1) })
    }

    #[test]
    fn nothing_is_sent_before_the_record_is_on_the_disk() {
        let mut state = adopted();
        assert_eq!(handle(&mut state, Event::PersistFailed), ["Publish"], "the disk is full");
        let mut state = adopted();
        assert_eq!(handle(&mut state, Event::Persisted), ["Publish", "Redeem"]);
        assert!(!state.has_own_token());
    }

    #[test]
    fn a_grant_proves_it_and_an_answer_without_a_refresh_token_keeps_the_old_one() {
        let mut state = adopted();
        handle(&mut state, Event::Persisted);
        let tokens = TokenSet {
            access_token: AccessToken::new("at".to_owned()),
            token_type: "Bearer".to_owned(),
            scope: None,
            lifetime: Lifetime::Seconds(3600),
            refresh_in: None,
            refresh_token: None,
            refresh_idle: None,
            person: None,
            warnings: Vec::new(),
        };
        assert_eq!(answered(&mut state, Outcome::Granted(Box::new(tokens))), ["Persist"]);
        assert!(state.has_own_token());
        assert_eq!(state.refresh_token().map(RefreshToken::expose), Some("rt"));
    }

    #[test]
    fn whatever_is_given_up_leaves_nothing_to_redeem() {
        let failure = || Failure::new("x", "y");
        for outcome in [
            Outcome::Retry(Retry { after: None, ambiguous: true, refused: false, failure: failure() }),
            Outcome::Refused(Refusal { verdict: Verdict::Final, failure: failure() }),
            Outcome::Refused(Refusal { verdict: Verdict::Misconfigured, failure: failure() }),
        ] {
            let mut state = adopted();
            handle(&mut state, Event::Persisted);
            answered(&mut state, outcome);
            assert_eq!(handle(&mut state, Event::Abandon), ["Persist", "Forget", "Publish"]);
            assert!(matches!(state.phase, Phase::SignedOut));
            assert_eq!(state.next_deadline(), None);
        }
    }

    #[test]
    fn a_degraded_adoption_starts_nothing_until_it_is_durable() {
        let mut state = adopted();
        handle(&mut state, Event::PersistFailed);
        let Phase::SignedIn(session) = &state.phase else { panic!("signed in") };
        assert!(matches!(session.durability, Durability::Degraded { .. }));
        assert_eq!(state.next_deadline(), Some(NOW + State::PERSIST_RETRY));
    }
}
