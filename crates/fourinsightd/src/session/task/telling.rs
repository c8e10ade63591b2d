//! What a session's task tells the server to forget.

use std::sync::Arc;

use super::{Finished, Task};
use crate::{
    fault,
    revocation::{self, Tokens},
    session::state::Phase,
    token::TokenSet,
};

impl Task {
    pub(super) fn revoke(&mut self) {
        let Phase::Revoking(revoking) = &self.state.phase else { return };
        fault::point("revocation_begun");
        let tokens = Tokens::of(revoking.refresh_token.as_ref(), &revoking.access_tokens);
        let (session, login) = (self.key.clone(), self.login.clone());
        let environment = Arc::clone(&self.environment);
        self.work = Some(Box::pin(async move {
            let registration = login.as_ref().map(|login| &*login.registration);
            let ended =
                revocation::revoke(&*environment.exchange, registration, tokens, session, &environment.clock)
                    .await;
            Box::new(Finished::Revoked(ended))
        }));
    }

    /// Best effort, apart from the session's own conversation. The tokens go back to the server that issued them.
    pub(super) fn discard(&self, tokens: TokenSet) {
        let Some(login) = self.redeeming.clone().or_else(|| self.login.clone()) else { return };
        let (session, environment) = (self.key.clone(), Arc::clone(&self.environment));
        tokio::spawn(async move {
            let tokens = Tokens::of_answer(tokens, environment.clock.now());
            let registration = Some(&*login.registration);
            revocation::revoke(&*environment.exchange, registration, tokens, session, &environment.clock)
                .await;
        });
    }
}
