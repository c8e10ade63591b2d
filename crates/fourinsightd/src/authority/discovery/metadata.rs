//! One metadata document (OpenID Connect Discovery section 3, RFC 8414 section 2), as far as the daemon uses it.

use crate::authority::{Failure, client_auth, issuer, json::Object};

/// What a server says of itself. A document counts only if it names the issuer that was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Metadata {
    /// The issuer identifier that ID tokens must name; none where there was no document.
    pub(super) issuer: Option<String>,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
    pub(super) device_authorization_endpoint: Option<String>,
    pub(super) revocation_endpoint: Option<String>,
    pub(super) userinfo_endpoint: Option<String>,
    pub(super) iss_in_callback: Option<bool>,
    pub(super) code_challenge_methods: Option<Vec<String>>,
    pub(super) client_auth: client_auth::Supported,
}

impl Metadata {
    /// Reads a document of the server that is configured by this issuer.
    pub(super) fn read(object: &Object<'_>, configured: &str) -> Result<Self, Failure> {
        let text = |name| object.text(name).map(|text| text.to_string());
        Ok(Self {
            issuer: Some(issuer::resolve(configured, text("issuer").as_deref())?),
            authorization_endpoint: text("authorization_endpoint"),
            token_endpoint: text("token_endpoint"),
            device_authorization_endpoint: text("device_authorization_endpoint"),
            revocation_endpoint: text("revocation_endpoint"),
            userinfo_endpoint: text("userinfo_endpoint"),
            iss_in_callback: object.flag("authorization_response_iss_parameter_supported"),
            code_challenge_methods: object.texts("code_challenge_methods_supported"),
            client_auth: client_auth::Supported {
                token: object.texts("token_endpoint_auth_methods_supported"),
                revocation: object.texts("revocation_endpoint_auth_methods_supported"),
            },
        })
    }

    /// Takes from another document of the same server what this one leaves out.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            issuer: self.issuer.or(other.issuer),
            authorization_endpoint: self.authorization_endpoint.or(other.authorization_endpoint),
            token_endpoint: self.token_endpoint.or(other.token_endpoint),
            device_authorization_endpoint: self
                .device_authorization_endpoint
                .or(other.device_authorization_endpoint),
            revocation_endpoint: self.revocation_endpoint.or(other.revocation_endpoint),
            userinfo_endpoint: self.userinfo_endpoint.or(other.userinfo_endpoint),
            iss_in_callback: self.iss_in_callback.or(other.iss_in_callback),
            code_challenge_methods: self.code_challenge_methods.or(other.code_challenge_methods),
            client_auth: client_auth::Supported {
                token: self.client_auth.token.or(other.client_auth.token),
                revocation: self.client_auth.revocation.or(other.client_auth.revocation),
            },
        }
    }
}
