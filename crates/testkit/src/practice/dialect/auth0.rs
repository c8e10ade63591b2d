//! Auth0: an issuer with a slash at its end, `audience` in place of `resource`, 403 for grants and polls that are
//! no good.

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::Dialect;
use crate::practice::{
    answer::{Cause, Refusal, unstored},
    ledger::Parameters,
    rotation::Rotation,
    settings::{DeviceFlow, Settings},
};

/// What is particular to one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth0 {
    /// The identifiers of its APIs.
    pub audiences: Vec<String>,
}

impl Settings {
    /// A tenant with the API `https://api.example`, and rotation where a reuse costs the family its life.
    pub fn auth0() -> Self {
        Self {
            dialect: Dialect::Auth0(Auth0 { audiences: vec!["https://api.example".to_owned()] }),
            rotation: Rotation::Strict,
            iss_in_callback: false,
            device_flow: Some(DeviceFlow { error_status: 403, ..DeviceFlow::default() }),
            ..Self::default()
        }
    }
}

/// The `audience` that a login names, if it does.
pub(in crate::practice) fn audience(auth0: &Auth0, parameters: &Parameters) -> Result<Vec<String>, Refusal> {
    let asked: Vec<_> = parameters.get("audience").map(str::to_owned).into_iter().collect();
    if asked.iter().all(|audience| auth0.audiences.contains(audience)) {
        Ok(asked)
    } else {
        Err(Refusal::with_status(403, "access_denied", "there is no such API")
            .because(Cause::AudienceUnknown))
    }
}

/// The `audience` that a client must name.
pub(in crate::practice) fn needed_audience(
    auth0: &Auth0,
    parameters: &Parameters,
) -> Result<Vec<String>, Refusal> {
    let asked = audience(auth0, parameters)?;
    if asked.is_empty() {
        return Err(Refusal::with_status(403, "access_denied", "no audience").because(Cause::AudienceMissing));
    }
    Ok(asked)
}

/// An answer that grants says nothing of the refresh token's life.
pub(super) fn complete(body: &mut Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("refresh_expires_in");
    }
}

pub(super) fn refused(refusal: &Refusal) -> Response {
    let (error, description) = words(refusal);
    let status = match (refusal.cause, error) {
        (Cause::SecretWrong | Cause::SecretMissing | Cause::SecretUnwanted | Cause::ClientUnknown, _) => {
            StatusCode::UNAUTHORIZED
        }
        (Cause::DeviceTooEarly { .. }, _) => StatusCode::TOO_MANY_REQUESTS,
        (_, "invalid_grant" | "unauthorized_client" | "unsupported_grant_type") => StatusCode::FORBIDDEN,
        _ => refusal.status,
    };
    unstored(status, &json!({ "error": error, "error_description": description }))
}

/// The error and its description.
pub(super) fn words(refusal: &Refusal) -> (&'static str, String) {
    let (error, description) = match refusal.cause {
        Cause::SecretWrong | Cause::SecretMissing | Cause::SecretUnwanted => {
            ("access_denied", "Unauthorized")
        }
        Cause::ClientUnknown => ("invalid_client", "Unknown client"),
        Cause::CodeUnknown | Cause::CodeTooOld | Cause::CodeReused => {
            ("invalid_grant", "Invalid authorization code")
        }
        Cause::VerifierWrong => ("invalid_grant", "Failed to verify code verifier"),
        Cause::RefreshTokenUnknown
        | Cause::RefreshTokenTooOld
        | Cause::RefreshTokenRevoked
        | Cause::RefreshTokenReused
        | Cause::GrantOfOtherClient => ("invalid_grant", "Unknown or invalid refresh token."),
        Cause::UserUnknown | Cause::PasswordWrong => ("invalid_grant", "Wrong email or password."),
        Cause::AudienceUnknown => ("access_denied", "Service not found"),
        Cause::AudienceMissing => (
            "access_denied",
            "No audience parameter was provided, and no default audience has been configured",
        ),
        Cause::DeviceUnknown => ("invalid_grant", "Invalid or expired device code."),
        _ => (refusal.error, refusal.description),
    };
    (error, description.to_owned())
}
