//! An answer that grants tokens (RFC 6749 section 5.1), with all that servers make of it.

use zeroize::Zeroizing;

use super::{
    Expected, RawAnswer,
    refused::{self, ErrorAnswer},
};
use crate::{
    authority::{
        Failure, Outcome, Refusal, Registration, Retry, Verdict,
        id_token::{self, Expectation},
        json::Object,
        text::clean,
    },
    token::{AccessToken, Lifetime, Person, RefreshToken, TokenSet},
};

/// A hundred years, in seconds: more than any token lives, and far from every overflow.
const LONGEST_LIFE: f64 = 3_153_600_000.0;

/// The type of an access token that no header field can carry: it is not `Bearer`, so it is never served.
const UNUSABLE: &str = "unusable";

pub(super) fn judge(
    answer: &RawAnswer,
    registration: &Registration,
    expected: Expected<'_>,
    server_now: i64,
) -> Outcome {
    let lossy;
    let text = if let Ok(text) = std::str::from_utf8(&answer.body) {
        text
    } else {
        lossy = Zeroizing::new(String::from_utf8_lossy(&answer.body).into_owned());
        &lossy
    };
    let form;
    let mut object = Object::read(text);
    if object.is_none() {
        form = form_as_json(answer, text);
        object = form.as_deref().and_then(|text| Object::read(text));
    }
    let Some(object) = object else {
        return unclear(answer, server_now, "the authorization server's answer is not JSON");
    };
    match Access::of(&object) {
        Access::Absent => without_access_token(answer, &object, server_now),
        access => with_access_token(&access, answer, &object, registration, expected, server_now),
    }
}

/// The error that an answer names, in JSON or in a form.
pub(in crate::authority) fn error(answer: &RawAnswer) -> Option<ErrorAnswer> {
    ErrorAnswer::read(&answer.body).or_else(|| {
        let form = form_as_json(answer, std::str::from_utf8(&answer.body).ok()?)?;
        ErrorAnswer::read(form.as_bytes())
    })
}

/// A form instead of JSON, as some older servers answer, turned into JSON.
fn form_as_json(answer: &RawAnswer, text: &str) -> Option<Zeroizing<String>> {
    let content_type = answer.content_type.as_deref()?.split(';').next()?.trim();
    let is = |form: &str| content_type.eq_ignore_ascii_case(form);
    let is_form = is("application/x-www-form-urlencoded");
    let pairs: Vec<_> = url::form_urlencoded::parse(text.trim().as_bytes()).collect();
    let has = |wanted: &str| pairs.iter().any(|(name, _)| name == wanted);
    // Plain text may be anybody's; only one that grants something is an answer.
    let answers = has("access_token") && (is_form || is("text/plain")) || has("error") && is_form;
    if !answers {
        return None;
    }
    let mut json = Zeroizing::new(String::with_capacity(8 * text.len() + 2));
    for (name, value) in &pairs {
        let separator = if json.is_empty() { '{' } else { ',' };
        json.push(separator);
        json.push_str(&serde_json::to_string(name).ok()?);
        json.push(':');
        json.push_str(&Zeroizing::new(serde_json::to_string(value).ok()?));
    }
    json.push('}');
    Some(json)
}

/// The answer's access token.
enum Access {
    Usable(Zeroizing<String>),
    /// There is one, but no header field can carry it.
    Malformed,
    Absent,
}

impl Access {
    fn of(object: &Object<'_>) -> Self {
        match object.text("access_token") {
            Some(token) if token.is_empty() => Self::Absent,
            Some(token) if token.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => Self::Usable(token),
            Some(_) => Self::Malformed,
            None if object.has("access_token") => Self::Malformed,
            None => Self::Absent,
        }
    }
}

/// Whether the answer is of a media type that a token endpoint answers with.
fn is_of_a_token_endpoint(answer: &RawAnswer) -> bool {
    let content_type = answer.content_type.as_deref().unwrap_or_default().to_ascii_lowercase();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.ends_with("/json") || essence.ends_with("+json") || essence == "application/x-www-form-urlencoded"
}

/// A 200 that grants nothing is a refusal; the error it may name decides which. Where it names none it must at least be
/// of the right type: between here and the server there are portals that answer anything with a 200 of their own.
fn without_access_token(answer: &RawAnswer, object: &Object<'_>, server_now: i64) -> Outcome {
    if answer.status != 200 || object.trailing {
        return unclear(answer, server_now, "the authorization server's answer holds no access token");
    }
    let error = ErrorAnswer::of(object);
    if error.is_none() && !is_of_a_token_endpoint(answer) {
        return unclear(
            answer,
            server_now,
            "the authorization server's answer holds no access token and is not of the type application/json",
        );
    }
    let failure = match &error {
        Some(_) => ErrorAnswer::failure(error.as_ref(), answer.status),
        None => Failure::new(
            "invalid_response",
            "the authorization server accepted the request and granted no access token",
        ),
    };
    if error.as_ref().is_some_and(|answer| refused::is_of_the_moment(&answer.error)) {
        return Outcome::Retry(Retry {
            after: refused::pause(answer, server_now),
            ambiguous: false,
            refused: false,
            failure,
        });
    }
    let verdict = error.and_then(|error| refused::verdict(400, &error)).unwrap_or(Verdict::Final);
    Outcome::Refused(Refusal { verdict, failure })
}

fn with_access_token(
    access: &Access,
    answer: &RawAnswer,
    object: &Object<'_>,
    registration: &Registration,
    expected: Expected<'_>,
    server_now: i64,
) -> Outcome {
    let mut warnings = Vec::new();
    let person = match person(object, registration, expected, server_now, &mut warnings) {
        Ok(person) => person,
        Err(refusal) => return Outcome::Refused(refusal),
    };
    let refresh_token = refresh_token(object, &mut warnings);
    let (access_token, token_type) = match access {
        Access::Usable(token) => (token.as_str(), token_type(object, &mut warnings)),
        _ if refresh_token.is_none() => {
            return unclear(answer, server_now, "the authorization server's access token is malformed");
        }
        // The new refresh token must not be lost with the access token beside it.
        _ => {
            warnings.push("the access token is malformed and not served".to_owned());
            ("", UNUSABLE.to_owned())
        }
    };
    if object.contradicts_itself("access_token") || object.contradicts_itself("refresh_token") {
        warnings.push("the answer names a token twice; the last one counts".to_owned());
    }
    if object.trailing {
        warnings.push("something follows the answer's JSON".to_owned());
    }
    Outcome::Granted(Box::new(TokenSet {
        lifetime: lifetime(object, access_token, server_now, &mut warnings),
        access_token: AccessToken::new(access_token),
        token_type,
        scope: scope(object),
        refresh_in: positive(object, "refresh_in"),
        refresh_token,
        refresh_idle: refresh_idle(object),
        person,
        warnings,
    }))
}

fn refresh_token(object: &Object<'_>, warnings: &mut Vec<String>) -> Option<RefreshToken> {
    match object.text("refresh_token") {
        Some(token) if token.is_empty() => None,
        // It travels form-encoded, so any character that is no control may be part of it.
        Some(token) if !token.chars().any(char::is_control) => Some(RefreshToken::new(token.as_str())),
        None if !object.has("refresh_token") => None,
        _ => {
            warnings.push("the refresh token is malformed and not kept".to_owned());
            None
        }
    }
}

fn token_type(object: &Object<'_>, warnings: &mut Vec<String>) -> String {
    let said = object.text("token_type").map(|text| clean(&text)).filter(|text| !text.is_empty());
    if said.is_none() && object.has("token_type") {
        warnings.push("the token type is unreadable and taken for Bearer".to_owned());
    }
    let token_type = said.unwrap_or_else(|| "Bearer".to_owned());
    if !token_type.eq_ignore_ascii_case("bearer") {
        warnings.push(format!("tokens of type {token_type} are not served"));
    }
    token_type
}

/// The scope, also from servers that write a list, or put commas between scopes as GitHub does.
fn scope(object: &Object<'_>) -> Option<String> {
    let mut scope = object.texts("scope")?.join(" ");
    if !scope.contains(' ') {
        scope = scope.split(',').filter(|scope| !scope.is_empty()).collect::<Vec<_>>().join(" ");
    }
    let usable = !scope.trim().is_empty() && !scope.chars().any(char::is_control);
    usable.then_some(scope)
}

/// `expires_in` where it says something, else the end that the token itself names.
fn lifetime(
    object: &Object<'_>,
    access_token: &str,
    server_now: i64,
    warnings: &mut Vec<String>,
) -> Lifetime {
    let said = object.number("expires_in");
    if let Some(seconds) = said.filter(|seconds| *seconds != 0.0) {
        return Lifetime::Seconds(whole(seconds));
    }
    if object.has("expires_in") {
        let oddity = if said.is_some() { "zero" } else { "unreadable" };
        warnings.push(format!("expires_in is {oddity} and does not count"));
    }
    id_token::jwt_expiry(access_token)
        .map_or(Lifetime::Unknown, |expiry| Lifetime::Seconds(whole(expiry - server_now as f64)))
}

fn whole(seconds: f64) -> i64 {
    seconds.clamp(-LONGEST_LIFE, LONGEST_LIFE).floor() as i64
}

/// A number of seconds that is one or more.
fn positive(object: &Object<'_>, name: &str) -> Option<u64> {
    object.number(name).and_then(|seconds| u64::try_from(whole(seconds)).ok()).filter(|seconds| *seconds > 0)
}

/// How long the refresh token lives unused; zero means that it does not end.
fn refresh_idle(object: &Object<'_>) -> Option<u64> {
    positive(object, "refresh_token_expires_in").or_else(|| positive(object, "refresh_expires_in"))
}

/// Who signed in, by the answer's ID token. At a login it must hold; at a refresh it must not name anybody else.
fn person(
    object: &Object<'_>,
    registration: &Registration,
    expected: Expected<'_>,
    server_now: i64,
    warnings: &mut Vec<String>,
) -> Result<Option<Person>, Refusal> {
    let nonce = if let Expected::Login { nonce } = expected { nonce } else { None };
    // A nonce is sent with every authorization request that asks for an ID token, and with nothing else.
    let max_age = nonce.and_then(|_| registration.max_age());
    let id_token = match object.text("id_token") {
        // What is no string is no ID token either, and is found out as such.
        token if token.as_ref().map_or(object.has("id_token"), |token| !token.is_empty()) => {
            token.unwrap_or_default()
        }
        _ if max_age.is_some() => return Err(no_proof(id_token::NO_ID_TOKEN)),
        _ => return Ok(None),
    };
    let expectation = Expectation {
        issuer: registration.issuer.as_deref(),
        client_id: &registration.client_id,
        nonce,
        max_age,
        server_now,
    };
    let identified = id_token::identify(&id_token, expectation);
    if let (Ok(identified), Expected::Refresh { person: Some(known) }) = (&identified, expected)
        && !is_same(&identified.person, known, registration)
    {
        return Err(Refusal {
            verdict: Verdict::PersonChanged,
            failure: Failure::new(
                "person_changed",
                "the authorization server answered for another person than the one who signed in; log in again",
            ),
        });
    }
    let defect = match identified {
        Ok(identified) => match identified.defect {
            None => return Ok(Some(identified.person)),
            Some(defect) => defect,
        },
        Err(defect) => defect,
    };
    match expected {
        Expected::Refresh { .. } => {
            warnings.push(format!("the ID token does not count: {defect}"));
            Ok(None)
        }
        Expected::Login { .. } => Err(no_proof(defect)),
    }
}

/// The person of a login is not proven.
fn no_proof(defect: &str) -> Refusal {
    let remedy = id_token::remedy(defect);
    let description = format!("the authorization server's ID token was refused: {defect}; {remedy}");
    Refusal { verdict: Verdict::Final, failure: Failure::new("invalid_id_token", &description) }
}

fn is_same(person: &Person, known: &Person, registration: &Registration) -> bool {
    let same_issuer = person.issuer == known.issuer
        || id_token::stand_in_issuer(registration).is_some_and(|issuer| issuer == known.issuer);
    same_issuer && person.subject == known.subject
}

/// The server may have granted something, but what it said cannot be used.
fn unclear(answer: &RawAnswer, server_now: i64, description: &str) -> Outcome {
    Outcome::Retry(Retry {
        after: refused::pause(answer, server_now),
        ambiguous: true,
        refused: false,
        failure: Failure::new("invalid_response", description),
    })
}
