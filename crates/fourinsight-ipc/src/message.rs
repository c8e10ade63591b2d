//! The JSON bodies of the local HTTP API. Durations are whole seconds, timestamps integer Unix seconds.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::{ErrorBody, SessionKey};

mod answer;
mod attempt;
mod audience;
mod daemon;
mod import;
mod lifetime;
mod profile;
mod rejection;
mod revocation;

pub use answer::{Confirm, Confirmation, LoginResponse, Wanted};
pub use attempt::{Action, Attempt, AttemptOutcome, SessionAttempts};
pub use audience::Audience;
pub use daemon::{Health, Version};
pub use import::{ImportChoice, ImportFormat, ImportOutcome, ImportRequest, ImportResponse};
pub use lifetime::Lifetime;
pub use profile::{
    NewProfile, Preset, PresetList, PresetSetting, ProfileDetails, ProfileList, ProfileSetting,
    ProfileStatus, SettingOrigin,
};
pub use rejection::{Rejection, RejectionOutcome, RejectionResponse};
pub use revocation::{Revocation, RevokeResponse};

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
            problem: None,
            durability: Durability::Durable,
            lifetime: Lifetime::Stored,
            generation: 0,
            audiences: Vec::new(),
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
    /// It is in memory only: writing failed and is being retried every second.
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

/// Body of `POST /v1/logins`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of the body, with a name and a default of its own"
)]
pub struct LoginRequest {
    /// The session to sign in.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub session: SessionKey,
    /// The profile; the configuration's `default_profile` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The flow; the profile's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// Scopes instead of the profile's, space-separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Resources beside the profile's (RFC 8707).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    /// Ask the server to really ask the person again.
    #[serde(default)]
    pub force: bool,
    /// Accept another person than the session had, without asking.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub switch_user: bool,
    /// The `session_key` of `fourinsight.api` that `session` stands for: see [`SessionKey::of_seed`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_key: Option<String>,
    /// Flow `client_credentials`: a client identifier instead of the profile's, with its `client_secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Flow `client_credentials`: a client secret instead of the profile's. The daemon keeps it in memory only.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "expose_if_any")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub client_secret: Option<SecretString>,
    /// Keep the session in memory only: it ends with the daemon.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
    /// The same, and end it with the caller's login session, outside of which nobody finds it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub until_logout: bool,
    /// Where `fourinsight.api` is installed for the caller: a preset may read its client secret from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

/// A login attempt: `POST /v1/logins`, `GET /v1/logins/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct LoginStatus {
    /// Names the attempt.
    pub id: String,
    /// The session that it signs in.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub session: SessionKey,
    /// The flow it runs.
    pub flow: String,
    /// Where it stands.
    pub state: LoginState,
    /// When it gives up.
    pub expires_at: i64,
    /// What the person opens in a browser (RFC 6749 section 4.1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_uri: Option<String>,
    /// What the person has to bring, when the login cannot go on without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Wanted>,
    /// A question that the person must answer before the login goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// What a person should know before they sign in this way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// What the person opens on any device, and enters the code at (RFC 8628 section 3.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_uri: Option<String>,
    /// The same with the code in it, for a QR code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_uri_complete: Option<String>,
    /// The code that the person enters, or compares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_code: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
    /// Who signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// What a person should know about a success, such as a missing refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How long the session lasts that it signs in.
    #[serde(default, skip_serializing_if = "Lifetime::is_stored")]
    pub lifetime: Lifetime,
}

impl LoginStatus {
    /// An attempt that has just begun.
    pub fn pending(id: String, session: SessionKey, flow: impl Into<String>, expires_at: i64) -> Self {
        Self {
            id,
            session,
            flow: flow.into(),
            state: LoginState::Pending,
            expires_at,
            authorization_uri: None,
            wanted: None,
            confirmation: None,
            warning: None,
            verification_uri: None,
            verification_uri_complete: None,
            user_code: None,
            error: None,
            identity: None,
            note: None,
            lifetime: Lifetime::Stored,
        }
    }
}

/// Where a login attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoginState {
    /// The person has not answered yet.
    Pending,
    /// Signed in.
    Succeeded,
    /// It went wrong: see `error`.
    Failed,
    /// Somebody cancelled it, or a later login for the same session replaced it.
    Cancelled,
    /// Nobody answered in time.
    Expired,
    /// A state that a newer daemon knows and this client does not.
    #[serde(other)]
    Unknown,
}

#[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn expose_if_any<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(SecretString::expose_secret).serialize(serializer)
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
        assert_eq!(serde_json::from_str::<LoginState>(r#""melted""#).unwrap(), LoginState::Unknown);
    }

    #[test]
    fn a_login_request_hides_its_client_secret_from_debug_and_leaves_out_what_it_has_not() {
        let request = LoginRequest { client_secret: Some("s3cr3t".into()), ..LoginRequest::default() };
        assert!(!format!("{request:?}").contains("s3cr3t"));
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(json, r#"{"session":"default","force":false,"client_secret":"s3cr3t"}"#);
        let read: LoginRequest = serde_json::from_str(&json).unwrap();
        assert!(read.client_secret.is_some_and(|secret| secret.expose_secret() == "s3cr3t"));
    }
}
