//! From an attempt's answer to tokens and the person they belong to (RFC 6749 section 4).

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{
    Known, NewLogin, SignIn,
    callback::Answer,
    failure::{self, LoginFailure},
};
use crate::{
    authority::{
        Outcome, Registration, grant, id_token,
        response::{self, Expected, RawAnswer},
        revoke::{self, Revocable},
    },
    clock::Clock,
    http::HttpExchange,
    token::TokenSet,
};

/// What redeeming needs beside the answer. Only the attempt's task holds it.
pub(super) struct Redemption {
    pub(super) exchange: Arc<dyn HttpExchange>,
    pub(super) sessions: Arc<dyn SignIn>,
    /// What the session was signed in with before.
    pub(super) known: Known,
    pub(super) profile: String,
    pub(super) registration: Registration,
    pub(super) code_verifier: Option<SecretString>,
    pub(super) nonce: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) refresh_idle: Option<u64>,
    pub(super) keep_alive: bool,
}

impl Redemption {
    /// Redeems the answer, and asks who signed in where the server's words do not say.
    pub(super) async fn redeem(
        &self,
        answer: &Answer,
        redirect_uri: &str,
        clock: &Clock,
    ) -> Result<NewLogin, LoginFailure> {
        let exchange = &*self.exchange;
        let mut registration = self.registration.clone();
        if let Answer::Package { endpoint, .. } = answer {
            registration.token_endpoint = endpoint.url().unwrap_or_default();
            registration.pinned_endpoint = Some(endpoint.clone());
        }
        let registration = &registration;
        let obtained_at = clock.now();
        let answer = self.ask(answer, registration, redirect_uri).await?;
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
        })
    }

    /// The server's raw answer; the implicit grant has brought it already.
    async fn ask(
        &self,
        answer: &Answer,
        registration: &Registration,
        redirect_uri: &str,
    ) -> Result<RawAnswer, LoginFailure> {
        let (exchange, resources) = (&*self.exchange, &self.resources);
        let answer = match answer {
            Answer::Error(error) => return Err(failure::authorization(error)),
            Answer::Code(code) => {
                let Some(verifier) = &self.code_verifier else { return Err(failure::broken().into()) };
                grant::redeem_code(exchange, registration, code, verifier, redirect_uri, resources).await
            }
            Answer::Package { code, .. } => grant::redeem_packaged_code(exchange, registration, code).await,
            Answer::Password { username, password } => {
                let scopes = &self.scopes;
                grant::redeem_password(exchange, registration, username, password, scopes, resources).await
            }
            Answer::Token(form) => Ok(RawAnswer {
                status: 200,
                content_type: Some("application/x-www-form-urlencoded".to_owned()),
                date: None,
                retry_after: None,
                body: Zeroizing::new(form.expose_secret().as_bytes().to_vec()),
            }),
        };
        answer.map_err(|retry| failure::retry(&retry))
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
