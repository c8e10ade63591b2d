//! The JSON bodies of the local HTTP API. Durations are whole seconds, timestamps integer Unix seconds.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::SessionKey;

mod answer;
mod attempt;
mod audience;
mod daemon;
mod import;
mod key_home;
mod lifetime;
mod login;
mod profile;
mod quarantine;
mod rejection;
mod revocation;
mod rotation;
mod store;

pub use answer::{Confirm, Confirmation, LoginResponse, Wanted};
pub use attempt::{Action, Attempt, AttemptOutcome, SessionAttempts};
pub use audience::Audience;
pub use daemon::{Health, Version};
pub use import::{ImportChoice, ImportFormat, ImportOutcome, ImportRequest, ImportResponse};
pub use key_home::{KeyHome, KeyState};
pub use lifetime::Lifetime;
pub use login::{LoginRequest, LoginState, LoginStatus};
pub use profile::{
    NewProfile, Preset, PresetList, PresetSetting, ProfileDetails, ProfileList, ProfileSetting,
    ProfileStatus, SettingOrigin,
};
pub use quarantine::Quarantined;
pub use rejection::{Rejection, RejectionOutcome, RejectionResponse};
pub use revocation::{Revocation, RevokeResponse};
pub use rotation::{InterruptedRotation, KeptBy, RotationStatus};
pub use store::{
    Backup, BackupRequest, KeptSession, RekeyRequest, RekeyResponse, RestoreRequest, RestoreResponse,
    StoreCheck,
};

/// `200` of `GET /v1/sessions/{key}/token`: RFC 6749 section 5.1 and three fields of ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct TokenResponse {
    /// The bearer token. A secret: its `Debug` form hides it, and its memory is wiped when dropped.
    #[serde(serialize_with = "expose")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub access_token: SecretString,
    /// Always `Bearer` (RFC 6750).
    pub token_type: String,
    /// Whole seconds left, rounded down; absent when nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// The scope of this token, space-separated; absent when the server named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// When it expires by this machine's wall clock; absent when nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// Names this token without revealing it; what a [`Rejection`] reports.
    pub token_id: String,
    /// The session that it belongs to.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub session: SessionKey,
}

/// One session, without any token: `GET /v1/sessions/{key}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct SessionStatus {
    /// Its key.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub session: SessionKey,
    /// The `session_key` of `fourinsight.api` that it was signed in for, where its key cannot say that itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_key: Option<String>,
    /// The profile it was logged in with; absent before its first login.
    pub profile: Option<String>,
    /// Where it stands.
    pub state: SessionState,
    /// Who signed in; `null` when unknown.
    pub identity: Option<Identity>,
    /// The granted scope, space-separated.
    pub scope: Option<String>,
    /// The scope that the login asked for, in its own words; servers may grant less, more, or call it otherwise.
    #[serde(default)]
    pub requested_scope: Option<String>,
    /// The resources that the login asked for (RFC 8707).
    #[serde(default)]
    pub resources: Vec<String>,
    /// When the session's own access token expires.
    pub expires_at: Option<i64>,
    /// How far `expires_at` can be believed.
    #[serde(default)]
    pub expiry: Expiry,
    /// When the daemon will renew it by itself.
    pub next_renewal_at: Option<i64>,
    /// `false` for a session that ends with its access token, because there is nothing to renew it with.
    #[serde(default = "renewable")]
    pub renewable: bool,
    /// By when somebody must sign in again, where that is known: at the end of a refresh token that using it does not
    /// put off, or of an access token that nothing can renew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_needed_by: Option<i64>,
    /// What is wrong, if anything is.
    pub problem: Option<Problem>,
    /// Whether what is served would survive a power cut.
    #[serde(default)]
    pub durability: Durability,
    /// How long it lasts.
    #[serde(default)]
    pub lifetime: Lifetime,
    /// How many times this session's grant has changed: one for the login, one more for each rotation.
    #[serde(default)]
    pub generation: u64,
    /// The other scopes and resources that its tokens are asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<Audience>,
    /// How its refresh token fares; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationStatus>,
}

impl SessionStatus {
    /// The status of a session about which nothing more is known than its key and state.
    pub fn new(session: SessionKey, state: SessionState) -> Self {
        Self {
            session,
            original_key: None,
            profile: None,
            state,
            identity: None,
            scope: None,
            requested_scope: None,
            resources: Vec::new(),
            expires_at: None,
            expiry: Expiry::Known,
            next_renewal_at: None,
            renewable: true,
            login_needed_by: None,
            problem: None,
            durability: Durability::Durable,
            lifetime: Lifetime::Stored,
            generation: 0,
            audiences: Vec::new(),
            rotation: None,
        }
    }
}

/// What a daemon that does not say so means.
fn renewable() -> bool {
    true
}

/// `GET /v1/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionList {
    /// Every session, ordered by key.
    pub sessions: Vec<SessionStatus>,
}

/// Where a session stands. Whether its token is still fresh is not a state: see `expires_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SessionState {
    /// Nobody is signed in.
    SignedOut,
    /// A first login is under way.
    SigningIn,
    /// Tokens are served and renewed.
    SignedIn,
    /// Its person must sign in again.
    LoginRequired,
    /// It is being revoked.
    Revoking,
    /// A state that a newer daemon knows and this client does not.
    #[serde(other)]
    Unknown,
}

/// How far an expiry can be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Expiry {
    /// The server said so, or the token itself does.
    #[default]
    Known,
    /// Nobody said: the daemon assumes ten minutes.
    Assumed,
    /// Nobody said and nothing can renew it: served until an API rejects it.
    #[serde(other)]
    Unknown,
}

/// Whether what is served would survive a power cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Durability {
    /// It is on the disk.
    #[default]
    Durable,
    /// The disk refuses a write: something is in memory only, or a renewal waits for it. That is tried again every
    /// second.
    #[serde(other)]
    Degraded,
}

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Identity {
    /// The subject identifier at the issuer (OpenID Connect Core section 2).
    pub sub: String,
    /// A name for people: `name`, `preferred_username` or `email`, whichever the server gave.
    pub name: Option<String>,
}

/// What is wrong with a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A short code: the server's own where it gave one.
    pub error: String,
    /// For people.
    pub description: String,
    /// Since when.
    pub since: i64,
}

fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_response_hides_its_token_from_debug_and_reads_back() {
        let json = r#"{"access_token":"s3cr3t","token_type":"Bearer","expires_in":59,"expires_at":1700000059,"token_id":"7f","session":"default","later":1}"#;
        let response: TokenResponse = serde_json::from_str(json).unwrap();
        assert!(!format!("{response:?}").contains("s3cr3t"));
        assert!(serde_json::to_string(&response).unwrap().contains("s3cr3t"));
        assert_eq!(response.expires_in, Some(59));
    }

    #[test]
    fn states_of_a_newer_daemon_are_read_as_unknown() {
        assert_eq!(serde_json::from_str::<SessionState>(r#""melted""#).unwrap(), SessionState::Unknown);
    }
}
