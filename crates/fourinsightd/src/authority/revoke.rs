//! Tells the server to forget a token (RFC 7009).

use std::time::Duration;

use super::{
    Failure, Registration,
    request::{self, Form},
    response::ErrorAnswer,
};
use crate::{
    http::HttpExchange,
    profile::RequestKind,
    token::{AccessToken, RefreshToken},
};

/// How long a revocation may take.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);

/// What came of a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The server no longer honours the token, or never will again.
    Revoked,
    /// The server has no revocation endpoint.
    Unsupported,
    /// The server refused, or could not be reached.
    Failed(Failure),
}

/// A token that can be revoked.
#[derive(Clone, Copy, Debug)]
pub enum Revocable<'a> {
    /// With it, most servers revoke all that came from the same grant.
    Refresh(&'a RefreshToken),
    /// Alone, where the server does not do so by itself.
    Access(&'a AccessToken),
}

/// Revokes a token. The time is the wall clock's, in Unix seconds.
///
/// A server that cannot revoke this type of token, or does not know the token any more, counts as success: nothing
/// is left to be done there.
pub async fn revoke(
    exchange: &dyn HttpExchange,
    registration: &Registration,
    token: Revocable<'_>,
    unix_now: i64,
) -> Revoked {
    let Some(endpoint) = &registration.revocation_endpoint else {
        return Revoked::Unsupported;
    };
    let (hint, secret) = match token {
        Revocable::Refresh(token) => ("refresh_token", token.expose()),
        Revocable::Access(token) => ("access_token", token.expose()),
    };
    let mut form = Form::default();
    form.push("token", secret);
    form.push("token_type_hint", hint);
    let extra = &registration.revoke_params;
    match request::post(exchange, registration, RequestKind::Revoke, endpoint, form, extra, unix_now).await {
        Ok(response) if (200..300).contains(&response.status) => Revoked::Revoked,
        Ok(response) => {
            let answer = ErrorAnswer::read(&response.body);
            match answer.as_ref().map(|answer| answer.error.as_str()) {
                Some("unsupported_token_type" | "invalid_token")
                    if (400..=403).contains(&response.status) =>
                {
                    Revoked::Revoked
                }
                _ => Revoked::Failed(ErrorAnswer::failure(answer.as_ref(), response.status)),
            }
        }
        Err(retry) => Revoked::Failed(retry.failure),
    }
}

#[cfg(test)]
mod tests;
