//! Answers: JSON that nobody may store, and RFC 6749 section 5.2 errors with the cause that a dialect words anew.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// A JSON answer with the headers that RFC 6749 section 5.1 demands.
pub(super) fn unstored(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
    ];
    (status, headers, body.to_string()).into_response()
}

/// A request refused (RFC 6749 section 5.2).
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) description: &'static str,
    pub(super) cause: Cause,
    basic_challenge: bool,
}

/// What a refusal is about, where servers differ in what they say of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nothing that a dialect has its own words for.
    #[default]
    Other,
    /// A parameter that has to be there.
    Missing(&'static str),
    TenantUnknown,
    ClientUnknown,
    SecretMissing,
    SecretWrong,
    /// A public client's.
    SecretUnwanted,
    /// Its signature, or the certificate that it names.
    AssertionWrong,
    AssertionTooOld,
    RedirectUriOther,
    CodeUnknown,
    CodeTooOld,
    CodeReused,
    VerifierWrong,
    GrantOfOtherClient,
    RefreshTokenUnknown,
    RefreshTokenTooOld,
    RefreshTokenRevoked,
    RefreshTokenReused,
    UserUnknown,
    PasswordWrong,
    GrantTypeUnknown,
    ScopeUnknown,
    ScopeMixed,
    ScopeOfSeveralResources,
    /// Reserved scopes beside `.default`, in the refresh of a device's login.
    ScopeNotOfDevice,
    ScopeNotOfClient,
    ResourceUnknown,
    ResourceUnwanted,
    AudienceMissing,
    AudienceUnknown,
    /// A resource that wants more of the person: which of the settings' [`super::Guarded`] it is.
    Guarded(usize),
    DevicePending,
    /// And how many seconds polls must leave from now on.
    DeviceTooEarly {
        interval: u64,
    },
    DeviceDenied,
    DeviceTooOld,
    DeviceUnknown,
}

impl Refusal {
    pub(super) fn invalid_request(description: &'static str) -> Self {
        Self::bad("invalid_request", description)
    }

    /// A parameter is missing.
    pub(super) fn missing(name: &'static str, description: &'static str) -> Self {
        Self::invalid_request(description).because(Cause::Missing(name))
    }

    pub(super) fn invalid_grant(description: &'static str) -> Self {
        Self::bad("invalid_grant", description)
    }

    pub(super) fn invalid_scope(description: &'static str) -> Self {
        Self::bad("invalid_scope", description)
    }

    pub(super) fn invalid_target(description: &'static str) -> Self {
        Self::bad("invalid_target", description)
    }

    pub(super) fn unauthorized_client(description: &'static str) -> Self {
        Self::bad("unauthorized_client", description)
    }

    pub(super) fn unsupported_grant_type(description: &'static str) -> Self {
        Self::bad("unsupported_grant_type", description).because(Cause::GrantTypeUnknown)
    }

    /// With a challenge when the client tried the `Authorization` header.
    pub(super) fn invalid_client(description: &'static str, basic_challenge: bool) -> Self {
        let status = StatusCode::UNAUTHORIZED;
        Self { status, error: "invalid_client", description, cause: Cause::Other, basic_challenge }
    }

    /// An error with a status of the server's own choice.
    pub(super) fn with_status(status: u16, error: &'static str, description: &'static str) -> Self {
        let status = StatusCode::from_u16(status).expect("a test names a valid status");
        Self { status, ..Self::bad(error, description) }
    }

    /// The same refusal, with what it is about.
    #[must_use]
    pub(super) fn because(self, cause: Cause) -> Self {
        Self { cause, ..self }
    }

    pub(super) fn bad(error: &'static str, description: &'static str) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self { status, error, description, cause: Cause::Other, basic_challenge: false }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        let mut response = unstored(self.status, &body);
        if self.basic_challenge {
            let challenge = HeaderValue::from_static("Basic realm=\"practice\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
