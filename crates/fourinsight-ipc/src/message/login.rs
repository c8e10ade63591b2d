//! What a login is asked to be, and how it stands.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use super::{Confirmation, Identity, Lifetime, Wanted};
use crate::{ErrorBody, SessionKey};

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
    /// Flow `client_credentials` with a `client_id` and `client_secret` of the request: the client's own session.
    ///
    /// The daemon names it, by a hash of the profile, the token endpoint, the client, its secret, the scopes and the
    /// resources, under a key that lives as long as the daemon and never leaves it. So whoever brings the same gets the same
    /// session, and with another secret nobody gets its tokens. The answer says its name; `session` stays out of the
    /// request. Such a session is in memory only, is renewed while it is used, and is forgotten once nobody has asked
    /// for its token for an hour, or when there are many others. One that is open already is answered with at once,
    /// as a login that has succeeded and that nobody needs to follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub client_session: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_a_newer_daemon_are_read_as_unknown() {
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
