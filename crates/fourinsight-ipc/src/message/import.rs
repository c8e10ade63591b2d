//! What is said when another tool's login is taken over.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{Identity, expose};
use crate::SessionKey;

/// Body of `POST /v1/imports`: another tool's token cache. A secret.
///
/// The daemon opens no file for it: whoever may read the cache sends what is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ImportRequest {
    /// Whose cache it is.
    pub format: ImportFormat,
    /// The bytes of the cache, at most 1 MiB of UTF-8.
    #[serde(serialize_with = "expose")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub content: SecretString,
    /// The session that takes it over; made from `original_key` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub session: Option<SessionKey>,
    /// The session key of the replaced tool, where it has such keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_key: Option<String>,
    /// The profile of the login; the one that fits when absent. For a mapping that becomes a profile, its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Which login, where the cache holds several: one or more of an [`ImportChoice`]'s values, commas between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pick: Option<String>,
    /// The folder of the Python package `fourinsight.api` where it is installed for the caller: its client secret may
    /// be read there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Where the file is, as an absolute path: a profile that is made of a mapping refers to the secret in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only say what would be done: nothing is sent to any server, nothing is written.
    #[serde(default)]
    pub dry_run: bool,
    /// The caller leaves the cache where it is.
    #[serde(default)]
    pub keep: bool,
}

impl ImportRequest {
    /// An import with nothing more said than what is taken over.
    pub fn new(format: ImportFormat, content: impl Into<SecretString>) -> Self {
        Self {
            format,
            content: content.into(),
            session: None,
            original_key: None,
            profile: None,
            pick: None,
            package: None,
            path: None,
            dry_run: false,
            keep: false,
        }
    }
}

/// Whose cache it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ImportFormat {
    /// A `token` file of the Python package `fourinsight.api`.
    FourinsightApi,
    /// A token cache of MSAL, as JSON.
    Msal,
    /// A token dictionary of `requests-oauthlib`, as JSON.
    Oauthlib,
    /// A credential mapping of Cognite's Python SDK, as YAML or JSON.
    Cognite,
}

/// `200` of `POST /v1/imports`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ImportResponse {
    /// The session that has taken the login over, or would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub session: Option<SessionKey>,
    /// The profile it was taken over by, or the one that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Who is signed in, as the server says; never as the cache says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The granted scope, space-separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What was done.
    pub outcome: ImportOutcome,
    /// The logins of the cache, where one of several has to be picked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<ImportChoice>,
    /// Whether the login is on the daemon's disk: only then may the cache go.
    #[serde(default)]
    pub durable: bool,
    /// Whether nothing else of worth is in the cache: only then may the whole of it go.
    #[serde(default)]
    pub whole: bool,
    /// What a person should know about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl ImportResponse {
    /// An answer with nothing more said than what was done.
    pub fn new(outcome: ImportOutcome) -> Self {
        Self {
            session: None,
            profile: None,
            identity: None,
            scope: None,
            outcome,
            choices: Vec::new(),
            durable: false,
            whole: false,
            notes: Vec::new(),
        }
    }
}

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImportOutcome {
    /// The session is signed in.
    Imported,
    /// Without `dry_run` it would be tried.
    WouldImport,
    /// Nothing: there are several logins, see `choices`.
    Choose,
    /// The configuration has a new profile, or with `dry_run` would have.
    ProfileWritten,
    /// Something that a newer daemon knows and this client does not.
    #[serde(other)]
    Unknown,
}

/// One of the logins of a cache.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportChoice {
    /// What picks this one and no other.
    pub pick: String,
    /// Whose it is, as the cache says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The client identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The host of the authorization server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_hides_its_content_from_debug_and_reads_back() {
        let mut request = ImportRequest::new(ImportFormat::FourinsightApi, "s3cr3t".to_owned());
        request.original_key = Some("ops/eu".to_owned());
        assert!(!format!("{request:?}").contains("s3cr3t"));
        let json = serde_json::to_value(&request).unwrap();
        assert_eq!(
            (json["format"].as_str(), json["content"].as_str()),
            (Some("fourinsight-api"), Some("s3cr3t"))
        );
        let read: ImportRequest = serde_json::from_value(json).unwrap();
        assert_eq!(read.original_key.as_deref(), Some("ops/eu"));
        assert!(read.session.is_none() && !read.dry_run && !read.keep);
    }

    #[test]
    fn an_answer_of_a_newer_daemon_reads_and_lets_no_cache_go() {
        let read: ImportResponse = serde_json::from_str(r#"{"outcome":"later","x":1}"#).unwrap();
        assert_eq!(read.outcome, ImportOutcome::Unknown);
        assert!(!read.durable && !read.whole);
    }
}
