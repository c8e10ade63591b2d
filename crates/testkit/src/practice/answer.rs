//! Answers: JSON that nobody may store, and RFC 6749 section 5.2 errors.

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
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
    basic_challenge: bool,
}

impl Refusal {
    pub(super) fn invalid_request(description: &'static str) -> Self {
        Self::bad("invalid_request", description)
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
        Self::bad("unsupported_grant_type", description)
    }

    /// With a challenge when the client tried the `Authorization` header.
    pub(super) fn invalid_client(description: &'static str, basic_challenge: bool) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description, basic_challenge }
    }

    /// An error with a status of the server's own choice.
    pub(super) fn with_status(status: u16, error: &'static str, description: &'static str) -> Self {
        let status = StatusCode::from_u16(status).expect("a test names a valid status");
        Self { status, error, description, basic_challenge: false }
    }

    fn bad(error: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description, basic_challenge: false }
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
