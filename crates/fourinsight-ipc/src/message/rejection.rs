//! That an API refused a token, and what the daemon makes of it.

use serde::{Deserialize, Serialize};

/// Body of `POST /v1/sessions/{key}/rejections`: an API refused this token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rejection {
    /// The `token_id` of the token that was refused.
    pub token_id: String,
    /// The API's `WWW-Authenticate` header, if it sent one; several values joined by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub www_authenticate: Option<String>,
}

/// `202` of `POST /v1/sessions/{key}/rejections`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RejectionResponse {
    /// What the daemon makes of it.
    pub outcome: RejectionOutcome,
    /// The scope that the API misses, space-separated, where it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The same for people, with the next step.
    pub description: String,
    /// How many seconds it takes until the renewal is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl RejectionResponse {
    /// An answer that says no more than this.
    pub fn new(outcome: RejectionOutcome, description: impl Into<String>) -> Self {
        Self { outcome, scope: None, description: description.into(), retry_after: None }
    }
}

/// What the daemon makes of a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RejectionOutcome {
    /// Nobody is given the token again, and another one is being fetched.
    Renewing,
    /// The session has no such token, or no longer: ask for the present one.
    UnknownToken,
    /// Nothing is wrong with the token but its scope; it is still served.
    InsufficientScope,
    /// Only a person can go on: a login is needed.
    InteractionRequired,
    /// Nobody is given the token again, but the next one is fetched only after `retry_after`.
    Paused,
    /// An outcome that a newer daemon knows and this client does not.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_leaves_out_what_it_does_not_know() {
        let mut response = RejectionResponse::new(RejectionOutcome::Renewing, "words");
        let json = serde_json::to_string(&response).unwrap();
        assert_eq!(json, r#"{"outcome":"renewing","description":"words"}"#);
        response.scope = Some("files.write".into());
        response.outcome = RejectionOutcome::InsufficientScope;
        let json = serde_json::to_string(&response).unwrap();
        assert_eq!(json, r#"{"outcome":"insufficient_scope","scope":"files.write","description":"words"}"#);
        assert_eq!(serde_json::from_str::<RejectionResponse>(&json).unwrap(), response);
    }

    #[test]
    fn an_outcome_of_a_newer_daemon_is_unknown() {
        let json = r#"{"outcome":"later","description":"words","retry_after":30,"more":1}"#;
        let response: RejectionResponse = serde_json::from_str(json).unwrap();
        assert_eq!((response.outcome, response.retry_after), (RejectionOutcome::Unknown, Some(30)));
    }
}
