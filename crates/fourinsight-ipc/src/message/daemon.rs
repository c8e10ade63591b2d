//! What the daemon says of itself.

use serde::{Deserialize, Serialize};

use super::{KeyHome, KeyState, Quarantined};

/// `GET /v1/version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Version {
    /// The daemon's version.
    pub version: String,
    /// The API's version: `v1`.
    pub api: String,
}

/// `GET /v1/health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`, or `degraded` when `problems` is not empty.
    pub status: String,
    /// The daemon's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Where it listens.
    pub socket: String,
    /// The store's file.
    pub store: String,
    /// Where the sealing key is kept, for people.
    pub key: String,
    /// Where the sealing key is kept.
    #[serde(default)]
    pub key_home: KeyHome,
    /// Whether the daemon has it.
    #[serde(default)]
    pub key_state: KeyState,
    /// The configuration file in force.
    pub config: String,
    /// What is wrong with the daemon as a whole, for people.
    #[serde(default)]
    pub problems: Vec<String>,
    /// What the store has set aside because it cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<Quarantined>,
}
