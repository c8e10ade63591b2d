//! What a test and its `token-client` processes say to each other.

use serde::{Deserialize, Serialize};

use crate::provider::Oracle;

/// What a client process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    /// The session whose token it asks for.
    pub session: String,
    /// The resources that it asks for in turn, each for itself; none: the session's own token.
    pub resources: Vec<String>,
    /// When it ends, in Unix milliseconds.
    pub until: i64,
    /// The longest pause between two asks, in milliseconds.
    pub longest_pause: u64,
    /// Who gives the verdict on each token.
    pub oracle: Oracle,
}

/// What came of asking once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ask {
    /// When it asked, in Unix milliseconds.
    pub asked_at: i64,
    /// When it was answered, in Unix milliseconds.
    pub answered_at: i64,
    /// The resource that it asked for.
    pub resource: Option<String>,
    /// The token that it was handed; empty when there was none.
    pub access_token: String,
    /// The seconds that the token had left, by the daemon.
    pub expires_in: Option<u64>,
    /// The provider's verdict, asked for at once.
    pub active: bool,
    /// The resource that the token is for, by the provider.
    pub audience: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}
