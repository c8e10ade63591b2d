//! Logins without a person: the client signs in as itself (RFC 6749 section 4.4), by its secret or by its key.

use std::{sync::Arc, time::Duration};

use fourinsight_ipc::{
    ErrorBody, ErrorCode, SessionKey,
    message::{LoginRequest, LoginState, LoginStatus},
};
use tokio::sync::MutexGuard;

use super::{
    Logins, Plan,
    attempt::{self, Attempt, Begun},
    authorize,
    awaits::Awaits,
    failure::LoginFailure,
    opener::Opener,
};
use crate::{
    authority::Registration,
    profile::{Assertion, Brought, ClientAuth, Flow, Profile, SecretSource},
};

/// How long the answer to a request waits for the outcome.
const WAIT: Duration = Duration::from_secs(5);

/// Puts what the request brings into the profile.
pub(super) fn bring(request: &LoginRequest, profile: &mut Profile) -> Result<(), ErrorBody> {
    let invalid = |what: &str, next: &str| Err(ErrorBody::new(ErrorCode::InvalidRequest, what).hint(next));
    let brings = request.client_id.is_some() || request.client_secret.is_some();
    if profile.flow != Flow::ClientCredentials {
        return match brings {
            _ if profile.client_id.is_empty() => {
                invalid("The profile has no client_id.", "add it to the profile, or log in by its own flow")
            }
            true => invalid(
                "Only the flow client_credentials takes a client_id and a client_secret.",
                "leave them out, or log in by that flow",
            ),
            _ if profile.flow == Flow::Certificate && !profile.assertion.has_certificate() => invalid(
                "The flow certificate needs a client certificate and its key.",
                "add client_certificate and client_key to the profile",
            ),
            false => Ok(()),
        };
    }
    match (&request.client_id, &request.client_secret) {
        // The secret in the configuration is for the client that is named beside it.
        (Some(_), None) => {
            return invalid(
                "A client_id was brought without its client_secret.",
                "bring both, or neither and let the profile say them",
            );
        }
        (_, Some(_)) if profile.client_auth.each().contains(&Some(ClientAuth::PrivateKeyJwt)) => {
            return invalid(
                "A client_secret was brought, but the profile proves its client by private_key_jwt.",
                "leave it out, or use a profile without that client_auth",
            );
        }
        (client_id, Some(secret)) => {
            // The key in the configuration is for the client that is named beside it.
            profile.assertion = Assertion::default();
            if let Some(client_id) = client_id {
                profile.client_id.clone_from(client_id);
            }
            profile.client_secret = Some(SecretSource::Brought(Brought::new(secret.clone())));
        }
        (None, None) => {}
    }
    let printable = profile.client_id.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if profile.client_id.is_empty() || !printable {
        return invalid(
            "The flow client_credentials needs a client_id in printable ASCII.",
            "add client_id to the profile, or bring it with its client_secret",
        );
    }
    if !profile.can_sign_in_as_itself() {
        return invalid(
            "The flow client_credentials needs a client secret, key or assertion.",
            "add client_secret, client_key or client_assertion to the profile, or bring a secret with \
             --client-secret-stdin",
        );
    }
    Ok(())
}

impl Logins {
    /// Begins an attempt that needs nobody, and waits a few seconds for its end.
    pub(super) async fn begin_unattended(
        &self,
        session: SessionKey,
        plan: Plan,
    ) -> Result<LoginStatus, LoginFailure> {
        let found = self.discover(&session, &plan.profile, &plan.wish).await?;
        let turn = self.turn.lock().await;
        self.open_unattended(session, plan, found, turn).await
    }

    /// The same at a server that has been found, by whose turn it is.
    pub(super) async fn open_unattended(
        &self,
        session: SessionKey,
        plan: Plan,
        (registration, odd): (Registration, Option<String>),
        turn: MutexGuard<'_, ()>,
    ) -> Result<LoginStatus, LoginFailure> {
        let Plan { profile, wish, note } = plan;
        self.make_room(&session, 0).await?;
        let mut status = LoginStatus::pending(authorize::random(16), session, profile.flow.name(), 0);
        (status.warning, status.note, status.lifetime) = (odd, note, wish.lifetime);
        let (name, clock, help) = (profile.name.clone(), self.clock.clone(), profile.help);
        let deadline = clock.now() + attempt::LIFE;
        let (attempt, inbox) = Attempt::new(
            clock,
            name,
            deadline,
            Awaits::Nothing,
            String::new(),
            status,
            self.sessions.history(),
        );
        let opener =
            Opener::found(profile.name, registration, wish.scopes, wish.resources, profile.keep_alive)
                .lasting(wish.lifetime);
        inbox.listens_nowhere();
        self.enter(&attempt);
        drop(turn);
        let (exchange, sessions) = (Arc::clone(&self.exchange), Arc::clone(&self.sessions));
        let servers = Arc::clone(&self.servers);
        let begun = Begun { original_key: wish.original_key, of_client: wish.of_client, help };
        let opening = Arc::clone(&attempt).open(opener, exchange, servers, sessions, begun);
        tokio::spawn(opening);
        Ok(Self::outcome(&attempt).await)
    }

    /// How an attempt ends that needs nobody; or how it stands, if that takes long.
    pub(super) async fn outcome(attempt: &Attempt) -> LoginStatus {
        let mut changes = attempt.watch();
        let ended = changes.wait_for(|status| status.state != LoginState::Pending);
        // Still pending after that: the caller goes on asking.
        let _ = tokio::time::timeout(WAIT, ended).await;
        attempt.status()
    }
}
