//! A session that a backup brings back. Pure.
//!
//! The server may have replaced the refresh token since the backup was made, and then takes the old one as stolen:
//! the session is in doubt until a redemption succeeds, and none is started before it is due.

use super::{
    doubt::Doubt,
    event::Effect,
    signed_in::Grant,
    state::{Phase, State},
};
use crate::clock::Timestamp;

/// Why a session is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRestored {
    /// Somebody is signed in.
    SignedIn,
    /// It is being opened without a person.
    Opening,
    /// It is being revoked.
    Revoking,
    /// What is known of it here came after what is in the backup.
    Later,
}

impl State {
    /// Whether a record of this generation may take the place of what is here.
    pub(super) fn may_restore(&self, generation: u64) -> Result<(), NotRestored> {
        match &self.phase {
            Phase::SignedIn(_) => Err(NotRestored::SignedIn),
            Phase::Opening(_) => Err(NotRestored::Opening),
            Phase::Revoking(_) => Err(NotRestored::Revoking),
            // Nothing of a damaged record can be used, however late it is.
            Phase::LoginRequired { failure, .. } if failure.error == "record_damaged" => Ok(()),
            Phase::LoginRequired { .. } if self.generation > generation => Err(NotRestored::Later),
            Phase::LoginRequired { .. } | Phase::SignedOut => Ok(()),
        }
    }

    /// Takes what a record of this generation says.
    pub(super) fn restore(&mut self, mut phase: Phase, generation: u64, now: Timestamp) -> Vec<Effect> {
        if let Phase::SignedIn(session) = &mut phase
            && matches!(session.grant, Grant::RefreshToken { .. })
        {
            session.doubt = Some(Box::new(Doubt::restored(now)));
        }
        self.phase = phase;
        self.generation = self.generation.max(generation);
        self.write()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::Failure;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn ended() -> Phase {
        ended_by("x")
    }

    fn ended_by(error: &'static str) -> Phase {
        Phase::LoginRequired { failure: Failure::ours(error, "y"), since: NOW }
    }

    #[test]
    fn what_is_missing_or_older_gives_way_and_what_is_later_stays() {
        assert_eq!(State::signed_out().may_restore(1), Ok(()));
        for (here, there, verdict) in [(4, 5, Ok(())), (5, 5, Ok(())), (6, 5, Err(NotRestored::Later))] {
            assert_eq!(State::restored(here, ended()).may_restore(there), verdict, "{here} {there}");
        }
        assert_eq!(State::restored(6, ended_by("record_damaged")).may_restore(5), Ok(()));
    }

    #[test]
    fn the_restored_record_is_later_than_both() {
        for (here, there) in [(0, 7), (9, 9), (12, 9)] {
            let mut state = State::restored(here, Phase::SignedOut);
            let effects = state.restore(ended(), there, NOW);
            assert_eq!(state.generation, here.max(there) + 1);
            assert!(matches!(effects[..], [Effect::Persist]));
        }
    }
}
