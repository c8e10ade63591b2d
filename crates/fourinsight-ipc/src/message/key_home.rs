//! Where the key is kept that seals the store.

use serde::{Deserialize, Serialize};

/// Where the sealing key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyHome {
    /// In the operating system's keyring.
    Keyring,
    /// In a credential that systemd hands over.
    Credential,
    /// In a file that only its owner can read.
    File,
    /// Somewhere that a newer daemon knows and this client does not.
    #[serde(other)]
    Unknown,
}
