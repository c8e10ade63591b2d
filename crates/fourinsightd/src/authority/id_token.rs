//! Who signed in: by an ID token (OpenID Connect Core section 3.1.3.7) or by the userinfo endpoint (section 5.3).
//!
//! An ID token is taken without its signature, because it comes straight from the token endpoint over a
//! connection that proves who the server is (item 6 of the same section). Its claims are checked all the same.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;
use zeroize::Zeroizing;

use super::{Registration, issuer, json::Object, text::clean};
use crate::{
    http::{BODY_LIMIT, HttpExchange, HttpRequest},
    token::{AccessToken, Person},
};

/// How far the server's clock and the token's may be apart, in seconds.
const LEEWAY: f64 = 300.0;

/// The longest subject identifier (OpenID Connect Core section 2 allows 255).
const SUBJECT_LIMIT: usize = 1024;

/// The longest hint that is kept: it becomes a part of an address.
const HINT_LIMIT: usize = 512;

/// How long the userinfo endpoint may take.
const USERINFO_LIMIT: Duration = Duration::from_secs(10);

/// Asks the userinfo endpoint who signed in. Whatever goes wrong, the person is just not known.
///
/// With an expected subject any other is refused (OpenID Connect Core section 5.3.2).
pub async fn userinfo(
    exchange: &dyn HttpExchange,
    registration: &Registration,
    access_token: &AccessToken,
    expected_subject: Option<&str>,
) -> Option<Person> {
    let url = Url::parse(registration.userinfo_endpoint.as_deref()?).ok()?;
    let bearer = Zeroizing::new(format!("Bearer {}", access_token.expose()));
    let mut authorization = HeaderValue::from_str(&bearer).ok()?;
    authorization.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::AUTHORIZATION, authorization);
    let issuer = registration.issuer.clone().or_else(|| stand_in_issuer(registration))?;
    if issuer::is_template(&issuer) {
        return None;
    }
    let request = HttpRequest {
        method: Method::GET,
        url,
        headers,
        body: Zeroizing::default(),
        route: registration.route.clone(),
        time_limit: USERINFO_LIMIT,
        size_limit: BODY_LIMIT,
    };
    let response = exchange.exchange(request).await.ok().filter(|response| response.status == 200)?;
    let claims = Object::read(std::str::from_utf8(&response.body).ok()?)?;
    let subject = subject(&claims)?;
    if expected_subject.is_some_and(|expected| expected != subject) {
        return None;
    }
    Some(person(issuer, subject, &claims))
}

/// Who vouches for a person of the userinfo endpoint when the server has no issuer identifier: its origin.
pub(crate) fn stand_in_issuer(registration: &Registration) -> Option<String> {
    if registration.issuer.is_some() {
        return None;
    }
    let url = Url::parse(registration.userinfo_endpoint.as_deref()?).ok()?;
    Some(url.origin().ascii_serialization())
}

/// What an ID token is checked against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expectation<'a> {
    pub(super) issuer: Option<&'a str>,
    pub(super) client_id: &'a str,
    pub(super) nonce: Option<&'a str>,
    /// How long ago the person may have signed in, in seconds, where the authorization request said.
    pub(super) max_age: Option<u64>,
    /// The server's own time, in Unix seconds.
    pub(super) server_now: i64,
}

/// Who an ID token says signed in, and the first defect of its other claims.
pub(super) struct Identified {
    pub(super) person: Person,
    pub(super) defect: Option<&'static str>,
}

/// Reads an ID token; one that names nobody is an error.
pub(super) fn identify(id_token: &str, expected: Expectation<'_>) -> Result<Identified, &'static str> {
    let payload = payload(id_token).ok_or("it cannot be read")?;
    let claims = std::str::from_utf8(&payload).ok().and_then(Object::read).ok_or("it cannot be read")?;
    let said = claims.text("iss").ok_or("it names no issuer")?.to_string();
    let subject = subject(&claims).ok_or("it names no subject")?;
    let tenant = claims.text("tid");
    let vouching = expected
        .issuer
        .map(|issuer| issuer::vouching(issuer, &said, tenant.as_ref().map(|tid| tid.as_str())));
    let (issuer, wrong) = match vouching {
        None => (said, None),
        Some(Ok(issuer)) => (issuer, None),
        Some(Err(wrong)) => (said, Some(wrong)),
    };
    let defect = wrong.or_else(|| defect(&claims, expected));
    Ok(Identified { person: person(issuer, subject, &claims), defect })
}

/// When a JWT says that it ends, in Unix seconds, if it is a JWT and says so.
pub(super) fn jwt_expiry(token: &str) -> Option<f64> {
    let payload = payload(token)?;
    Object::read(std::str::from_utf8(&payload).ok()?)?.number("exp").filter(|expiry| *expiry > 0.0)
}

fn defect(claims: &Object<'_>, expected: Expectation<'_>) -> Option<&'static str> {
    let audiences = claims.texts("aud").unwrap_or_default();
    let authorized = claims.text("azp");
    if !audiences.iter().any(|audience| audience == expected.client_id) {
        Some("it is for another client")
    } else if audiences.len() > 1
        && authorized.as_ref().is_none_or(|party| party.as_str() != expected.client_id)
    {
        Some("it is for several clients, and this one is not the authorized party")
    } else if claims.number("exp").is_none_or(|expiry| expiry + LEEWAY < expected.server_now as f64) {
        Some("it has expired")
    } else if expected.nonce.is_some_and(|nonce| claims.text("nonce").is_none_or(|said| *said != nonce)) {
        Some("its nonce is not the one sent")
    } else {
        expected.max_age.and_then(|max_age| too_long_ago(claims, max_age, expected.server_now))
    }
}

/// OpenID Connect Core section 3.1.3.7, item 13.
fn too_long_ago(claims: &Object<'_>, max_age: u64, server_now: i64) -> Option<&'static str> {
    match claims.number("auth_time") {
        None => Some(NO_AUTH_TIME),
        Some(auth_time) if server_now as f64 - auth_time > max_age as f64 + LEEWAY => Some(TOO_LONG_AGO),
        Some(_) => None,
    }
}

/// There is none, though something was to be checked by it.
pub(super) const NO_ID_TOKEN: &str = "there is none, and max_age is checked by it";
const NO_AUTH_TIME: &str =
    "it does not say when the person signed in (auth_time), though max_age asks for it";
const TOO_LONG_AGO: &str = "the person signed in longer ago than max_age allows";

/// What to do about a defect.
pub(super) fn remedy(defect: &str) -> &'static str {
    match defect {
        NO_ID_TOKEN | NO_AUTH_TIME => {
            "remove max_age from authorize_params, or have the server's administrator see to it"
        }
        TOO_LONG_AGO => "sign in at the server again, as with --force",
        _ => "check issuer and client_id",
    }
}

/// The claims of a JWT in compact form, still JSON.
fn payload(token: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok().map(Zeroizing::new)
}

fn subject(claims: &Object<'_>) -> Option<String> {
    let subject = claims.text("sub")?.to_string();
    let usable =
        !subject.is_empty() && subject.len() <= SUBJECT_LIMIT && !subject.chars().any(char::is_control);
    usable.then_some(subject)
}

fn person(issuer: String, subject: String, claims: &Object<'_>) -> Person {
    let said =
        |names: [&str; 3]| names.into_iter().filter_map(|claim| claims.text(claim)).collect::<Vec<_>>();
    let name = said(["name", "preferred_username", "email"]);
    // The first is Entra's own, made to be sent back.
    let hint = said(["login_hint", "preferred_username", "email"]);
    Person {
        issuer,
        subject,
        name: name.iter().map(|name| clean(name)).find(|name| !name.is_empty()),
        login_hint: hint.iter().find(|hint| is_hint(hint)).map(|hint| hint.as_str().to_owned()),
    }
}

/// Sent back as it was said, or not at all.
fn is_hint(text: &str) -> bool {
    !text.is_empty() && text.len() <= HINT_LIMIT && clean(text) == text
}

#[cfg(test)]
mod tests;
