//! What a person is asked for while a login is under way, and what they answer.

use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};

use super::{Identity, expose};

/// Body of `POST /v1/logins/{id}/response`: one of a paste, a password, or the answer to a question. A secret.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct LoginResponse {
    /// The callback URL, the bare code, or the package that the sign-in page shows.
    #[serde(default, serialize_with = "expose_some", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub pasted: Option<SecretString>,
    /// With `password`: whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password of the flow `password`, used for one request and never kept.
    #[serde(default, serialize_with = "expose_some", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub password: Option<SecretString>,
    /// With `accepted`: the `id` of the question that is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<String>,
    /// Whether the person agrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<bool>,
}

impl LoginResponse {
    /// What the person pasted.
    pub fn pasted(pasted: impl Into<SecretString>) -> Self {
        Self { pasted: Some(pasted.into()), ..Self::default() }
    }

    /// A user name and its password.
    pub fn password(username: impl Into<String>, password: impl Into<SecretString>) -> Self {
        Self { username: Some(username.into()), password: Some(password.into()), ..Self::default() }
    }

    /// The answer to a question.
    pub fn confirmation(id: impl Into<String>, accepted: bool) -> Self {
        Self { confirmation: Some(id.into()), accepted: Some(accepted), ..Self::default() }
    }
}

/// What a login waits for that only the person can bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Wanted {
    /// The address that the browser ends on, or the code that the page shows.
    Callback,
    /// The JSON text with `endpoint` and `code` that the page shows.
    Package,
    /// The address that the browser ends on, with the access token in its fragment.
    TokenCallback,
    /// A user name and a password.
    Password,
    /// Something that a newer daemon knows and this client does not.
    #[serde(other)]
    Unknown,
}

/// A question that the person must answer before a login goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Confirmation {
    /// Names the question; the answer repeats it.
    pub id: String,
    /// What it is about.
    pub about: Confirm,
    /// The token endpoint: the one that the person's package names, or the one that granted the tokens.
    pub endpoint: String,
    /// The part of the endpoint that the configuration leaves open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Who would be signed in; `null` when the server does not say.
    pub identity: Option<Identity>,
    /// About a person: who is signed in to the session now, or was last; `null` when nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Identity>,
    /// The question, for people.
    pub question: String,
}

impl Confirmation {
    /// A question about an endpoint.
    pub fn new(id: String, about: Confirm, endpoint: String, question: String) -> Self {
        Self { id, about, endpoint, tenant: None, identity: None, previous: None, question }
    }
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Confirm {
    /// Whether the code may be sent to this tenant; nothing has been sent.
    Tenant,
    /// Whether the session is to be signed in as this identity at this endpoint; nothing has been saved.
    Identity,
    /// Whether the session is to be signed in as this identity instead of the one that it had; nothing has been saved.
    Person,
    /// Something that a newer daemon knows and this client does not.
    #[serde(other)]
    Unknown,
}

#[expect(clippy::ref_option, reason = "serde hands a reference to the field")]
pub(super) fn expose_some<S: Serializer>(
    secret: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => expose(secret, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_hidden_from_debug_and_hold_only_what_is_answered() {
        for (response, json) in [
            (LoginResponse::pasted("s3cr3t"), r#"{"pasted":"s3cr3t"}"#),
            (LoginResponse::password("ada", "s3cr3t"), r#"{"username":"ada","password":"s3cr3t"}"#),
            (LoginResponse::confirmation("7", false), r#"{"confirmation":"7","accepted":false}"#),
        ] {
            assert!(!format!("{response:?}").contains("s3cr3t"));
            assert_eq!(serde_json::to_string(&response).unwrap(), json);
        }
    }

    #[test]
    fn a_newer_daemons_wishes_are_read_as_unknown() {
        assert_eq!(serde_json::from_str::<Wanted>(r#""fingerprint""#).unwrap(), Wanted::Unknown);
        assert_eq!(serde_json::from_str::<Confirm>(r#""moon""#).unwrap(), Confirm::Unknown);
    }
}
