//! The device authorization grant (RFC 8628): asks for a user code, and polls for what the person made of it.
//!
//! Servers answer a poll with 400 as the RFC says, and with 200, 401, 403, 428 or 429 as they please: what an error
//! means here does not depend on the status that it comes with.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{
    Failure, Outcome, Refusal, Registration, Retry, Verdict,
    grant::{Wanted, push_claims},
    json::Object,
    request::{self, Form},
    response::{self, ErrorAnswer, Expected, RawAnswer},
    step_up::StepUp,
    text::clean,
};
use crate::{
    http::{HttpExchange, is_confidential},
    profile::{ClientAuth, Parameters, RequestKind},
    token::TokenSet,
};

/// What a poll presents (RFC 8628 section 3.4).
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The longest that a user code is waited for, and how long when the server does not say.
const LONGEST_LIFE: f64 = 1800.0;

/// The pause between polls when the server does not say (RFC 8628 section 3.2), and the shortest one.
const USUAL_INTERVAL: Duration = Duration::from_secs(5);
const SHORTEST_INTERVAL: f64 = 1.0;

/// Nobody types a longer code.
const LONGEST_USER_CODE: usize = 64;

/// No browser takes a much longer address, and no QR code that a camera reads holds one.
const LONGEST_PAGE: usize = 2000;

/// A device authorization: what the person is shown, and what the polls present.
#[derive(Debug)]
pub struct DeviceAuthorization {
    /// Proves at each poll that this client asked.
    pub device_code: SecretString,
    /// What the person enters.
    pub user_code: String,
    /// Where they enter it.
    pub verification_uri: String,
    /// The same with the code in it, where the server has such a page.
    pub verification_uri_complete: Option<String>,
    /// How long the codes live from the moment they were asked for.
    pub life: Duration,
    /// The pause between polls.
    pub interval: Duration,
}

/// Why there is no device authorization.
#[derive(Debug)]
pub enum NotAuthorized {
    /// Nothing was decided: try again.
    Retry(Retry),
    /// The server said no.
    Refused(Refusal),
    /// The server's answer cannot be used.
    Unusable(Failure),
}

/// What a poll found.
#[derive(Debug)]
pub enum Poll {
    /// The person agreed, and here are the tokens.
    Granted(Box<TokenSet>),
    /// The person has not decided yet.
    Pending,
    /// The same, and polls come too often.
    SlowDown {
        /// The pause that the server asks for, where it names one.
        interval: Option<Duration>,
    },
    /// The person declined.
    Denied(Failure),
    /// The codes are too old.
    Expired,
    /// Nothing was decided: try again.
    Retry(Retry),
    /// The server said no to this client.
    Refused(Refusal),
}

/// Asks for a user code (RFC 8628 section 3.1). Beside scopes and resources it says what `step_up` wants of the login;
/// a server that knows none of that at this endpoint ignores it (RFC 6749 section 3.2).
pub async fn authorize(
    exchange: &dyn HttpExchange,
    registration: &Registration,
    scopes: &[String],
    resources: &[String],
    step_up: Option<&StepUp>,
    unix_now: i64,
) -> Result<DeviceAuthorization, NotAuthorized> {
    let Some(endpoint) = &registration.device_authorization_endpoint else {
        let text = "the authorization server names no device_authorization_endpoint; write it in the profile";
        return Err(NotAuthorized::Unusable(Failure::new("invalid_metadata", text)));
    };
    let mut form = Form::default();
    let (scopes, resources) = (scopes.iter().map(String::as_str), resources.iter().map(String::as_str));
    registration.dialect.for_person(scopes, resources).push_to(&mut form);
    if let Some(step_up) = step_up {
        for (name, value) in step_up.parameters() {
            form.push(name, &value);
        }
    }
    let demands = step_up.and_then(|step_up| step_up.claims.as_ref());
    push_claims(&mut form, registration.claims(demands, false).as_ref());
    let extra = with_client_id(&registration.device_params, registration);
    let kind = RequestKind::Device;
    let sent = request::post(exchange, registration, kind, endpoint, form, &extra, unix_now).await;
    let answer = sent.map(RawAnswer::from).map_err(NotAuthorized::Retry)?;
    read(&answer).unwrap_or_else(|| Err(refusal(&answer, registration, unix_now)))
}

/// Asks what became of it (RFC 8628 section 3.4).
///
/// An error means that there was no response, or that the request could not be made.
pub async fn poll(
    exchange: &dyn HttpExchange,
    registration: &Registration,
    device_code: &SecretString,
    wanted: Wanted<'_>,
    unix_now: i64,
) -> Result<RawAnswer, Retry> {
    let mut form = Form::default();
    form.push("grant_type", GRANT_TYPE);
    form.push_secret("device_code", device_code);
    registration.dialect.for_code(wanted.resources.iter().map(String::as_str)).push_to(&mut form);
    push_claims(&mut form, registration.claims(wanted.claims, false).as_ref());
    let endpoint = &registration.token_endpoint;
    let extra = with_client_id(&registration.device_poll_params, registration);
    let kind = RequestKind::Device;
    request::post(exchange, registration, kind, endpoint, form, &extra, unix_now).await.map(RawAnswer::from)
}

/// Servers look for it in the form even when the client proves itself in a header field.
fn with_client_id(extra: &Parameters, registration: &Registration) -> Parameters {
    let mut extra = extra.clone();
    if registration.client_auth.device != ClientAuth::SecretOnly {
        extra.insert("client_id".to_owned(), registration.client_id.clone());
    }
    extra
}

/// Judges the answer to a poll. The time is the wall clock's, in Unix seconds.
pub fn judge(answer: &RawAnswer, registration: &Registration, unix_now: i64) -> Poll {
    let error = response::error(answer);
    let failure = || ErrorAnswer::failure(error.as_ref(), answer.status);
    let code = error.as_ref().map_or("", |answer| answer.error.as_str());
    match code {
        "authorization_pending" => return Poll::Pending,
        "slow_down" => {
            let text = String::from_utf8_lossy(&answer.body);
            let interval = Object::read(&text).and_then(|object| object.number("interval"));
            return Poll::SlowDown { interval: interval.and_then(pause) };
        }
        // The second is Entra's word for it.
        "access_denied" | "authorization_declined" => return Poll::Denied(failure()),
        "expired_token" => return Poll::Expired,
        _ => {}
    }
    match response::judge(answer, registration, Expected::Login { nonce: None }, unix_now) {
        Outcome::Granted(tokens) => Poll::Granted(tokens),
        Outcome::Refused(refusal) => Poll::Refused(refusal),
        Outcome::Retry(retry) => {
            // Any other clear error ends the polling (RFC 8628 section 3.5).
            if error.is_none()
                || is_busy(answer.status)
                || matches!(code, "server_error" | "temporarily_unavailable")
            {
                Poll::Retry(retry)
            } else {
                Poll::Refused(Refusal { verdict: Verdict::Misconfigured, failure: retry.failure })
            }
        }
    }
}

/// The answer, if it holds a device code.
fn read(answer: &RawAnswer) -> Option<Result<DeviceAuthorization, NotAuthorized>> {
    let text = std::str::from_utf8(&answer.body).ok()?;
    let object = Object::read(text).filter(|_| (200..300).contains(&answer.status))?;
    let device_code = object.text("device_code").filter(|code| !code.is_empty())?;
    let unusable = |what: &str| Some(Err(NotAuthorized::Unusable(Failure::new("invalid_response", what))));
    let user_code = object.text("user_code").and_then(|code| usable_code(&code));
    let Some(user_code) = user_code else {
        return unusable("the authorization server gave no user code that a person could enter");
    };
    // Google's name for it is `verification_url`.
    let uri = |uri, url| object.text(uri).or_else(|| object.text(url)).map(|text| text.to_string());
    let verification_uri = uri("verification_uri", "verification_url").filter(|uri| is_page(uri));
    let Some(verification_uri) = verification_uri else {
        return unusable(
            "the authorization server names no https address where a person could enter the code",
        );
    };
    let complete = uri("verification_uri_complete", "verification_url_complete");
    Some(Ok(DeviceAuthorization {
        device_code: SecretString::from(device_code.as_str()),
        user_code,
        verification_uri,
        verification_uri_complete: complete.filter(|uri| is_page(uri)),
        life: object
            .number("expires_in")
            .filter(|life| *life > 0.0)
            .map_or(Duration::from_secs_f64(LONGEST_LIFE), |life| {
                Duration::from_secs_f64(life.min(LONGEST_LIFE))
            }),
        interval: object.number("interval").and_then(pause).unwrap_or(USUAL_INTERVAL),
    }))
}

fn refusal(answer: &RawAnswer, registration: &Registration, unix_now: i64) -> NotAuthorized {
    let error = response::error(answer);
    let expected = Expected::Login { nonce: None };
    match response::judge(answer, registration, expected, unix_now) {
        Outcome::Retry(retry) if error.is_some() && !is_busy(answer.status) => {
            NotAuthorized::Refused(Refusal { verdict: Verdict::Misconfigured, failure: retry.failure })
        }
        Outcome::Retry(retry) => NotAuthorized::Retry(retry),
        // An error with status 200 is one of the client's, as no grant is at stake yet.
        Outcome::Refused(refusal) if refusal.verdict == Verdict::Final => {
            NotAuthorized::Refused(Refusal { verdict: Verdict::Misconfigured, ..refusal })
        }
        Outcome::Refused(refusal) => NotAuthorized::Refused(refusal),
        Outcome::Granted(_) => NotAuthorized::Unusable(Failure::new(
            "invalid_response",
            "the device_authorization_endpoint answers as a token endpoint does; correct it in the profile",
        )),
    }
}

/// Whether an error with this status is one of the moment.
fn is_busy(status: u16) -> bool {
    !(400..500).contains(&status) || matches!(status, 408 | 429)
}

/// The code as a person sees it; one with hidden characters is none.
fn usable_code(code: &str) -> Option<String> {
    let code = code.trim();
    let usable = !code.is_empty() && code.chars().count() <= LONGEST_USER_CODE && clean(code) == code;
    usable.then(|| code.to_owned())
}

/// Whether a person can be sent there: encrypted or on this machine, and what it seems to be.
fn is_page(text: &str) -> bool {
    text.len() <= LONGEST_PAGE
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && Url::parse(text)
            .is_ok_and(|url| is_confidential(&url) && url.username().is_empty() && url.password().is_none())
}

/// A pause that a server asks for. One that outlives every code is as good as its life.
fn pause(seconds: f64) -> Option<Duration> {
    (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.clamp(SHORTEST_INTERVAL, LONGEST_LIFE)))
}

#[cfg(test)]
mod tests;
