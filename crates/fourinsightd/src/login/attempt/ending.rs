//! The ends of an attempt: with what went wrong, or because nobody answered in time.

use std::sync::PoisonError;

use fourinsight_ipc::message::{LoginState, LoginStatus};

use super::{
    super::{failure::LoginFailure, tried},
    Attempt, Phase,
};

impl Attempt {
    /// Ends it because nobody answered in time.
    pub(in crate::login) fn expire(&self, last_poll: Option<LoginFailure>) {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Waiting(_)) {
            let last_poll = last_poll.map(|met| self.failure.get_or_init(|| met));
            let note = last_poll.map(|met| met.told.error_description.clone());
            self.end(&mut phase, |status| {
                status.state = LoginState::Expired;
                status.note = note.or(status.note.take());
            });
        }
    }

    /// Ends it with what went wrong.
    pub(in crate::login) fn fail(&self, failure: LoginFailure) {
        let mut phase = self.phase();
        if !matches!(*phase, Phase::Ended { .. }) {
            // Set before the status, whose change wakes the page; only this place sets it.
            let failure = self.failure.get_or_init(|| failure);
            self.end(&mut phase, |status| {
                status.state = LoginState::Failed;
                status.error = Some(failure.told.clone());
            });
        }
    }

    /// Ends it, and tells the history.
    pub(super) fn end(&self, phase: &mut Phase, change: impl FnOnce(&mut LoginStatus)) {
        *phase = Phase::Ended { at: self.clock.now() };
        self.status.send_modify(|status| {
            change(status);
            status.confirmation = None;
            let refused = *self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            if let (LoginState::Expired, Some(why)) = (status.state, refused) {
                status.note = Some(format!("An answer came but was not taken: {why}."));
            }
            // Before the change is seen: who sees it may ask why.
            let tried = tried::ended(self.clock.unix_now(), status, self.failure.get(), refused);
            self.history.add(&self.session, tried);
        });
        tracing::info!(session = %self.named(), state = ?self.status.borrow().state, "a login ended");
    }
}
