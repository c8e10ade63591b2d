//! From an attempt's answer (RFC 6749 section 4), or from tokens already granted, to a login and its person.

use std::sync::Arc;

use fourinsight_ipc::message::Lifetime;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{
    Known, NewLogin, SignIn,
    callback::Answer,
    failure::{self, LoginFailure},
};
use crate::{
    authority::{
        Outcome, Registration, discovery, grant, id_token, issuer,
        response::{self, Expected, RawAnswer},
        revoke::{self, Revocable},
        step_up::StepUp,
    },
    clock::{Clock, Timestamp},
    http::HttpExchange,
    token::TokenSet,
};

/// What turns a grant into a login. Only the attempt's task holds it.
pub(super) struct Redemption {
    pub(super) exchange: Arc<dyn HttpExchange>,
    pub(super) sessions: Arc<dyn SignIn>,
    /// What is known of servers.
    pub(super) servers: Arc<discovery::Cache>,
    pub(super) profile: String,
    pub(super) registration: Registration,
    pub(super) scopes: Vec<String>,
    pub(super) resources: Vec<String>,
    /// What is wanted of this login beyond that. How the person signed in is for the API to judge that wants it.
    pub(super) step_up: Option<StepUp>,
    /// Another person than the session had is welcome.
    pub(super) switch_user: bool,
    pub(super) original_key: Option<String>,
    pub(super) refresh_idle: Option<u64>,
    pub(super) keep_alive: bool,
    pub(super) lifetime: Lifetime,
}

/// What proves that an answer is this attempt's, and what the server and the person must say to it.
#[derive(Default)]
pub(super) struct Proof {
    pub(super) redirect_uri: String,
    /// What a code is exchanged with, where the authorization request carried a challenge.
    pub(super) code_verifier: Option<SecretString>,
    pub(super) nonce: Option<String>,
    /// What the session was signed in with before: a tenant confirmed then is not asked about again.
    pub(super) known: Known,
}

impl Redemption {
    /// Takes the token endpoint that a package named, and that is allowed.
    pub(super) fn pin(&mut self, answer: &Answer) {
        if let Answer::Package { endpoint, .. } = answer {
            self.registration.token_endpoint = endpoint.url().unwrap_or_default();
            self.registration.pinned_endpoint = Some(endpoint.clone());
        }
    }

    /// Redeems the answer, and asks who signed in where the server's words do not say.
    pub(super) async fn redeem(
        &self,
        answer: &Answer,
        proof: &Proof,
        clock: &Clock,
    ) -> Result<NewLogin, LoginFailure> {
        let registration = &self.registration;
        let (pace, endpoint) = (self.sessions.pace(), &registration.token_endpoint);
        let obtained_at = clock.now();
        let answer = self.ask(answer, proof, clock.unix_now()).await?;
        let expected = Expected::Login { nonce: proof.nonce.as_deref() };
        let outcome = response::judge(&answer, registration, expected, clock.unix_now());
        pace.note(endpoint, &outcome);
        let tokens = match outcome {
            Outcome::Granted(tokens) => *tokens,
            Outcome::Retry(retry) => {
                self.distrust();
                return Err(failure::retry(&retry));
            }
            Outcome::Refused(refusal) => {
                self.give_back_refused(&answer, clock).await;
                return Err(failure::refusal(&refusal));
            }
        };
        Ok(self.accept(tokens, obtained_at).await)
    }

    /// What the tokens are for.
    pub(super) fn wanted(&self) -> grant::Wanted<'_> {
        let claims = self.step_up.as_ref().and_then(|step_up| step_up.claims.as_ref());
        grant::Wanted { resources: &self.resources, claims }
    }

    /// The server's raw answer; the implicit grant has brought it already.
    async fn ask(&self, answer: &Answer, proof: &Proof, unix_now: i64) -> Result<RawAnswer, LoginFailure> {
        let (exchange, registration, resources) = (&*self.exchange, &self.registration, &self.resources);
        if !matches!(answer, Answer::Error(_) | Answer::Token(_)) {
            self.sessions.pace().go_ahead(&registration.token_endpoint);
        }
        let answer = match answer {
            Answer::Error(error) => return Err(failure::authorization(error)),
            Answer::Code(code) => {
                let Some(verifier) = &proof.code_verifier else { return Err(failure::broken().into()) };
                let redirect_uri = &proof.redirect_uri;
                let wanted = self.wanted();
                grant::redeem_code(exchange, registration, code, verifier, redirect_uri, wanted, unix_now)
                    .await
            }
            Answer::Package { code, .. } => {
                grant::redeem_packaged_code(exchange, registration, code, unix_now).await
            }
            Answer::Password { username, password } => {
                let scopes = &self.scopes;
                grant::redeem_password(
                    exchange,
                    registration,
                    username,
                    password,
                    scopes,
                    resources,
                    unix_now,
                )
                .await
            }
            Answer::Token(form) => Ok(RawAnswer {
                status: 200,
                content_type: Some("application/x-www-form-urlencoded".to_owned()),
                date: None,
                retry_after: None,
                body: Zeroizing::new(form.expose_secret().as_bytes().to_vec()),
            }),
        };
        answer.map_err(|retry| {
            self.distrust();
            failure::retry(&retry)
        })
    }

    /// Has the next login ask the server anew where its endpoints are: this one was not served there.
    pub(super) fn distrust(&self) {
        self.servers.forget(&self.registration);
    }

    /// Makes a login of what was granted, and asks who signed in where the answer did not say.
    pub(super) async fn accept(&self, mut tokens: TokenSet, obtained_at: Timestamp) -> NewLogin {
        let exchange = &*self.exchange;
        let mut registration = self.registration.clone();
        for warning in &tokens.warnings {
            tracing::warn!(profile = self.profile, warning, "the server's answer to a login is odd");
        }
        match &tokens.person {
            Some(person) => issuer::pin(&mut registration, person),
            None => {
                tokens.person = id_token::userinfo(exchange, &registration, &tokens.access_token, None).await;
            }
        }
        NewLogin {
            profile: self.profile.clone(),
            registration,
            scopes: self.scopes.clone(),
            resources: self.resources.clone(),
            tokens,
            obtained_at,
            refresh_idle: self.refresh_idle,
            keep_alive: self.keep_alive,
            by_client_credentials: false,
            original_key: self.original_key.clone(),
            lifetime: self.lifetime,
        }
    }

    /// What is refused here may have been granted all the same: an ID token that proves nobody.
    pub(super) async fn give_back_refused(&self, answer: &RawAnswer, clock: &Clock) {
        let without_proof = Expected::Refresh { person: None };
        if let Outcome::Granted(tokens) =
            response::judge(answer, &self.registration, without_proof, clock.unix_now())
        {
            self.give_back(&tokens, clock).await;
        }
    }

    /// Revokes tokens that nobody will use. A server that does not answer changes nothing.
    pub(super) async fn give_back(&self, tokens: &TokenSet, clock: &Clock) {
        let token = match &tokens.refresh_token {
            Some(token) => Revocable::Refresh(token),
            None => Revocable::Access(&tokens.access_token),
        };
        revoke::revoke(&*self.exchange, &self.registration, token, clock.unix_now()).await;
    }
}
