//! Entra's refusals: an `AADSTS` number, ids to find the request by, and words.

use axum::{
    http::{HeaderValue, StatusCode},
    response::Response,
};
use serde_json::json;

use super::entra::{Entra, Lacks, fresh_guid};
use crate::practice::{
    answer::{Cause, Refusal, unstored},
    ledger::Entry,
    site::Site,
};

/// The answer of the token and device authorization endpoints.
pub(super) fn refused(entra: &Entra, site: &Site, request: &Entry, refusal: &Refusal) -> Response {
    let said = Said::new(entra, site, request, refusal);
    let mut body = json!({
        "error": said.error,
        "error_description": said.description,
        "error_codes": [said.code],
        "timestamp": said.timestamp,
        "trace_id": said.trace_id,
        "correlation_id": said.correlation_id,
        "error_uri": format!("{}/error?code={}", site.origin, said.code),
    });
    match refusal.cause {
        Cause::Guarded(index) => match &entra.guarded[index].lacks {
            Lacks::Proof { suberror, claims } => {
                body["suberror"] = json!(suberror);
                body["claims"] = json!(claims);
            }
            Lacks::Consent => body["suberror"] = json!("consent_required"),
        },
        Cause::RefreshTokenRevoked => body["suberror"] = json!("bad_token"),
        Cause::RefreshTokenTooOld => body["suberror"] = json!("token_expired"),
        Cause::GrantOfOtherClient => body["suberror"] = json!("client_mismatch"),
        _ => {}
    }
    let mut response = unstored(said.status, &body);
    let headers = response.headers_mut();
    for (name, value) in [("x-ms-request-id", &said.trace_id), ("client-request-id", &said.correlation_id)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

/// What a callback says.
pub(super) fn words(
    entra: &Entra,
    site: &Site,
    request: &Entry,
    refusal: &Refusal,
) -> (&'static str, String) {
    let said = Said::new(entra, site, request, refusal);
    (said.error, said.description)
}

/// One refusal, worded.
struct Said {
    code: u32,
    status: StatusCode,
    error: &'static str,
    description: String,
    timestamp: String,
    trace_id: String,
    correlation_id: String,
}

impl Said {
    fn new(entra: &Entra, site: &Site, request: &Entry, refusal: &Refusal) -> Self {
        let (code, error, text) = diagnosis(entra, request, refusal);
        let status =
            if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        let timestamp = timestamp(&site.practice.shared.timeline.http_date());
        let trace_id = fresh_guid();
        let sent = request.header("client-request-id").or_else(|| request.query.get("client-request-id"));
        let correlation_id = sent.map_or_else(fresh_guid, str::to_owned);
        let description = format!(
            "AADSTS{code}: {text} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}"
        );
        Self { code, status, error, description, timestamp, trace_id, correlation_id }
    }
}

/// The number, the error and the text of a refusal.
fn diagnosis(entra: &Entra, request: &Entry, refusal: &Refusal) -> (u32, &'static str, String) {
    let (code, error, text) = match refusal.cause {
        Cause::Guarded(index) => lack(&entra.guarded[index].lacks),
        _ => wording(refusal),
    };
    let guarded = match refusal.cause {
        Cause::Guarded(index) => entra.guarded[index].resource.as_str(),
        _ => "",
    };
    let missing = match refusal.cause {
        Cause::Missing(name) => name,
        _ => "",
    };
    let text = [
        ("{client}", request.parameter("client_id").unwrap_or("unknown")),
        ("{scope}", request.parameter("scope").unwrap_or_default()),
        ("{tenant}", &entra.tenant.domain),
        ("{guarded}", guarded),
        ("{missing}", missing),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (place, value)| text.replace(place, value));
    (code, error, text)
}

/// What is said of a resource that wants something of the person.
fn lack(lacks: &Lacks) -> (u32, &'static str, &'static str) {
    match lacks {
        Lacks::Proof { .. } => {
            (50_076, "interaction_required", "'{guarded}' wants multi-factor authentication of the user.")
        }
        Lacks::Consent => (
            65_001,
            "invalid_grant",
            "The user or administrator has not consented to use '{guarded}' with the application '{client}'.",
        ),
    }
}

/// The same, with places in the text for what only the request knows.
fn wording(refusal: &Refusal) -> (u32, &'static str, &'static str) {
    const CLIENT: &str = "invalid_client";
    const GRANT: &str = "invalid_grant";
    const REQUEST: &str = "invalid_request";
    const SCOPE: &str = "invalid_scope";
    match refusal.cause {
        Cause::Missing(_) => (900_144, REQUEST, "The request body must contain the parameter '{missing}'."),
        Cause::TenantUnknown => (90_002, REQUEST, "Tenant not found."),
        Cause::ClientUnknown => (
            700_016,
            "unauthorized_client",
            "Application '{client}' was not found in the directory '{tenant}'.",
        ),
        Cause::SecretWrong => (7_000_215, CLIENT, "Invalid client secret provided for the app '{client}'."),
        Cause::SecretMissing => {
            (7_000_218, CLIENT, "The request must contain 'client_assertion' or 'client_secret'.")
        }
        Cause::SecretUnwanted => {
            (700_025, CLIENT, "Client is public: neither 'client_assertion' nor 'client_secret' may be sent.")
        }
        Cause::AssertionWrong => {
            (700_027, CLIENT, "The signature of the client assertion, or its certificate, is not the app's.")
        }
        Cause::AssertionTooOld => (700_024, CLIENT, "Client assertion is not within its valid time range."),
        Cause::RedirectUriOther => (500_112, CLIENT, "The reply address is not the authorization request's."),
        Cause::CodeTooOld => (70_008, GRANT, "The authorization code or refresh token has expired."),
        Cause::CodeReused => (54_005, GRANT, "The authorization code was already redeemed."),
        Cause::VerifierWrong => (501_481, GRANT, "The Code_Verifier does not match the code_challenge."),
        Cause::CodeUnknown | Cause::RefreshTokenUnknown => {
            (9_002_313, GRANT, "Request is malformed or invalid.")
        }
        Cause::RefreshTokenTooOld => (700_082, GRANT, "The refresh token has expired due to inactivity."),
        Cause::RefreshTokenRevoked | Cause::RefreshTokenReused => {
            (50_173, GRANT, "The provided grant has expired due to it being revoked.")
        }
        Cause::GrantOfOtherClient => (70_000, GRANT, "The grant was issued to another application."),
        Cause::UserUnknown => (50_034, GRANT, "The user does not exist in the directory '{tenant}'."),
        Cause::PasswordWrong => (50_126, GRANT, "Invalid username or password."),
        Cause::GrantTypeUnknown => (70_003, "unsupported_grant_type", "The grant type is not supported."),
        Cause::ScopeUnknown => (70_011, SCOPE, "The scope '{scope}' is not valid."),
        Cause::ScopeMixed => (70_011, SCOPE, "'.default' can't be combined with other scopes of a resource."),
        Cause::ScopeOfSeveralResources => (28_000, REQUEST, "'{scope}' contains more than one resource."),
        Cause::ScopeNotOfDevice => {
            (70_000, GRANT, "One or more scopes requested are unauthorized or expired.")
        }
        Cause::ScopeNotOfClient => {
            (1_002_012, SCOPE, "'{scope}' is not valid: clients ask with '/.default'.")
        }
        Cause::ResourceUnknown => {
            (500_011, "invalid_resource", "The resource of '{scope}' was not found in the tenant '{tenant}'.")
        }
        Cause::ResourceUnwanted => {
            (9_010_010, "invalid_target", "The resource parameter doesn't match with the requested scopes.")
        }
        Cause::DevicePending | Cause::DeviceTooEarly { .. } => {
            (70_016, "authorization_pending", "Device flow: authorization is pending. Continue polling.")
        }
        Cause::DeviceDenied => (70_018, "authorization_declined", "The user declined."),
        Cause::DeviceTooOld => (70_020, "expired_token", "This device code has expired."),
        Cause::DeviceUnknown => (70_018, "bad_verification_code", "The device code is not valid."),
        Cause::Guarded(_) | Cause::AudienceMissing | Cause::AudienceUnknown | Cause::Other => {
            (900_023, refusal.error, refusal.description)
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` as Entra writes it: `1994-11-06 08:49:37Z`.
fn timestamp(http_date: &str) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = http_date.split_ascii_whitespace().skip(1);
    let mut next = || words.next().unwrap_or_default();
    let (day, month, year, time) = (next(), next(), next(), next());
    let month = MONTHS.iter().position(|name| *name == month).map_or(0, |index| index + 1);
    format!("{year}-{month:02}-{day} {time}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_rewritten() {
        assert_eq!(timestamp("Sun, 06 Nov 1994 08:49:37 GMT"), "1994-11-06 08:49:37Z");
    }
}
