//! What came of revoking a session.

use serde::{Deserialize, Serialize};

use crate::SessionKey;

/// `200` of `DELETE /v1/sessions/{key}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevokeResponse {
    /// The session that is gone.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub session: SessionKey,
    /// What the server made of it.
    pub revocation: Revocation,
    /// The same for people.
    pub description: String,
    /// Until when access tokens already handed out may still be accepted; absent when nobody knows or none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_tokens_live_until: Option<i64>,
    /// Other sessions here of the same issuer, client and person: a server that revokes all that it granted to a
    /// client for a person has ended these as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub others: Vec<SessionKey>,
}

/// What the server made of a revocation (RFC 7009). The session is forgotten here in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Revocation {
    /// The server confirmed it.
    Revoked,
    /// The server has no revocation endpoint.
    Unsupported,
    /// The server refused, or could not be reached.
    #[serde(other)]
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_of_a_newer_daemon_is_read_as_failed() {
        assert_eq!(serde_json::from_str::<Revocation>(r#""melted""#).unwrap(), Revocation::Failed);
    }
}
