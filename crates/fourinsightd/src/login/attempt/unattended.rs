//! An attempt to which no browser comes back, and one that waits for no person.

use std::sync::Arc;

use fourinsight_ipc::message::LoginState;

use super::{Attempt, Inbox};
use crate::{
    authority::{
        discovery::Cache,
        revoke::{self, Revocable},
    },
    http::HttpExchange,
    login::{
        NewLogin, SignIn, failure,
        opener::{Opener, Turn},
    },
};

/// What an attempt that needs nobody was begun with.
pub(in crate::login) struct Begun {
    pub(in crate::login) original_key: Option<String>,
    /// The session is the client's own.
    pub(in crate::login) of_client: bool,
    /// What the profile's preset says about a wrong client.
    pub(in crate::login) help: Option<&'static str>,
}

impl Inbox {
    /// Says that nothing listens for this attempt, so that no later login waits for a port of it.
    pub(in crate::login) fn listens_nowhere(&self) {
        self.closed.send_replace(true);
    }
}

impl Attempt {
    /// Opens the session and signs it in. What the profile's preset says about a wrong client is said beside a refusal.
    pub(in crate::login) async fn open(
        self: Arc<Self>,
        opener: Opener,
        exchange: Arc<dyn HttpExchange>,
        servers: Arc<Cache>,
        sessions: Arc<dyn SignIn>,
        begun: Begun,
    ) {
        let Begun { original_key, of_client, help } = begun;
        let _guard = self.guard();
        self.hold_on(&*sessions);
        let turn = Turn::AtOnce(sessions.pace());
        let login = match opener.run(&*exchange, &servers, &self.clock, turn).await {
            Ok(login) => NewLogin { original_key, ..login },
            Err(why) => return self.fail(failure::client_credentials(&why).with_help(help)),
        };
        if !self.commit() {
            let token = Revocable::Access(&login.tokens.access_token);
            revoke::revoke(&*exchange, &login.registration, token, self.clock.unix_now()).await;
            return;
        }
        match sessions.sign_in(&self.session, login).await {
            Ok(()) => {
                if of_client {
                    sessions.keep_while_used(&self.session);
                }
                self.end(&mut self.phase(), |status| status.state = LoginState::Succeeded);
            }
            Err(error) => self.fail(error.into()),
        }
    }
}
