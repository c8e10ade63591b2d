//! Sessions that are a client's own: whoever brings the same client and secret to the same server, by the same profile and
//! for the same scopes, gets the same session, and nobody else does.
//!
//! Such a session is named by a keyed hash of all that. The key is drawn when the daemon starts and never leaves its
//! memory: a name tells nothing about the secret, and nobody can work one out.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use fourinsight_ipc::{
    ErrorBody, ErrorCode, SessionKey,
    message::{LoginRequest, LoginState, LoginStatus},
};
use ring::hmac;
use secrecy::ExposeSecret;

use super::{Known, Logins, Plan, attempt::Attempt, authorize, failure::LoginFailure};
use crate::{
    profile::{Flow, Profile, SecretSource},
    random,
};

/// Names the sessions of clients.
pub(super) struct Names(hmac::Key);

/// How much of the hash a name holds: more than anybody can meet with by chance.
const NAME_BYTES: usize = 20;

impl Default for Names {
    fn default() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &random::bytes::<32>()))
    }
}

impl Names {
    /// The session of a client: of its profile, which may ask for a token in its own way, token endpoint, identifier and
    /// secret. The order of scopes and resources says nothing.
    fn of(&self, client: [&str; 4], [scopes, resources]: [&[String]; 2]) -> SessionKey {
        let mut hash = hmac::Context::with_key(&self.0);
        // With its length before it, no part can pass for the end of one and the beginning of the next.
        let mut add = |part: &str| {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        };
        for part in client {
            add(part);
        }
        for list in [scopes, resources] {
            let mut list: Vec<_> = list.iter().map(String::as_str).collect();
            list.sort_unstable();
            list.dedup();
            add(&list.len().to_string());
            list.into_iter().for_each(&mut add);
        }
        let name = HEXLOWER.encode(&hash.sign().as_ref()[..NAME_BYTES]);
        SessionKey::new(&format!("client-{name}")).expect("letters, digits and a hyphen make a session key")
    }
}

/// What is known of a client's own session before it has its name: nothing. Refuses what does not go with one.
pub(super) fn check(request: &LoginRequest, profile: &Profile) -> Result<Known, ErrorBody> {
    let refused = |what: &str, next: &str| Err(ErrorBody::new(ErrorCode::InvalidRequest, what).hint(next));
    if profile.flow != Flow::ClientCredentials || request.client_id.is_none() || brought(profile).is_none() {
        return refused(
            "A client_session is opened by the flow client_credentials, with a client_id and client_secret of the request.",
            "bring both and name that flow, or leave client_session out",
        );
    }
    if request.session != SessionKey::default() || request.original_key.is_some() || request.until_logout {
        return refused(
            "A client_session is named by the daemon, and lasts for as long as it is used.",
            "leave out session, original_key and until_logout, or client_session",
        );
    }
    Ok(Known::default())
}

fn brought(profile: &Profile) -> Option<&str> {
    match &profile.client_secret {
        Some(SecretSource::Brought(brought)) => brought.secret().map(ExposeSecret::expose_secret),
        _ => None,
    }
}

impl Logins {
    /// Begins an attempt for a client's own session, unless that is open, or being opened, already.
    pub(super) async fn begin_of_client(&self, plan: Plan) -> Result<LoginStatus, LoginFailure> {
        let (registration, odd) = self.find_server(&plan.profile, &plan.wish).await?;
        let Profile { name, client_id, .. } = &plan.profile;
        let secret = brought(&plan.profile).unwrap_or_default();
        let client = [name, &*registration.token_endpoint, client_id, secret];
        let session = self.names.of(client, [&plan.wish.scopes, &plan.wish.resources]);
        let turn = self.turn.lock().await;
        let under_way = |attempt: &&Arc<Attempt>| attempt.session == session && attempt.is_pending();
        let same = self.attempts().values().find(under_way).map(Arc::clone);
        if let Some(attempt) = same {
            drop(turn);
            return Ok(Self::outcome(&attempt).await);
        }
        if !plan.wish.force && self.sessions.is_open(&session) {
            return Ok(self.open_already(session, &plan));
        }
        // Nobody but its own client asks for such a token, so it is not renewed while that is away.
        let profile = Profile { keep_alive: false, ..plan.profile };
        let plan = Plan { profile, ..plan };
        self.open_unattended(session, plan, (registration, odd), turn).await
    }

    fn open_already(&self, session: SessionKey, plan: &Plan) -> LoginStatus {
        let (id, now) = (authorize::random(16), self.clock.unix_now());
        let mut status = LoginStatus::pending(id, session, plan.profile.flow.name(), now);
        (status.state, status.lifetime) = (LoginState::Succeeded, plan.wish.lifetime);
        status.note.clone_from(&plan.note);
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_client_counts_and_the_order_of_its_scopes_does_not() {
        let names = Names::default();
        let list = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let name = |client: [&str; 4], scopes: &str, resources: &[String]| {
            names.of(client, [&list(scopes), resources])
        };
        let client = ["profile", "https://a/token", "id", "secret"];
        let first = name(client, "one two", &[]);
        assert_eq!(first, name(client, "two one two", &[]));
        assert!(first.as_str().starts_with("client-") && first.as_str().len() == 47, "{first}");
        let others = [
            name(["other", "https://a/token", "id", "secret"], "one two", &[]),
            name(["profile", "https://b/token", "id", "secret"], "one two", &[]),
            name(["profile", "https://a/token", "ids", "ecret"], "one two", &[]),
            name(["profile", "https://a/token", "id", "secreT"], "one two", &[]),
            name(client, "one", &[]),
            name(client, "onetwo", &[]),
            name(client, "one", &["two".to_owned()]),
            Names::default().of(client, [&list("one two"), &[]]),
        ];
        let different: std::collections::BTreeSet<_> = others.iter().chain([&first]).collect();
        assert_eq!(different.len(), others.len() + 1);
    }
}
