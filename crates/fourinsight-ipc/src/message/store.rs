//! What is said of the store: looking it over, sealing it under a new key, backups.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{KeyHome, answer::expose_some};
use crate::SessionKey;

/// `200` of `POST /v1/store/check`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct StoreCheck {
    /// Whether nothing is wrong.
    pub sound: bool,
    /// The version of the database's schema.
    pub schema_version: u32,
    /// How many sessions it holds whose records open.
    pub sessions: u64,
    /// What is wrong, a sentence each, for people.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// Body of `POST /v1/store/rekey`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RekeyRequest {
    /// Where the new key is to live; where the old one does when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<KeyHome>,
}

impl RekeyRequest {
    /// A new key in this home; in the old one's when `None`.
    pub fn new(to: Option<KeyHome>) -> Self {
        Self { to }
    }
}

/// `200` of `POST /v1/store/rekey`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RekeyResponse {
    /// Where the new key is, for people.
    pub key: String,
    /// Where it is, for programs.
    pub key_home: KeyHome,
    /// How many sessions are sealed under it.
    pub sessions: u64,
    /// What a person should know about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl RekeyResponse {
    /// So many sessions are sealed under the key that is there, and there is nothing more to say.
    pub fn new(key: String, key_home: KeyHome, sessions: u64) -> Self {
        Self { key, key_home, sessions, notes: Vec::new() }
    }
}

/// Body of `POST /v1/store/backup`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct BackupRequest {
    /// What the backup is sealed under; the store's own key when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "expose_some")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub passphrase: Option<SecretString>,
}

impl BackupRequest {
    /// A backup under this passphrase; under the store's key when `None`.
    pub fn new(passphrase: Option<SecretString>) -> Self {
        Self { passphrase }
    }
}

/// `200` of `POST /v1/store/backup`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Backup {
    /// The sealed backup, in Base64.
    pub backup: String,
    /// How many sessions are in it.
    pub sessions: u64,
    /// What a person should know about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Backup {
    /// A backup of so many sessions, of which there is nothing more to say.
    pub fn new(backup: String, sessions: u64) -> Self {
        Self { backup, sessions, notes: Vec::new() }
    }
}

/// Body of `POST /v1/store/restore`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RestoreRequest {
    /// The sealed backup, in Base64.
    pub backup: String,
    /// What it is sealed under, unless that is the store's own key.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "expose_some")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub passphrase: Option<SecretString>,
    /// Only say what would be restored.
    #[serde(default)]
    pub dry_run: bool,
}

impl RestoreRequest {
    /// Restores a backup that is sealed under the store's key.
    pub fn new(backup: String) -> Self {
        Self { backup, passphrase: None, dry_run: false }
    }
}

/// `200` of `POST /v1/store/restore`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RestoreResponse {
    /// The sessions that are restored, or would be.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub restored: Vec<SessionKey>,
    /// The sessions of the backup that are left as they are here.
    pub kept: Vec<KeptSession>,
}

/// A session that a restore leaves as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct KeptSession {
    /// Its key.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub session: SessionKey,
    /// Why, for people.
    pub reason: String,
}

impl KeptSession {
    /// A session left as it is for this reason.
    pub fn new(session: SessionKey, reason: impl Into<String>) -> Self {
        Self { session, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_sent_and_hidden_from_debug() {
        let backup = BackupRequest::new(Some("s3cr3t".into()));
        let restore =
            RestoreRequest { passphrase: Some("s3cr3t".into()), ..RestoreRequest::new("AAAA".into()) };
        assert!(!format!("{backup:?} {restore:?}").contains("s3cr3t"));
        assert_eq!(serde_json::to_string(&backup).unwrap(), r#"{"passphrase":"s3cr3t"}"#);
        let json = serde_json::to_string(&restore).unwrap();
        assert_eq!(json, r#"{"backup":"AAAA","passphrase":"s3cr3t","dry_run":false}"#);
        assert_eq!(serde_json::to_string(&BackupRequest::default()).unwrap(), "{}");
    }

    #[test]
    fn what_is_left_out_means_the_least() {
        let restore: RestoreRequest = serde_json::from_str(r#"{"backup":"AAAA"}"#).unwrap();
        assert!(restore.passphrase.is_none() && !restore.dry_run);
        let rekey: RekeyRequest = serde_json::from_str("{}").unwrap();
        assert_eq!(rekey.to, None);
        let answer = r#"{"key":"x","key_home":"moon","sessions":1}"#;
        let answer: RekeyResponse = serde_json::from_str(answer).unwrap();
        assert_eq!(answer.key_home, KeyHome::Unknown);
    }
}
