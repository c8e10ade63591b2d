//! Sessions that the client's own credentials open and renew.

use std::{future::Future, pin::Pin, sync::Arc};

use fourinsight_ipc::message::Action;

use super::{Environment, Task};
use crate::{
    authority::{Refusal, Retry, client_credentials},
    login::{NewLogin, NotOpened, Opener, Turn, is_brought},
    session::{Opened, demand::Demand, event::Event, redeem::Redeemed, state::Phase},
    token::TokenKey,
};

/// A session that is being opened. What came of it is boxed, because every session's loop sets aside room for it.
pub(super) type Opening = Pin<Box<dyn Future<Output = Box<Result<NewLogin, NotOpened>>> + Send>>;

impl Task {
    /// Has the session opened as the configuration says now. One that is open keeps serving meanwhile.
    pub(super) async fn open(&mut self, opener: Opener) -> Opened {
        let same = self.opener.as_deref() == Some(&opener);
        match &self.state.phase {
            Phase::SignedIn(session)
                if !session.by_client_credentials() || self.in_memory() || self.secret_was_brought() =>
            {
                return Opened::Taken;
            }
            Phase::SignedIn(session) if same && session.backoff.is_none() => return Opened::Already,
            Phase::Opening(opening) if same && opening.backoff.is_none() => return Opened::Already,
            Phase::SignedIn(_) => {
                self.opener = Some(Arc::new(opener));
                self.start_opening();
            }
            _ => {
                let profile = opener.profile().to_owned();
                (self.opener, self.opening) = (Some(Arc::new(opener)), None);
                self.handle(Event::Open { profile }).await;
            }
        }
        Opened::Begun
    }

    /// Begins an attempt at the server.
    pub(super) fn start_opening(&mut self) {
        let Some(opener) = self.opener.clone() else { return };
        let environment = Arc::clone(&self.environment);
        self.opening = Some(Box::pin(async move {
            let Environment { exchange, servers, clock, pace, .. } = &*environment;
            Box::new(opener.run(&**exchange, servers, clock, Turn::InLine(pace)).await)
        }));
    }

    /// An attempt has ended.
    pub(super) async fn opened(&mut self, opened: Box<Result<NewLogin, NotOpened>>) {
        self.opening = None;
        self.remember_opening(&opened);
        match *opened {
            Ok(login) => self.sign_in(login).await,
            Err(why) if matches!(self.state.phase, Phase::Opening(_)) => {
                self.handle(Event::NotOpened(why)).await;
            }
            Err(
                NotOpened::Undecided(Retry { failure, .. }) | NotOpened::Refused(Refusal { failure, .. }),
            ) => {
                tracing::error!(session = %self.named(), error = %failure.error,
                    "the session goes on as it was opened before, because its changed profile does not work: {}",
                    failure.description);
                // Reading the configuration again tries again.
                self.opener = None;
            }
        }
    }

    /// Asks for the next token of this key; nothing is spent, so nothing is journalled.
    pub(super) fn redeem_client_credentials(&mut self, key: TokenKey, attempt: u64, demand: Option<&Demand>) {
        let Some(login) = self.login.clone() else { return };
        self.redeeming = Some(Arc::clone(&login));
        let claims = Demand::claims(demand, &login.registration);
        let environment = Arc::clone(&self.environment);
        self.in_turn(Action::ClientCredentials, attempt, move |permit| async move {
            permit.send();
            let obtained_at = environment.clock.now();
            let unix_now = environment.clock.unix_now();
            let own = key == login.own_key();
            tracing::trace!(own, "redeeming the client credentials");
            // What the login asked for is asked for in its words; a key has lost their order, and some of them.
            let (scopes, resources): (Vec<&str>, Vec<&str>) = if own {
                (
                    login.scopes.iter().map(String::as_str).collect(),
                    login.resources.iter().map(String::as_str).collect(),
                )
            } else {
                (key.scopes().collect(), key.resources().collect())
            };
            let (exchange, registration) = (&*environment.exchange, &login.registration);
            let outcome = client_credentials::redeem(
                exchange,
                registration,
                scopes,
                resources,
                claims.as_ref(),
                unix_now,
            )
            .await;
            Redeemed { outcome, obtained_at, journalled: false }
        });
    }

    fn secret_was_brought(&self) -> bool {
        self.login.as_ref().is_some_and(|login| is_brought(&login.registration))
    }
}
