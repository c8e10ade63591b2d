//! GitHub: no metadata, errors with status 200, answers as forms unless JSON is asked for, scopes parted by commas.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::{Dialect, rename, without_openid};
use crate::practice::{
    answer::{Cause, Refusal, unstored},
    clients::{Client, ClientAuthentication},
    ledger::Entry,
    rotation::Rotation,
    settings::{DeviceFlow, Settings},
};

impl Settings {
    /// GitHub with expiring tokens: eight hours, and refresh tokens of half a year that work once.
    pub fn github() -> Self {
        use std::time::Duration;
        Self {
            dialect: Dialect::GitHub,
            access_token_life: Duration::from_hours(8),
            refresh_token_life: Some(Duration::from_hours(4416)),
            rotation: Rotation::Strict,
            device_flow: Some(DeviceFlow { error_status: 200, ..DeviceFlow::default() }),
            legacy: false,
            scopes: ["repo", "gist", "read:user"].map(str::to_owned).to_vec(),
            clients: vec![Client::public(), Client::confidential().accepting(&[ClientAuthentication::Post])],
            ..without_openid()
        }
    }
}

/// An answer that grants, in the form that the request asks for.
pub(super) fn granted(request: &Entry, mut body: Value) -> Response {
    rename(&mut body, "refresh_expires_in", "refresh_token_expires_in");
    if let Some(scope) = body["scope"].as_str() {
        body["scope"] = json!(scope.replace(' ', ","));
    }
    if body.get("token_type").is_some() {
        body["token_type"] = json!("bearer");
    }
    if let Some(fields) = body.as_object_mut() {
        fields.remove("verification_uri_complete");
    }
    answer(request, &body)
}

/// A refusal, with status 200.
pub(super) fn refused(request: &Entry, refusal: &Refusal) -> Response {
    let (error, description) = match refusal.cause {
        Cause::ClientUnknown | Cause::SecretWrong | Cause::SecretMissing | Cause::SecretUnwanted => {
            ("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
        }
        Cause::RefreshTokenUnknown
        | Cause::RefreshTokenTooOld
        | Cause::RefreshTokenRevoked
        | Cause::RefreshTokenReused
        | Cause::GrantOfOtherClient
        | Cause::Missing("refresh_token") => {
            ("bad_refresh_token", "The refresh token passed is incorrect or expired.")
        }
        Cause::CodeUnknown
        | Cause::CodeTooOld
        | Cause::CodeReused
        | Cause::VerifierWrong
        | Cause::Missing("code") => ("bad_verification_code", "The code passed is incorrect or expired."),
        Cause::RedirectUriOther => {
            ("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL.")
        }
        Cause::DeviceUnknown | Cause::Missing("device_code") => {
            ("incorrect_device_code", "The device_code provided is not valid.")
        }
        _ => (refusal.error, refusal.description),
    };
    let mut body = json!({
        "error": error,
        "error_description": description,
        "error_uri": "https://docs.github.example/errors",
    });
    if let Cause::DeviceTooEarly { interval } = refusal.cause {
        body["interval"] = json!(interval);
    }
    answer(request, &body)
}

/// JSON or a form, always with status 200.
fn answer(request: &Entry, body: &Value) -> Response {
    if request.header("accept").is_some_and(|value| value.contains("application/json")) {
        return unstored(StatusCode::OK, body);
    }
    let mut form = Serializer::new(String::new());
    for (name, value) in body.as_object().into_iter().flatten() {
        match value.as_str() {
            Some(text) => form.append_pair(name, text),
            None => form.append_pair(name, &value.to_string()),
        };
    }
    let headers = [
        (header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, form.finish()).into_response()
}
