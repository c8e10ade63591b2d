//! From an authorization code to tokens and the person they belong to (RFC 6749 section 4.1.3).

use std::sync::Arc;

use secrecy::SecretString;

use super::{
    NewLogin, SignIn,
    failure::{self, LoginFailure},
};
use crate::{
    authority::{
        Outcome, Registration, grant, id_token,
        response::{self, Expected},
        revoke::{self, Revocable},
    },
    clock::Clock,
    http::HttpExchange,
    token::TokenSet,
};

/// What redeeming needs beside the code. Only the attempt's task holds it.
pub(super) struct Redemption {
    pub(super) exchange: Arc<dyn HttpExchange>,
    pub(super) sessions: Arc<dyn SignIn>,
    pub(super) profile: String,
    pub(super) registration: Registration,
    pub(super) code_verifier: SecretString,
    pub(super) nonce: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) refresh_idle: Option<u64>,
    pub(super) keep_alive: bool,
}

impl Redemption {
    /// Redeems the code, and asks who signed in where the answer does not say.
    pub(super) async fn redeem(
        &self,
        code: &SecretString,
        redirect_uri: &str,
        clock: &Clock,
    ) -> Result<NewLogin, LoginFailure> {
        let (exchange, registration) = (&*self.exchange, &self.registration);
        let obtained_at = clock.now();
        let answer = grant::redeem_code(
            exchange,
            registration,
            code,
            &self.code_verifier,
            redirect_uri,
            &self.resources,
        )
        .await
        .map_err(|retry| failure::retry(&retry))?;
        let expected = Expected::Login { nonce: self.nonce.as_deref() };
        let mut tokens = match response::judge(&answer, registration, expected, clock.unix_now()) {
            Outcome::Granted(tokens) => *tokens,
            Outcome::Retry(retry) => return Err(failure::retry(&retry)),
            Outcome::Refused(refusal) => {
                // What is refused here may have been granted all the same: an ID token that proves nobody.
                let without_proof = Expected::Refresh { person: None };
                if let Outcome::Granted(tokens) =
                    response::judge(&answer, registration, without_proof, clock.unix_now())
                {
                    self.give_back(&tokens).await;
                }
                return Err(failure::refusal(&refusal));
            }
        };
        for warning in &tokens.warnings {
            tracing::warn!(profile = self.profile, warning, "the server's answer to a login is odd");
        }
        if tokens.person.is_none() {
            tokens.person = id_token::userinfo(exchange, registration, &tokens.access_token, None).await;
        }
        Ok(NewLogin {
            profile: self.profile.clone(),
            registration: registration.clone(),
            scopes: self.scopes.clone(),
            resources: self.resources.clone(),
            tokens,
            obtained_at,
            refresh_idle: self.refresh_idle,
            keep_alive: self.keep_alive,
            by_client_credentials: false,
        })
    }

    /// Revokes tokens that nobody will use. A server that does not answer changes nothing.
    pub(super) async fn give_back(&self, tokens: &TokenSet) {
        let token = match &tokens.refresh_token {
            Some(token) => Revocable::Refresh(token),
            None => Revocable::Access(&tokens.access_token),
        };
        revoke::revoke(&*self.exchange, &self.registration, token).await;
    }
}
