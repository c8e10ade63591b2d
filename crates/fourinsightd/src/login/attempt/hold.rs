//! A daemon that stops waits for a login whose tokens are on their way: a code is spent by being sent. It does not wait
//! for a person.

use std::sync::PoisonError;

use super::Attempt;
use crate::{holds::Hold, login::SignIn};

impl Attempt {
    /// Something is about to be sent that the server answers with tokens.
    pub(in crate::login) fn hold_on(&self, sessions: &dyn SignIn) {
        self.set_hold(sessions.hold());
    }

    /// Nothing is on its way, or it is a person's turn.
    pub(in crate::login) fn let_go(&self) {
        self.set_hold(Hold::default());
    }

    fn set_hold(&self, hold: Hold) {
        let mut place = self.hold.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *place, hold);
        drop(place);
        drop(before);
    }
}
