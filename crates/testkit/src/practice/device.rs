//! The device flow (RFC 8628): the device authorization endpoint, the page where the person enters the code, and what
//! the token endpoint makes of the polls.

use std::time::Duration;

use axum::{
    Extension,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    answer::{Cause, Refusal},
    claims,
    clients::{Client, authenticate},
    fresh_secret,
    grant::Grant,
    ledger::{Entry, SecretKind},
    oracle::{FamilyId, Why},
    page, scope,
    settings::DeviceFlow,
    site::{Endpoint, Site},
    timeline::Moment,
    token,
};

/// What a poll presents.
pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What a poll that comes too early adds to the interval (RFC 8628 section 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// Letters that make no words and are not taken for one another (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// A device authorization as the server remembers it.
pub(super) struct DeviceCode {
    client_id: String,
    scope: Vec<String>,
    resources: Vec<String>,
    user_code: String,
    expires_at: Moment,
    /// The shortest pause between polls, and when the last one came.
    interval: Duration,
    polled_at: Option<Moment>,
    decision: Decision,
}

enum Decision {
    Open,
    Denied,
    Allowed { subject: String, signed_in_at: u64 },
    Redeemed(FamilyId),
}

/// `POST /device_authorization`.
pub(super) async fn authorize(State(site): State<Site>, Extension(entry): Extension<Entry>) -> Response {
    let dialect = &site.practice.settings().dialect;
    match begin(&site, &entry) {
        Ok(body) => dialect.device_code(&entry, body),
        Err(refusal) => dialect.refused(&site, &entry, refusal),
    }
}

/// `GET /device`: asks for the code, or shows who asks with it.
pub(super) async fn show(State(site): State<Site>, Extension(entry): Extension<Entry>) -> Response {
    let Some(typed) = entry.query.get("user_code") else {
        return html(StatusCode::OK, page::user_code(&entry.path, None));
    };
    let settings = site.practice.settings();
    let now = site.practice.shared.timeline.now();
    let mut guard = site.practice.state();
    let state = &mut *guard;
    let open = state.device_codes.values().find(|device| {
        device.user_code == normal(typed)
            && device.expires_at > now
            && matches!(device.decision, Decision::Open)
    });
    let Some(device) = open else {
        return html(
            StatusCode::BAD_REQUEST,
            page::user_code(&entry.path, Some("There is no such code, or it is too old.")),
        );
    };
    let form = fresh_secret();
    let client = settings.clients.iter().find(|client| client.id == device.client_id);
    let shown = page::login(&page::Login {
        client: client.map_or(device.client_id.as_str(), |client| &client.name),
        scope: &device.scope,
        resources: &device.resources,
        users: &settings.users,
        chosen: None,
        action: &entry.path,
        user_code: Some(&device.user_code),
        form: &form,
    });
    state.device_forms.insert(form, device.user_code.clone());
    html(StatusCode::OK, shown)
}

/// `POST /device`: the person's decision. Each page can be answered once.
pub(super) async fn decide(State(site): State<Site>, Extension(entry): Extension<Entry>) -> Response {
    let settings = site.practice.settings();
    let user = settings.users.iter().find(|user| Some(user.username.as_str()) == entry.form.get("user"));
    let decision = match (entry.form.get("decision"), user) {
        (Some("deny"), _) => Decision::Denied,
        (Some("allow"), Some(user)) => Decision::Allowed {
            subject: user.subject.clone(),
            signed_in_at: site.practice.shared.timeline.unix_now(),
        },
        _ => return problem("The form came back without a decision or a user. Go back and choose."),
    };
    let allowed = matches!(decision, Decision::Allowed { .. });
    let mut guard = site.practice.state();
    let state = &mut *guard;
    let user_code = entry.form.get("form").and_then(|form| state.device_forms.remove(form));
    let device = state.device_codes.values_mut().find(|device| Some(&device.user_code) == user_code.as_ref());
    let Some(device) = device.filter(|device| matches!(device.decision, Decision::Open)) else {
        return problem("This page was answered before, or is not ours. Enter the code again.");
    };
    device.decision = decision;
    html(StatusCode::OK, page::device_done(allowed))
}

/// A poll at the token endpoint.
pub(super) fn poll(site: &Site, client: &Client, entry: &Entry) -> Result<Value, Refusal> {
    let flow = site.practice.settings().device_flow.as_ref();
    let flow = flow.ok_or(Refusal::unsupported_grant_type("there is no device flow here"))?;
    let text =
        entry.form.get("device_code").ok_or(Refusal::missing("device_code", "device_code is missing"))?;
    let now = site.practice.shared.timeline.now();
    let mut guard = site.practice.state();
    let state = &mut *guard;
    let device = state
        .device_codes
        .get_mut(text)
        .ok_or(Refusal::invalid_grant("unknown device code").because(Cause::DeviceUnknown))?;
    if device.client_id != client.id {
        return Err(Refusal::invalid_grant("the device code was issued to another client")
            .because(Cause::GrantOfOtherClient));
    }
    let refuse = |error, description, cause| {
        Err(Refusal::with_status(flow.error_status, error, description).because(cause))
    };
    let too_early =
        flow.slows_down && device.polled_at.is_some_and(|polled_at| now < polled_at + device.interval);
    device.polled_at = Some(now);
    if let Decision::Redeemed(family) = device.decision {
        state.families.revoke_family(family, now, Why::CodeReused);
        state.ledger.reused(now, family, text);
        return Err(Refusal::invalid_grant(
            "the device code was used before; all that came of it is revoked",
        ));
    }
    if device.expires_at <= now {
        return refuse("expired_token", "the device code is too old", Cause::DeviceTooOld);
    }
    if too_early {
        device.interval += SLOWER;
        let interval = device.interval.as_secs();
        return refuse("slow_down", "polls come too often", Cause::DeviceTooEarly { interval });
    }
    let (subject, signed_in_at) = match &device.decision {
        Decision::Allowed { subject, signed_in_at } => (subject.clone(), *signed_in_at),
        Decision::Denied => return refuse("access_denied", "the person declined", Cause::DeviceDenied),
        Decision::Open | Decision::Redeemed(_) => {
            return refuse("authorization_pending", "the person has not decided yet", Cause::DevicePending);
        }
    };
    let audience = scope::narrowed(site.practice.settings(), &entry.form, &device.resources)?;
    let claims = claims::asked(site.practice.settings(), &entry.form)?;
    let grant = Grant {
        client_id: client.id.clone(),
        subject,
        scope: device.scope.clone(),
        resources: device.resources.clone(),
        claims,
        by_device: true,
        acr: None,
        signed_in_at,
    };
    let (family, body) = token::begin(site, state, grant, audience, None);
    if let Some(device) = state.device_codes.get_mut(text) {
        device.decision = Decision::Redeemed(family);
    }
    Ok(body)
}

fn begin(site: &Site, entry: &Entry) -> Result<Value, Refusal> {
    let settings = site.practice.settings();
    let flow = settings.device_flow.as_ref();
    let flow = flow.ok_or(Refusal::invalid_request("there is no device flow here"))?;
    if entry.form.repeats_any() {
        return Err(Refusal::invalid_request("a parameter came twice"));
    }
    if let Some(refusal) = settings.dialect.objects_to(entry) {
        return Err(refusal);
    }
    let client = authenticate(site, entry)?;
    if entry.form.get("client_id").is_none() {
        return Err(Refusal::missing("client_id", "client_id is missing"));
    }
    let wanted = scope::of_person(settings, &entry.form)?;
    let (device_code, user_code) = (fresh_secret(), fresh_user_code());
    let body = answer(site, flow, &device_code, &user_code);
    let device = DeviceCode {
        client_id: client.id.clone(),
        scope: wanted.scope,
        resources: wanted.resources,
        user_code,
        expires_at: site.practice.shared.timeline.now() + flow.code_life,
        interval: flow.interval,
        polled_at: None,
        decision: Decision::Open,
    };
    let mut state = site.practice.state();
    state.ledger.remember(SecretKind::DeviceCode, &device_code);
    state.device_codes.insert(device_code, device);
    Ok(body)
}

/// RFC 8628 section 3.2, or Google's words for it.
fn answer(site: &Site, flow: &DeviceFlow, device_code: &str, user_code: &str) -> Value {
    let uri = site.uri(Endpoint::DeviceVerification);
    let mut body = json!({
        "device_code": device_code,
        "user_code": user_code,
        "interval": flow.interval.as_secs(),
    });
    if flow.verification_url {
        body["verification_url"] = json!(uri);
    } else {
        body["verification_uri_complete"] = json!(format!("{uri}?user_code={user_code}"));
        body["verification_uri"] = json!(uri);
    }
    if flow.announces_expiry {
        body["expires_in"] = json!(flow.code_life.as_secs());
    }
    body
}

/// A user code of 20^8 possible ones, as `WDJB-MJHT`.
fn fresh_user_code() -> String {
    let random = ring::rand::SystemRandom::new();
    let mut letters = String::with_capacity(9);
    while letters.len() < 9 {
        let bytes = ring::rand::generate::<[u8; 8]>(&random)
            .expect("the system's random numbers never run out")
            .expose();
        // The last 16 of 256 values would make some letters likelier than others.
        for byte in bytes.into_iter().filter(|byte| *byte < 240) {
            if letters.len() == 4 {
                letters.push('-');
            }
            if letters.len() < 9 {
                letters.push(char::from(LETTERS[usize::from(byte % 20)]));
            }
        }
    }
    letters
}

/// What was typed as the code is written: case and dash do not matter.
fn normal(typed: &str) -> String {
    let letters: String =
        typed.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect();
    match letters.split_at_checked(4) {
        Some((head, tail)) => format!("{head}-{tail}"),
        None => letters,
    }
}

fn problem(text: &str) -> Response {
    html(StatusCode::BAD_REQUEST, page::problem(text))
}

fn html(status: StatusCode, page: String) -> Response {
    (status, page::HEADERS, Html(page)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_code_is_read_however_it_is_typed() {
        let code = fresh_user_code();
        assert_eq!(code.len(), 9);
        assert_eq!(normal(&code), code);
        assert_eq!(normal(&format!(" {} ", code.to_lowercase().replace('-', ""))), code);
        assert_ne!(fresh_user_code(), code);
    }
}
