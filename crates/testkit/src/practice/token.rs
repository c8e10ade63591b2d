//! The token endpoint: exchanges a code, redeems a refresh token, answers the polls of the device flow, takes client
//! credentials.

use std::time::Duration;

use axum::{
    Extension, extract,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{
    State,
    answer::{Refusal, unstored},
    authorize::{AuthorizationRequest, is_resource, words},
    clients::{Client, authenticate},
    device, fresh_secret,
    id_token::Claims,
    ledger::{Entry, Refresh, SecretKind},
    rotation::{Denied, FamilyId, Grant},
    settings::User,
    site::Site,
};

/// `POST`.
pub(super) async fn token(
    extract::State(site): extract::State<Site>,
    Extension(entry): Extension<Entry>,
) -> Response {
    match redeem(&site, &entry) {
        Ok(body) => unstored(StatusCode::OK, &body),
        Err(refusal) => refusal.into_response(),
    }
}

fn redeem(site: &Site, entry: &Entry) -> Result<Value, Refusal> {
    if entry.form.repeats_any() {
        return Err(Refusal::invalid_request("a parameter came twice"));
    }
    let client = authenticate(site, entry)?;
    match entry.form.get("grant_type") {
        Some("authorization_code") => exchange_code(site, client, entry),
        Some("refresh_token") => refresh(site, client, entry),
        Some("password") if site.practice.settings().legacy => password(site, client, entry),
        Some("client_credentials") => client_credentials(site, client, entry),
        Some(device::GRANT_TYPE) => device::poll(site, client, entry),
        Some(_) => Err(Refusal::unsupported_grant_type("grant_type is none of the metadata's")),
        None => Err(Refusal::invalid_request("grant_type is missing, or the body is not form-encoded")),
    }
}

fn exchange_code(site: &Site, client: &Client, entry: &Entry) -> Result<Value, Refusal> {
    let text = entry.form.get("code").ok_or(Refusal::invalid_request("code is missing"))?;
    let now = site.practice.shared.timeline.now();
    let mut guard = site.practice.state();
    let state = &mut *guard;
    let code = state.codes.get_mut(text).ok_or(Refusal::invalid_grant("unknown code"))?;
    if code.request.client_id != client.id {
        return Err(Refusal::invalid_grant("the code was issued to another client"));
    }
    if let Some(family) = code.redeemed {
        state.families.revoke_family(family);
        state.ledger.reused(now, text);
        return Err(Refusal::invalid_grant("the code was used before; all that came of it is revoked"));
    }
    if code.expires_at <= now {
        return Err(Refusal::invalid_grant("the code is too old"));
    }
    if entry.form.get("redirect_uri") != code.request.redirect_uri.as_deref() {
        return Err(Refusal::invalid_grant("redirect_uri differs from the authorization request's"));
    }
    match (&code.request.code_challenge, entry.form.get("code_verifier")) {
        (Some(challenge), Some(verifier)) if proves(verifier, challenge) => {}
        (Some(_), Some(_)) => {
            return Err(Refusal::invalid_grant("code_verifier does not match the code_challenge"));
        }
        (Some(_), None) => return Err(Refusal::invalid_grant("code_verifier is missing")),
        (None, Some(_)) => return Err(Refusal::invalid_grant("there was no code_challenge to verify")),
        (None, None) => {}
    }
    let request = &code.request;
    let audience = narrowed_audience(entry, &request.resources)?;
    let grant = Grant {
        client_id: client.id.clone(),
        subject: code.user.subject.clone(),
        scope: request.scope.clone(),
        resources: request.resources.clone(),
        signed_in_at: code.signed_in_at,
    };
    let nonce = request.nonce.clone();
    let (family, body) = begin(site, state, grant, audience, nonce);
    if let Some(code) = state.codes.get_mut(text) {
        code.redeemed = Some(family);
    }
    Ok(body)
}

/// Begins a family with its first tokens.
pub(super) fn begin(
    site: &Site,
    state: &mut State,
    grant: Grant,
    audience: Vec<String>,
    nonce: Option<String>,
) -> (FamilyId, Value) {
    let now = site.practice.shared.timeline.now();
    let scope = grant.scope.clone();
    let family = state.families.begin(grant);
    let refresh_token = scope.iter().any(|word| word == "offline_access").then(fresh_secret);
    if let Some(refresh_token) = &refresh_token {
        let expires_at = site.practice.settings().refresh_token_life.map(|life| now + life);
        state.families.add_refresh_token(refresh_token, family, expires_at);
        state.ledger.remember(SecretKind::RefreshToken, refresh_token);
    }
    let (body, _) = issue(site, state, family, &Wish { scope, audience, nonce, refresh_token });
    (family, body)
}

fn refresh(site: &Site, client: &Client, entry: &Entry) -> Result<Value, Refusal> {
    let text = entry.form.get("refresh_token").ok_or(Refusal::invalid_request("refresh_token is missing"))?;
    let now = site.practice.shared.timeline.now();
    let mut guard = site.practice.state();
    let state = &mut *guard;
    state.ledger.presented(text);
    let family = state.families.present(text, &client.id, now).map_err(|denied| match denied {
        Denied::Unknown => Refusal::invalid_grant("unknown refresh token"),
        Denied::OtherClient => Refusal::invalid_grant("the refresh token was issued to another client"),
        Denied::Expired => Refusal::invalid_grant("the refresh token has expired"),
        Denied::Revoked => Refusal::invalid_grant("the refresh token was revoked"),
        Denied::Reused => {
            state.ledger.reused(now, text);
            Refusal::invalid_grant("the refresh token was used before; its whole family is revoked")
        }
    })?;
    let grant = state.families.grant(family);
    let scope = match words(entry.form.get("scope")) {
        nothing if nothing.is_empty() => grant.scope.clone(),
        narrowed if narrowed.iter().all(|word| grant.scope.contains(word)) => narrowed,
        _ => return Err(Refusal::invalid_scope("scope goes beyond what was granted")),
    };
    let audience = narrowed_audience(entry, &grant.resources)?;
    let successor = fresh_secret();
    let expires_at = site.practice.settings().refresh_token_life.map(|life| now + life);
    state.families.rotate(text, &successor, expires_at);
    state.ledger.remember(SecretKind::RefreshToken, &successor);
    let wish = Wish { scope, audience, nonce: None, refresh_token: Some(successor.clone()) };
    let (body, access_token) = issue(site, state, family, &wish);
    state.ledger.refreshed(Refresh { at: now, refresh_token: text.to_owned(), successor, access_token });
    Ok(body)
}

/// RFC 6749 section 4.3.2.
fn password(site: &Site, client: &Client, entry: &Entry) -> Result<Value, Refusal> {
    let settings = site.practice.settings();
    let (Some(username), Some(password)) = (entry.form.get("username"), entry.form.get("password")) else {
        return Err(Refusal::invalid_request("username or password is missing"));
    };
    let user = settings.users.iter().find(|user| user.username == username && user.password == password);
    let user = user.ok_or(Refusal::invalid_grant("unknown user or wrong password"))?;
    let scope = words(entry.form.get("scope"));
    if scope.iter().any(|word| !settings.scopes.contains(word)) {
        return Err(Refusal::invalid_scope("unknown scope"));
    }
    let resources = narrowed_audience(entry, &[])?;
    let timeline = &site.practice.shared.timeline;
    let mut guard = site.practice.state();
    let state = &mut *guard;
    let family = state.families.begin(Grant {
        client_id: client.id.clone(),
        subject: user.subject.clone(),
        scope: scope.clone(),
        resources: resources.clone(),
        signed_in_at: timeline.unix_now(),
    });
    let refresh_token = scope.iter().any(|word| word == "offline_access").then(fresh_secret);
    if let Some(refresh_token) = &refresh_token {
        let expires_at = settings.refresh_token_life.map(|life| timeline.now() + life);
        state.families.add_refresh_token(refresh_token, family, expires_at);
        state.ledger.remember(SecretKind::RefreshToken, refresh_token);
    }
    let wish = Wish { scope, audience: resources, nonce: None, refresh_token };
    Ok(issue(site, state, family, &wish).0)
}

/// An access token of the implicit grant (RFC 6749 section 4.2.2), and its life.
pub(super) fn issue_implicitly(
    site: &Site,
    request: &AuthorizationRequest,
    user: &User,
) -> (String, Duration) {
    let mut guard = site.practice.state();
    let state = &mut *guard;
    let family = state.families.begin(Grant {
        client_id: request.client_id.clone(),
        subject: user.subject.clone(),
        scope: request.scope.clone(),
        resources: request.resources.clone(),
        signed_in_at: site.practice.shared.timeline.unix_now(),
    });
    let wish = Wish {
        scope: request.scope.clone(),
        audience: request.resources.clone(),
        nonce: None,
        refresh_token: None,
    };
    let (_, access_token) = issue(site, state, family, &wish);
    (access_token, site.practice.settings().access_token_life)
}

/// RFC 6749 section 4.4: an access token for the client itself, and nothing beside it.
fn client_credentials(site: &Site, client: &Client, entry: &Entry) -> Result<Value, Refusal> {
    if client.is_public() {
        return Err(Refusal::unauthorized_client("a public client has no credentials to sign in with"));
    }
    let settings = site.practice.settings();
    let scope = words(entry.form.get("scope"));
    let for_people = ["openid", "profile", "email", "offline_access"];
    if scope.iter().any(|word| !settings.scopes.contains(word) || for_people.contains(&word.as_str())) {
        return Err(Refusal::invalid_scope("a client has no such scope of its own"));
    }
    let audience = narrowed_audience(entry, &[])?;
    let mut guard = site.practice.state();
    let state = &mut *guard;
    let family = state.families.begin(Grant {
        client_id: client.id.clone(),
        subject: client.id.clone(),
        scope: scope.clone(),
        resources: vec![],
        signed_in_at: site.practice.shared.timeline.unix_now(),
    });
    Ok(issue(site, state, family, &Wish { scope, audience, nonce: None, refresh_token: None }).0)
}

/// What an answer is to hold beside the access token.
struct Wish {
    scope: Vec<String>,
    audience: Vec<String>,
    nonce: Option<String>,
    refresh_token: Option<String>,
}

/// Issues an access token, and an ID token where one is due: RFC 6749 section 5.1.
fn issue(site: &Site, state: &mut State, family: FamilyId, wish: &Wish) -> (Value, String) {
    let settings = site.practice.settings();
    let timeline = &site.practice.shared.timeline;
    let access_token = fresh_secret();
    state.families.add_access_token(
        &access_token,
        family,
        wish.scope.clone(),
        wish.audience.clone(),
        timeline.now() + settings.access_token_life,
    );
    state.ledger.remember(SecretKind::AccessToken, &access_token);
    let mut body = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": settings.access_token_life.as_secs(),
        "scope": wish.scope.join(" "),
    });
    if let Some(refresh_token) = &wish.refresh_token {
        body["refresh_token"] = json!(refresh_token);
        if let Some(life) = settings.refresh_token_life {
            body["refresh_expires_in"] = json!(life.as_secs());
        }
    }
    if settings.id_tokens && wish.scope.iter().any(|word| word == "openid") {
        let grant = state.families.grant(family);
        let claims = Claims {
            issuer: &site.issuer,
            grant,
            name: settings.users.iter().find(|user| user.subject == grant.subject).map(|user| &*user.name),
            nonce: wish.nonce.as_deref(),
            issued_at: timeline.unix_now(),
            life: settings.access_token_life.max(Duration::from_mins(1)),
            access_token: &access_token,
        };
        let id_token = site.practice.shared.signing_key.sign(&claims.to_json());
        state.ledger.remember(SecretKind::IdToken, &id_token);
        body["id_token"] = json!(id_token);
    }
    (body, access_token)
}

/// The resources that the access token is for (RFC 8707 section 2.2).
pub(super) fn narrowed_audience(entry: &Entry, granted: &[String]) -> Result<Vec<String>, Refusal> {
    let asked: Vec<_> = entry.form.all("resource").map(str::to_owned).collect();
    if asked.iter().any(|resource| !is_resource(resource)) {
        return Err(Refusal::invalid_target("a resource is an absolute URI without a fragment"));
    }
    if !granted.is_empty() && asked.iter().any(|resource| !granted.contains(resource)) {
        return Err(Refusal::invalid_target("the login did not name this resource"));
    }
    Ok(if asked.is_empty() { granted.to_vec() } else { asked })
}

/// RFC 7636 section 4.6, for S256.
fn proves(code_verifier: &str, code_challenge: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&code_verifier.len())
        && code_verifier.bytes().all(unreserved)
        && URL_SAFE_NO_PAD.encode(digest(&SHA256, code_verifier.as_bytes())) == code_challenge
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkce_agrees_with_the_example_of_rfc_7636() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(proves(verifier, challenge));
        assert!(!proves(&verifier.replace('d', "e"), challenge));
        assert!(!proves(challenge, challenge));
        assert!(!proves("short", &URL_SAFE_NO_PAD.encode(digest(&SHA256, b"short"))));
    }
}
