//! An attempt that waits for no person: it begins where others get their answer.

use std::sync::Arc;

use fourinsight_ipc::message::LoginState;

use super::{Attempt, EndGuard, Phase};
use crate::{
    authority::revoke::{self, Revocable},
    http::HttpExchange,
    login::{SignIn, failure, opener::Opener},
};

impl Attempt {
    /// Opens the session and signs it in.
    pub(in crate::login) async fn open(
        self: Arc<Self>,
        opener: Opener,
        exchange: Arc<dyn HttpExchange>,
        sessions: Arc<dyn SignIn>,
    ) {
        let _guard = EndGuard(&self);
        if !self.begin() {
            return;
        }
        let login = match opener.run(&*exchange, &self.clock).await {
            Ok(login) => login,
            Err(why) => return self.fail(failure::client_credentials(&why)),
        };
        if !self.commit() {
            let token = Revocable::Access(&login.tokens.access_token);
            revoke::revoke(&*exchange, &login.registration, token).await;
            return;
        }
        match sessions.sign_in(&self.session, login).await {
            Ok(()) => self.end(&mut self.phase(), |status| status.state = LoginState::Succeeded),
            Err(error) => self.fail(error.into()),
        }
    }

    /// From here on nobody's answer is waited for; false when the attempt has been cancelled already.
    fn begin(&self) -> bool {
        let mut phase = self.phase();
        let waiting = matches!(*phase, Phase::Waiting(_));
        if waiting {
            *phase = Phase::Redeeming;
        }
        waiting
    }
}
