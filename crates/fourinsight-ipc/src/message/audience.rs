//! What a session is asked for beside its own token.

use serde::{Deserialize, Serialize};

use super::Problem;

/// Other scopes or resources than the login's, which somebody has asked the session for; without any token.
///
/// Its token is renewed while it is used, and forgotten when it is dead and nobody asks for it any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Audience {
    /// The scopes that were asked for, space-separated; absent when none were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The resources that were asked for (RFC 8707).
    #[serde(default)]
    pub resources: Vec<String>,
    /// When its access token expires; absent when there is none, and when nobody knows.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// When the daemon will renew it by itself; absent while nobody uses it.
    #[serde(default)]
    pub next_renewal_at: Option<i64>,
    /// When it was last asked for.
    #[serde(default)]
    pub last_used_at: Option<i64>,
    /// Why there is no token for it though the session is signed in.
    #[serde(default)]
    pub problem: Option<Problem>,
}

impl Audience {
    /// These scopes and resources, about which nothing more is known.
    pub fn new(scope: Option<String>, resources: Vec<String>) -> Self {
        Self { scope, resources, expires_at: None, next_renewal_at: None, last_used_at: None, problem: None }
    }
}
