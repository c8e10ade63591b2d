//! From an authorization code (RFC 6749 section 4.1.3), or from tokens already granted, to a login and its person.

use std::sync::Arc;

use secrecy::SecretString;

use super::{
    NewLogin, SignIn,
    failure::{self, LoginFailure},
};
use crate::{
    authority::{
        Outcome, Registration, grant, id_token,
        response::{self, Expected, RawAnswer},
        revoke::{self, Revocable},
    },
    clock::{Clock, Timestamp},
    http::HttpExchange,
    token::TokenSet,
};

/// What turns a grant into a login. Only the attempt's task holds it.
pub(super) struct Redemption {
    pub(super) exchange: Arc<dyn HttpExchange>,
    pub(super) sessions: Arc<dyn SignIn>,
    pub(super) profile: String,
    pub(super) registration: Registration,
    pub(super) scopes: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) refresh_idle: Option<u64>,
    pub(super) keep_alive: bool,
}

/// What proves that a code is this attempt's, and what its answer must say.
pub(super) struct Proof {
    pub(super) redirect_uri: String,
    pub(super) code_verifier: SecretString,
    pub(super) nonce: Option<String>,
}

impl Redemption {
    /// Redeems the code, and asks who signed in where the answer does not say.
    pub(super) async fn redeem(
        &self,
        code: &SecretString,
        proof: &Proof,
        clock: &Clock,
    ) -> Result<NewLogin, LoginFailure> {
        let (exchange, registration) = (&*self.exchange, &self.registration);
        let obtained_at = clock.now();
        let answer = grant::redeem_code(
            exchange,
            registration,
            code,
            &proof.code_verifier,
            &proof.redirect_uri,
            &self.resources,
        )
        .await
        .map_err(|retry| failure::retry(&retry))?;
        let expected = Expected::Login { nonce: proof.nonce.as_deref() };
        let tokens = match response::judge(&answer, registration, expected, clock.unix_now()) {
            Outcome::Granted(tokens) => *tokens,
            Outcome::Retry(retry) => return Err(failure::retry(&retry)),
            Outcome::Refused(refusal) => {
                self.give_back_refused(&answer, clock).await;
                return Err(failure::refusal(&refusal));
            }
        };
        Ok(self.accept(tokens, obtained_at).await)
    }

    /// Makes a login of what was granted, and asks who signed in where the answer did not say.
    pub(super) async fn accept(&self, mut tokens: TokenSet, obtained_at: Timestamp) -> NewLogin {
        let (exchange, registration) = (&*self.exchange, &self.registration);
        for warning in &tokens.warnings {
            tracing::warn!(profile = self.profile, warning, "the server's answer to a login is odd");
        }
        if tokens.person.is_none() {
            tokens.person = id_token::userinfo(exchange, registration, &tokens.access_token, None).await;
        }
        NewLogin {
            profile: self.profile.clone(),
            registration: registration.clone(),
            scopes: self.scopes.clone(),
            resources: self.resources.clone(),
            tokens,
            obtained_at,
            refresh_idle: self.refresh_idle,
            keep_alive: self.keep_alive,
            by_client_credentials: false,
        }
    }

    /// What is refused here may have been granted all the same: an ID token that proves nobody.
    pub(super) async fn give_back_refused(&self, answer: &RawAnswer, clock: &Clock) {
        let without_proof = Expected::Refresh { person: None };
        if let Outcome::Granted(tokens) =
            response::judge(answer, &self.registration, without_proof, clock.unix_now())
        {
            self.give_back(&tokens).await;
        }
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
