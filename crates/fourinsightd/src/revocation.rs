//! Revoking a session's tokens at the server: the refresh token first, then the access tokens (RFC 7009).

use fourinsight_ipc::{
    SessionKey,
    message::{Revocation, RevokeResponse},
};

use crate::{
    authority::{
        Failure, Registration,
        revoke::{Revocable, Revoked, revoke as tell},
    },
    clock::{Clock, Timestamp},
    http::HttpExchange,
    session::schedule,
    token::{AccessToken, Expiry, RefreshToken, TokenSet},
};

/// What is to be revoked.
pub(crate) struct Tokens {
    refresh_token: Option<RefreshToken>,
    access_tokens: Vec<(AccessToken, Expiry)>,
}

impl Tokens {
    /// A session's tokens.
    pub(crate) fn of(refresh_token: Option<&RefreshToken>, access_tokens: &[(AccessToken, Expiry)]) -> Self {
        Self { refresh_token: refresh_token.cloned(), access_tokens: access_tokens.to_vec() }
    }

    /// The tokens of an answer that nobody will use; it has just arrived.
    pub(crate) fn of_answer(tokens: TokenSet, now: Timestamp) -> Self {
        let expiry = schedule::expiry(tokens.lifetime, now, false);
        Self { refresh_token: tokens.refresh_token, access_tokens: vec![(tokens.access_token, expiry)] }
    }
}

/// What came of a revocation.
pub(crate) struct Ended {
    /// For who asked for it.
    pub(crate) response: RevokeResponse,
    /// Why the server has not been told.
    pub(crate) failure: Option<Failure>,
}

/// Tells the server to forget the tokens, and reports what came of it.
pub(crate) async fn revoke(
    exchange: &dyn HttpExchange,
    registration: Option<&Registration>,
    tokens: Tokens,
    session: SessionKey,
    clock: &Clock,
) -> Ended {
    let now = clock.now();
    let living = |expiry: &Expiry| match expiry {
        Expiry::At { at, .. } => (*at > now).then_some(Some(*at)),
        Expiry::Unknown => Some(None),
    };
    let ends: Vec<Option<Timestamp>> =
        tokens.access_tokens.iter().filter_map(|(_, expiry)| living(expiry)).collect();
    let live_until = ends.iter().copied().flatten().max().map(|end| clock.to_unix(end));
    let (revocation, description, failure) = match registration {
        Some(registration) => at_server(exchange, registration, &tokens, &living, clock).await,
        None => (Revocation::Revoked, "nobody was signed in; there was nothing to revoke".to_owned(), None),
    };
    let response = RevokeResponse {
        session,
        revocation,
        description,
        access_tokens_live_until: live_until,
        others: Vec::new(),
    };
    Ended { response, failure }
}

async fn at_server(
    exchange: &dyn HttpExchange,
    registration: &Registration,
    tokens: &Tokens,
    living: &(impl Fn(&Expiry) -> Option<Option<Timestamp>> + Sync),
    clock: &Clock,
) -> (Revocation, String, Option<Failure>) {
    let refresh = tokens.refresh_token.iter().map(Revocable::Refresh);
    let access = tokens.access_tokens.iter().filter(|(_, expiry)| living(expiry).is_some());
    let mut told = false;
    for token in refresh.chain(access.map(|(token, _)| Revocable::Access(token))) {
        match tell(exchange, registration, token, clock.unix_now()).await {
            Revoked::Revoked => told = true,
            Revoked::Unsupported => {
                let text = "forgotten here; the server has no revocation endpoint, so it was not told";
                let failure =
                    Failure::ours("revocation_unsupported", "the server has no revocation endpoint");
                return (Revocation::Unsupported, text.into(), Some(failure));
            }
            // The refresh token is gone; what is left ends by itself, and the answer says when.
            Revoked::Failed(_) if told => break,
            Revoked::Failed(failure) => {
                // A refusal's code may stand alone.
                let why = if failure.description.is_empty() { &failure.error } else { &failure.description };
                let text = format!("forgotten here, but not revoked: {why}");
                return (Revocation::Failed, text, Some(failure));
            }
        }
    }
    let text = if told {
        "revoked at the server and forgotten here"
    } else {
        "forgotten here; no token was left to revoke"
    };
    (Revocation::Revoked, text.into(), None)
}
