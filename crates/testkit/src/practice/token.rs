//! The token endpoint: exchanges a code, redeems a refresh token, answers the polls of the device flow, takes client
//! credentials.

use std::time::Duration;

use axum::{Extension, extract, response::Response};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{
    State,
    answer::{Cause, Refusal},
    authorize::AuthorizationRequest,
    claims,
    clients::{Client, authenticate},
    device,
    dialect::fourinsight,
    families::{Denied, NewAccessToken},
    fresh_secret,
    grant::Grant,
    id_token::Claims,
    ledger::{Entry, Refresh, SecretKind},
    oracle::{FamilyId, Why},
    rotation::Rotation,
    scope::{self, Wanted},
    settings::User,
    site::Site,
};

/// `POST`.
pub(super) async fn token(
    extract::State(site): extract::State<Site>,
    Extension(entry): Extension<Entry>,
) -> Response {
    let dialect = &site.practice.settings().dialect;
    match redeem(&site, &entry) {
        Ok(body) => dialect.granted(&site, &entry, body),
        Err(refusal) => dialect.refused(&site, &entry, refusal),
    }
}

fn redeem(site: &Site, entry: &Entry) -> Result<Value, Refusal> {
    if entry.form.repeats_any() {
        return Err(Refusal::invalid_request("a parameter came twice"));
    }
    let settings = site.practice.settings();
    if let Some(refusal) = settings.dialect.objects_to(entry) {
        return Err(refusal);
    }
    let client = authenticate(site, entry)?;
    fourinsight::judge(settings, client, entry)?;
    match entry.form.get("grant_type") {
        Some("authorization_code") => exchange_code(site, client, entry),
        Some("refresh_token") => refresh(site, client, entry),
        Some("password") if settings.legacy => password(site, client, entry),
        Some("client_credentials") => client_credentials(site, client, entry),
        Some(device::GRANT_TYPE) => device::poll(site, client, entry),
        Some(_) => Err(Refusal::unsupported_grant_type("grant_type is none of the metadata's")),
        None => Err(Refusal::missing("grant_type", "grant_type is missing, or the body is not form-encoded")),
    }
}

fn exchange_code(site: &Site, client: &Client, entry: &Entry) -> Result<Value, Refusal> {
    let text = entry.form.get("code").ok_or(Refusal::missing("code", "code is missing"))?;
    let now = site.practice.shared.timeline.now();
    let mut guard = site.practice.state();
    let state = &mut *guard;
    let code = state
        .codes
        .get_mut(text)
        .ok_or(Refusal::invalid_grant("unknown code").because(Cause::CodeUnknown))?;
    if code.request.client_id != client.id {
        return Err(Refusal::invalid_grant("the code was issued to another client")
            .because(Cause::GrantOfOtherClient));
    }
    if let Some(family) = code.redeemed {
        state.families.revoke_family(family, now, Why::CodeReused);
        state.ledger.reused(now, family, text);
        return Err(Refusal::invalid_grant("the code was used before; all that came of it is revoked")
            .because(Cause::CodeReused));
    }
    if code.expires_at <= now {
        return Err(Refusal::invalid_grant("the code is too old").because(Cause::CodeTooOld));
    }
    if entry.form.get("redirect_uri") != code.request.redirect_uri.as_deref() {
        return Err(Refusal::invalid_grant("redirect_uri differs from the authorization request's")
            .because(Cause::RedirectUriOther));
    }
    match (&code.request.code_challenge, entry.form.get("code_verifier")) {
        (Some(challenge), Some(verifier)) if proves(verifier, challenge) => {}
        (Some(_), Some(_)) => {
            return Err(Refusal::invalid_grant("code_verifier does not match the code_challenge")
                .because(Cause::VerifierWrong));
        }
        (Some(_), None) => {
            return Err(Refusal::invalid_grant("code_verifier is missing").because(Cause::VerifierWrong));
        }
        (None, Some(_)) => {
            return Err(
                Refusal::invalid_grant("there was no code_challenge to verify").because(Cause::VerifierWrong)
            );
        }
        (None, None) => {}
    }
    let request = &code.request;
    let audience = scope::narrowed(site.practice.settings(), &entry.form, &request.resources)?;
    let claims = claims::asked(site.practice.settings(), &entry.form)?;
    let grant = Grant {
        client_id: client.id.clone(),
        subject: code.user.subject.clone(),
        scope: request.scope.clone(),
        resources: request.resources.clone(),
        claims: claims.or_else(|| request.claims.clone()),
        by_device: false,
        acr: request.acr.clone(),
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
    let (scope, claims) = (grant.scope.clone(), grant.claims.clone());
    let family = state.families.begin(grant);
    let refresh_token = site.practice.settings().dialect.gives_refresh_token(&scope).then(fresh_secret);
    if let Some(refresh_token) = &refresh_token {
        let expires_at = site.practice.settings().refresh_token_life.map(|life| now + life);
        state.families.add_refresh_token(refresh_token, family, expires_at);
        state.ledger.remember(SecretKind::RefreshToken, refresh_token);
    }
    let (body, _) = issue(site, state, family, &Wish { scope, audience, claims, nonce, refresh_token });
    (family, body)
}

fn refresh(site: &Site, client: &Client, entry: &Entry) -> Result<Value, Refusal> {
    let text = entry
        .form
        .get("refresh_token")
        .ok_or(Refusal::missing("refresh_token", "refresh_token is missing"))?;
    let now = site.practice.shared.timeline.now();
    let mut guard = site.practice.state();
    let state = &mut *guard;
    state.ledger.presented(text);
    let family = state.families.present(text, &client.id, now).map_err(|denied| match denied {
        Denied::Unknown => {
            Refusal::invalid_grant("unknown refresh token").because(Cause::RefreshTokenUnknown)
        }
        Denied::OtherClient => Refusal::invalid_grant("the refresh token was issued to another client")
            .because(Cause::GrantOfOtherClient),
        Denied::Expired => {
            Refusal::invalid_grant("the refresh token has expired").because(Cause::RefreshTokenTooOld)
        }
        Denied::Revoked => {
            Refusal::invalid_grant("the refresh token was revoked").because(Cause::RefreshTokenRevoked)
        }
        Denied::Reused(family) => {
            state.ledger.reused(now, family, text);
            Refusal::invalid_grant("the refresh token was used before").because(Cause::RefreshTokenReused)
        }
    })?;
    let settings = site.practice.settings();
    let claims = claims::asked(settings, &entry.form)?;
    let Wanted { scope, resources } = scope::of_refresh(settings, &entry.form, state.families.grant(family))?;
    // Where old ones live, a new one comes only when it is asked for.
    let comes_anew =
        settings.rotation != Rotation::NeverRevoke || settings.dialect.gives_refresh_token(&scope);
    let refresh_token = if comes_anew {
        let expires_at = settings.refresh_token_life.map(|life| now + life);
        let redeemed = state.families.redeem(text, now, expires_at, fresh_secret);
        if redeemed.is_new {
            state.ledger.remember(SecretKind::RefreshToken, &redeemed.refresh_token);
        }
        Some(redeemed.refresh_token)
    } else {
        state.families.redeem_without_successor(family, now);
        None
    };
    let successor = refresh_token.clone().unwrap_or_else(|| text.to_owned());
    let (body, access_token) =
        issue(site, state, family, &Wish { scope, audience: resources, claims, nonce: None, refresh_token });
    state.ledger.refreshed(Refresh {
        at: now,
        family,
        refresh_token: text.to_owned(),
        successor,
        access_token,
    });
    Ok(body)
}

/// RFC 6749 section 4.3.2.
fn password(site: &Site, client: &Client, entry: &Entry) -> Result<Value, Refusal> {
    let settings = site.practice.settings();
    let (Some(username), Some(password)) = (entry.form.get("username"), entry.form.get("password")) else {
        return Err(Refusal::missing("username", "username or password is missing"));
    };
    let user = settings.users.iter().find(|user| user.username == username);
    let refuse = |cause| Refusal::invalid_grant("unknown user or wrong password").because(cause);
    let user = user.ok_or(refuse(Cause::UserUnknown))?;
    if user.password != password {
        return Err(refuse(Cause::PasswordWrong));
    }
    let wanted = scope::of_person(settings, &entry.form)?;
    let grant = Grant {
        client_id: client.id.clone(),
        subject: user.subject.clone(),
        scope: wanted.scope,
        resources: wanted.resources.clone(),
        claims: claims::asked(settings, &entry.form)?,
        by_device: false,
        acr: None,
        signed_in_at: site.practice.shared.timeline.unix_now(),
    };
    Ok(begin(site, &mut site.practice.state(), grant, wanted.resources, None).1)
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
        claims: request.claims.clone(),
        by_device: false,
        acr: request.acr.clone(),
        signed_in_at: site.practice.shared.timeline.unix_now(),
    });
    let wish = Wish {
        scope: request.scope.clone(),
        audience: request.resources.clone(),
        claims: request.claims.clone(),
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
    let Wanted { scope, resources: audience } = scope::of_client(site.practice.settings(), &entry.form)?;
    let claims = claims::asked(site.practice.settings(), &entry.form)?;
    let mut guard = site.practice.state();
    let state = &mut *guard;
    let now = site.practice.shared.timeline.unix_now();
    let family = state.families.begin(Grant::of_client(&client.id, &scope, now));
    Ok(issue(site, state, family, &Wish { scope, audience, claims, nonce: None, refresh_token: None }).0)
}

/// What an answer is to hold beside the access token.
struct Wish {
    scope: Vec<String>,
    audience: Vec<String>,
    claims: Option<Value>,
    nonce: Option<String>,
    refresh_token: Option<String>,
}

/// Issues an access token, and an ID token where one is due: RFC 6749 section 5.1.
fn issue(site: &Site, state: &mut State, family: FamilyId, wish: &Wish) -> (Value, String) {
    let settings = site.practice.settings();
    let timeline = &site.practice.shared.timeline;
    let secret = fresh_secret();
    let access_token = format!("{secret:A>length$}", length = settings.access_token_length);
    state.families.add_access_token(
        &access_token,
        family,
        NewAccessToken {
            scope: wish.scope.clone(),
            audience: wish.audience.clone(),
            claims: wish.claims.clone(),
            issued_at: timeline.unix_now(),
            expires_at: timeline.now() + settings.access_token_life,
        },
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
        let user = settings.users.iter().find(|user| user.subject == grant.subject);
        let claims = Claims {
            issuer: &site.issuer,
            grant,
            name: user.map(|user| &*user.name),
            nonce: wish.nonce.as_deref(),
            issued_at: timeline.unix_now(),
            life: settings.access_token_life.max(Duration::from_mins(1)),
            access_token: &access_token,
        };
        let mut claims = claims.to_json();
        settings.dialect.complete_claims(&mut claims, user);
        let id_token = site.practice.shared.signing_key.sign(&claims);
        state.ledger.remember(SecretKind::IdToken, &id_token);
        body["id_token"] = json!(id_token);
    }
    (body, access_token)
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
