//! Errors on the wire, shaped as RFC 6749 section 5.2.

use serde::{Deserialize, Serialize};

/// The body of every answer that is no success.
///
/// Texts are for people, name the next step in `hint`, and never repeat a request's input or a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ErrorBody {
    /// What kind of error.
    pub error: ErrorCode,
    /// What went wrong, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error_description: String,
    /// What to do next, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// When asking again makes sense, in seconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl ErrorBody {
    /// An error without a hint.
    pub fn new(error: ErrorCode, description: impl Into<String>) -> Self {
        Self { error, error_description: description.into(), hint: None, retry_after: None }
    }

    /// The same error with the next step named.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with the time after which asking again makes sense, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// The kinds of error that the local API answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// 400: the request itself is wrong.
    InvalidRequest,
    /// 400: the scope is unknown, malformed or beyond what was granted (RFC 6749 section 5.2).
    InvalidScope,
    /// 400: the resource is unknown or not granted (RFC 8707 section 2).
    InvalidTarget,
    /// 403: the person or the server said no.
    AccessDenied,
    /// 404: no such login, session or path.
    NotFound,
    /// 405: the path exists, the method does not.
    MethodNotAllowed,
    /// 409: the session needs its person to sign in.
    LoginRequired,
    /// 409: this audience needs a person; the session's other tokens still work.
    InteractionRequired,
    /// 413: the request is too large.
    PayloadTooLarge,
    /// 500: a defect or a broken part of the daemon.
    ServerError,
    /// 503: no token now; ask again later.
    TemporarilyUnavailable,
    /// A kind of error that a newer daemon knows and this client does not.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// The HTTP status that carries this error.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidRequest | Self::InvalidScope | Self::InvalidTarget => 400,
            Self::AccessDenied => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::LoginRequired | Self::InteractionRequired => 409,
            Self::PayloadTooLarge => 413,
            Self::TemporarilyUnavailable => 503,
            Self::ServerError | Self::Unknown => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_is_read_not_refused() {
        let body: ErrorBody =
            serde_json::from_str(r#"{"error":"brand_new","error_description":"x"}"#).unwrap();
        assert_eq!(body.error, ErrorCode::Unknown);
    }

    #[test]
    fn no_error_demands_a_challenge_and_each_has_the_contracts_status() {
        for (name, status) in [
            ("invalid_request", 400),
            ("invalid_scope", 400),
            ("invalid_target", 400),
            ("access_denied", 403),
            ("not_found", 404),
            ("method_not_allowed", 405),
            ("login_required", 409),
            ("interaction_required", 409),
            ("payload_too_large", 413),
            ("server_error", 500),
            ("temporarily_unavailable", 503),
            ("unknown", 500),
        ] {
            let code: ErrorCode = serde_json::from_str(&format!("\"{name}\"")).unwrap();
            assert_eq!(code.status(), status, "{name}");
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{name}\""));
        }
    }

    #[test]
    fn the_wire_form_is_snake_case_and_leaves_out_what_is_empty() {
        let body = ErrorBody::new(ErrorCode::LoginRequired, "sign in").hint("run login");
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"error":"login_required","error_description":"sign in","hint":"run login"}"#
        );
    }
}
