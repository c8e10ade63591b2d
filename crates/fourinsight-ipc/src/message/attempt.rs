//! What was tried for a session, and what came of it.

use serde::{Deserialize, Serialize};

use crate::SessionKey;

/// `200` of `GET /v1/sessions/{key}/attempts`. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionAttempts {
    /// The session.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub session: SessionKey,
    /// The last things that were tried, newest first.
    pub attempts: Vec<Attempt>,
}

/// One thing that was tried, or the same thing several times in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Attempt {
    /// When it ended; of several in a row, the last.
    pub at: i64,
    /// What was tried.
    pub action: Action,
    /// A login's flow, where it came far enough to have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// A short code: the server's own where it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// For people: the server's own words where it had any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
    /// What Entra says beside `error` about what is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suberror: Option<String>,
    /// The server's error numbers: Entra's `AADSTS` numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<u64>,
    /// By what the server's administrator finds the conversation in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// By what they find the single request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The server's page about the error (RFC 6749 section 5.2); https only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_uri: Option<String>,
    /// What is behind it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do about it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// How often in a row this happened, when it was more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl Attempt {
    /// An attempt about which nothing more is known.
    pub fn new(at: i64, action: Action, outcome: AttemptOutcome) -> Self {
        Self {
            at,
            action,
            flow: None,
            outcome,
            error: None,
            error_description: None,
            suberror: None,
            codes: Vec::new(),
            correlation_id: None,
            trace_id: None,
            error_uri: None,
            cause: None,
            next_step: None,
            count: None,
        }
    }
}

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// A login, by the flow that `flow` names.
    Login,
    /// The refresh token was redeemed.
    Refresh,
    /// The daemon signed the client in as itself, by the profile.
    ClientCredentials,
    /// The token's end came, and there was nothing to renew it with.
    Renewal,
    /// The session's tokens were revoked.
    Revocation,
    /// Something that a newer daemon does and this client does not know.
    #[serde(other)]
    Unknown,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// It worked.
    Succeeded,
    /// It did not work, and the server decided nothing.
    Failed,
    /// The server, or the person, said no.
    Refused,
    /// Somebody cancelled it, or a later login took its place.
    Cancelled,
    /// Nobody answered in time.
    Expired,
    /// An outcome that a newer daemon knows and this client does not.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_leaves_out_what_it_does_not_know() {
        let attempt = Attempt::new(7, Action::ClientCredentials, AttemptOutcome::Succeeded);
        let json = r#"{"at":7,"action":"client_credentials","outcome":"succeeded"}"#;
        assert_eq!(serde_json::to_string(&attempt).unwrap(), json);
        assert_eq!(serde_json::from_str::<Attempt>(json).unwrap(), attempt);
    }

    #[test]
    fn what_a_newer_daemon_says_is_read_as_unknown() {
        let json = r#"{"at":7,"action":"teleport","outcome":"melted","later":1}"#;
        let attempt: Attempt = serde_json::from_str(json).unwrap();
        assert_eq!((attempt.action, attempt.outcome), (Action::Unknown, AttemptOutcome::Unknown));
    }
}
