//! How a session's refresh token fares: what its server does with it, where the newest one is kept, and whether its
//! last use was interrupted.

use serde::{Deserialize, Serialize};

/// What is known of the rotation of a session's refresh token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RotationStatus {
    /// When the refresh token was last used with success; absent before its first use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<i64>,
    /// Where the newest refresh token is kept.
    pub kept_by: KeptBy,
    /// What the server does with a refresh token that is used, as the configuration would say it: `none`,
    /// `never_revoke`, `grace 30s`, `strict` or `unknown`.
    pub behaviour: String,
    /// Whether that was learnt from the server's answers; else it is the configuration's word.
    #[serde(default)]
    pub learnt: bool,
    /// A use of the refresh token of which nobody knows what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<InterruptedRotation>,
}

impl RotationStatus {
    /// The rotation of a refresh token that has not been used yet.
    pub fn new(kept_by: KeptBy, behaviour: String) -> Self {
        Self { last_at: None, kept_by, behaviour, learnt: false, interrupted: None }
    }
}

/// Where the newest refresh token is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeptBy {
    /// The session's record in the store.
    Record,
    /// The journal has the server's answer; the record is still to be written.
    Journal,
    /// Memory alone: the disk takes neither, and is tried every second.
    Memory,
    /// Nothing: the session is not to be on the disk.
    Nothing,
    /// A place that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A use of the refresh token of which nobody knows what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct InterruptedRotation {
    /// When the refresh token was sent.
    pub since: i64,
    /// The generation that the answer would have made.
    pub generation: u64,
    /// What happened and what follows, for people.
    pub description: String,
    /// When the refresh token is sent again, at the earliest; absent when that is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<i64>,
}

impl InterruptedRotation {
    /// An interruption at this moment.
    pub fn new(since: i64, generation: u64, description: String, retry_at: Option<i64>) -> Self {
        Self { since, generation, description, retry_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_shown_and_what_is_new_is_not_relied_on() {
        let mut status = RotationStatus::new(KeptBy::Journal, "grace 30s".to_owned());
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(text, r#"{"kept_by":"journal","behaviour":"grace 30s","learnt":false}"#);
        status.interrupted = Some(InterruptedRotation::new(7, 2, "words".to_owned(), Some(9)));
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<RotationStatus>(&text).unwrap(), status);
        let newer = text.replace("journal", "cloud");
        assert_eq!(serde_json::from_str::<RotationStatus>(&newer).unwrap().kept_by, KeptBy::Unknown);
    }
}
