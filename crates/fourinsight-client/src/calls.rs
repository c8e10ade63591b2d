//! Every call of the local HTTP API as data: what to send, how long to wait, how to read the answer.

use std::time::Duration;

use fourinsight_ipc::{
    DEFAULT_WAIT_SECONDS, MAX_WAIT_SECONDS, SessionKey,
    message::{
        Backup, BackupRequest, Health, ImportRequest, ImportResponse, LoginRequest, LoginResponse,
        LoginStatus, NewProfile, PresetList, ProfileDetails, ProfileList, Rejection, RejectionResponse,
        RekeyRequest, RekeyResponse, RestoreRequest, RestoreResponse, RevokeResponse, SessionAttempts,
        SessionList, SessionStatus, StoreCheck, TokenResponse, Version,
    },
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::TokenRequest;

/// How long an answer may take that needs nobody but the daemon, and how much longer than a wait that was asked for.
const PROMPT: Duration = Duration::from_secs(15);
/// How long an answer may take for which the daemon first speaks to an authorization server, perhaps more than once.
const AFTER_THE_SERVER: Duration = Duration::from_mins(3);
/// How long an answer may take for which the daemon reads or writes all of its store, or waits for renewals to end.
const AFTER_THE_DISK: Duration = Duration::from_mins(3);
/// How long the daemon waits for a renewal when it is not told.
const DEFAULT_WAIT: Duration = Duration::from_secs(DEFAULT_WAIT_SECONDS);

/// How often a request that changes nothing is sent again when its connection ends. A restart of the daemon can end
/// two: the kept-alive one, and one opened in the moment in which the daemon stops listening.
pub(crate) const MOST_REPEATS: u32 = 2;

/// A request, ready to be sent.
pub(crate) struct Request<A> {
    /// What is sent. It may hold what the person pasted.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// Whether sending it twice does no more than sending it once.
    pub(crate) repeatable: bool,
    /// Whether the daemon is to be started for it.
    pub(crate) starts_daemon: bool,
    /// How long the answer may take.
    pub(crate) limit: Duration,
    /// Understands the body of a success.
    pub(crate) read: fn(&[u8]) -> serde_json::Result<A>,
}

/// `GET /v1/sessions/{key}/token`, with no particular demands.
pub(crate) fn token(session: &SessionKey) -> Request<TokenResponse> {
    let path = format!("/v1/sessions/{}/token", session.path_segment());
    Request { starts_daemon: true, ..get(&path, after_waiting(DEFAULT_WAIT)) }
}

/// `GET /v1/sessions/{key}/token`
pub(crate) fn token_for(request: &TokenRequest) -> Request<TokenResponse> {
    let mut path = format!("/v1/sessions/{}/token", request.session.path_segment());
    let mut separator = '?';
    let mut parameter = |name: &str, value: &str| {
        path.push(separator);
        path.push_str(name);
        path.push('=');
        path.extend(utf8_percent_encode(value, RESERVED));
        separator = '&';
    };
    if let Some(min_validity) = request.min_validity {
        parameter("min_validity", &whole_seconds(min_validity).to_string());
    }
    if let Some(wait) = request.wait {
        parameter("wait", &whole_seconds(wait).to_string());
    }
    if let Some(scope) = &request.scope {
        parameter("scope", scope);
    }
    for resource in &request.resources {
        parameter("resource", resource);
    }
    if let Some(claims) = &request.claims {
        parameter("claims", claims);
    }
    if request.enable_cae {
        parameter("enable_cae", "true");
    }
    let limit = after_waiting(request.wait.unwrap_or(DEFAULT_WAIT));
    // With claims each request is a new one for the server.
    let repeatable = request.claims.is_none();
    Request { starts_daemon: true, repeatable, ..get(&path, limit) }
}

/// `POST /v1/sessions/{key}/rejections`
pub(crate) fn reject(session: &SessionKey, rejection: &Rejection) -> Request<RejectionResponse> {
    let path = format!("/v1/sessions/{}/rejections", session.path_segment());
    post(&path, &json(rejection, 0), PROMPT)
}

/// `GET /v1/sessions/{key}`
pub(crate) fn status(session: &SessionKey) -> Request<SessionStatus> {
    get(&format!("/v1/sessions/{}", session.path_segment()), PROMPT)
}

/// `GET /v1/sessions/{key}/attempts`
pub(crate) fn attempts(session: &SessionKey) -> Request<SessionAttempts> {
    get(&format!("/v1/sessions/{}/attempts", session.path_segment()), PROMPT)
}

/// `GET /v1/sessions`
pub(crate) fn sessions() -> Request<SessionList> {
    get("/v1/sessions", PROMPT)
}

/// `GET /v1/health`
pub(crate) fn health() -> Request<Health> {
    get("/v1/health", PROMPT)
}

/// `GET /v1/version`
pub(crate) fn version() -> Request<Version> {
    get("/v1/version", PROMPT)
}

/// `POST /v1/logins`
pub(crate) fn start_login(request: &LoginRequest) -> Request<LoginStatus> {
    let length = request.client_secret.as_ref().map_or(0, |secret| secret.expose_secret().len());
    Request { starts_daemon: true, ..post("/v1/logins", &json(request, length), AFTER_THE_SERVER) }
}

/// `GET /v1/logins/{id}`
pub(crate) fn login(id: &str, wait: Duration) -> Request<LoginStatus> {
    let path = format!("{}?wait={}", login_path(id), whole_seconds(wait));
    get(&path, after_waiting(wait))
}

/// `POST /v1/logins/{id}/response`
pub(crate) fn respond_to_login(id: &str, pasted: SecretString) -> Request<LoginStatus> {
    answer_login(id, &LoginResponse::pasted(pasted))
}

/// `POST /v1/logins/{id}/response`
pub(crate) fn answer_login(id: &str, response: &LoginResponse) -> Request<LoginStatus> {
    let length = |secret: &Option<SecretString>| secret.as_ref().map_or(0, |text| text.expose_secret().len());
    let username = response.username.as_ref().map_or(0, String::len);
    let body = json(response, length(&response.pasted) + length(&response.password) + username);
    post(&format!("{}/response", login_path(id)), &body, AFTER_THE_SERVER)
}

/// `DELETE /v1/logins/{id}`
pub(crate) fn cancel_login(id: &str) -> Request<LoginStatus> {
    delete(&login_path(id), PROMPT)
}

/// `DELETE /v1/sessions/{key}`
pub(crate) fn revoke(session: &SessionKey) -> Request<RevokeResponse> {
    delete(&format!("/v1/sessions/{}", session.path_segment()), AFTER_THE_SERVER)
}

/// `POST /v1/imports`
pub(crate) fn import(request: &ImportRequest) -> Request<ImportResponse> {
    let body = json(request, request.content.expose_secret().len());
    Request { starts_daemon: true, ..post("/v1/imports", &body, AFTER_THE_SERVER) }
}

/// `GET /v1/profiles`
pub(crate) fn profiles() -> Request<ProfileList> {
    Request { starts_daemon: true, ..get("/v1/profiles", PROMPT) }
}

/// `GET /v1/profiles/{name}`
pub(crate) fn profile(name: &str) -> Request<ProfileDetails> {
    let path = format!("/v1/profiles/{}", utf8_percent_encode(name, RESERVED));
    Request { starts_daemon: true, ..get(&path, PROMPT) }
}

/// `POST /v1/profiles`
pub(crate) fn new_profile(profile: &NewProfile) -> Request<ProfileDetails> {
    Request { starts_daemon: true, ..post("/v1/profiles", &json(profile, 0), PROMPT) }
}

/// `GET /v1/presets`
pub(crate) fn presets() -> Request<PresetList> {
    Request { starts_daemon: true, ..get("/v1/presets", PROMPT) }
}

/// `POST /v1/store/check`
pub(crate) fn check_store() -> Request<StoreCheck> {
    Request { starts_daemon: true, ..post("/v1/store/check", b"{}", AFTER_THE_DISK) }
}

/// `POST /v1/store/rekey`
pub(crate) fn rekey_store(request: &RekeyRequest) -> Request<RekeyResponse> {
    Request { starts_daemon: true, ..post("/v1/store/rekey", &json(request, 0), AFTER_THE_DISK) }
}

/// `POST /v1/store/backup`
pub(crate) fn back_up_store(request: &BackupRequest) -> Request<Backup> {
    let length = request.passphrase.as_ref().map_or(0, |secret| secret.expose_secret().len());
    Request { starts_daemon: true, ..post("/v1/store/backup", &json(request, length), AFTER_THE_DISK) }
}

/// `POST /v1/store/restore`
pub(crate) fn restore_store(request: &RestoreRequest) -> Request<RestoreResponse> {
    let length = request.passphrase.as_ref().map_or(0, |secret| secret.expose_secret().len());
    let body = json(request, length + request.backup.len() / 6 + 1);
    Request { starts_daemon: true, ..post("/v1/store/restore", &body, AFTER_THE_DISK) }
}

fn get<A: DeserializeOwned>(path: &str, limit: Duration) -> Request<A> {
    Request { repeatable: true, ..request("GET", path, None, limit) }
}

fn post<A: DeserializeOwned>(path: &str, body: &[u8], limit: Duration) -> Request<A> {
    request("POST", path, Some(body), limit)
}

fn delete<A: DeserializeOwned>(path: &str, limit: Duration) -> Request<A> {
    request("DELETE", path, None, limit)
}

fn request<A: DeserializeOwned>(
    method: &str,
    path: &str,
    body: Option<&[u8]>,
    limit: Duration,
) -> Request<A> {
    let length = body.map(|body| body.len().to_string());
    let mut head = vec![method, " ", path, " HTTP/1.1\r\nhost: localhost\r\n"];
    if let Some(length) = &length {
        head.extend(["content-type: application/json\r\ncontent-length: ", length, "\r\n"]);
    }
    head.push("\r\n");
    // Sized before it is filled: growing would leave copies of the body behind.
    let size = head.iter().map(|part| part.len()).sum::<usize>() + body.map_or(0, <[u8]>::len);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    for part in head {
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes.extend_from_slice(body.unwrap_or_default());
    Request {
        bytes,
        repeatable: false,
        starts_daemon: false,
        limit,
        read: |body| serde_json::from_slice(body),
    }
}

/// A body with room from the start for a secret of this length, each of whose bytes may take six (`\u0000`).
fn json(body: &impl Serialize, secret_length: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(128 + 6 * secret_length));
    serde_json::to_writer(&mut *bytes, body)
        .expect("the messages are plain structs with string keys, and a Vec takes every write");
    bytes
}

fn login_path(id: &str) -> String {
    format!("/v1/logins/{}", utf8_percent_encode(id, RESERVED))
}

/// How long an answer may take for which the daemon was asked to wait. A longer wait than it grants is refused at once.
fn after_waiting(wait: Duration) -> Duration {
    wait.min(Duration::from_secs(MAX_WAIT_SECONDS)) + PROMPT
}

/// Rounded up: who asks for half a second of validity must not be taken to ask for none.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// All but the unreserved characters of RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn sent<A>(request: &Request<A>) -> &str {
        std::str::from_utf8(&request.bytes).unwrap()
    }

    #[test]
    fn a_plain_token_request_is_as_short_as_it_can_be() {
        let request = token(&SessionKey::new("a b").unwrap());
        assert_eq!(sent(&request), "GET /v1/sessions/a%20b/token HTTP/1.1\r\nhost: localhost\r\n\r\n");
        assert!(request.repeatable && request.starts_daemon);
        assert_eq!(request.limit, Duration::from_secs(45));
    }

    #[test]
    fn demands_are_percent_encoded_and_rounded_up_to_whole_seconds() {
        let demands = TokenRequest::new(SessionKey::default())
            .min_validity(Duration::from_millis(1500))
            .wait(Duration::from_mins(5))
            .scope("a b")
            .scope("c&d=e")
            .resource("https://x/")
            .resource("https://y/?z");
        let request = token_for(&demands);
        assert!(
            sent(&request).starts_with(
                "GET /v1/sessions/default/token?min_validity=2&wait=300&scope=a%20b%20c%26d%3De\
                 &resource=https%3A%2F%2Fx%2F&resource=https%3A%2F%2Fy%2F%3Fz HTTP/1.1\r\n"
            ),
            "{}",
            sent(&request)
        );
        assert_eq!(request.limit, Duration::from_secs(315));
    }

    #[test]
    fn claims_are_sent_once() {
        let demands = TokenRequest::new(SessionKey::default()).claims(r#"{"a":null}"#).enable_cae(true);
        let request = token_for(&demands);
        let path = "GET /v1/sessions/default/token?claims=%7B%22a%22%3Anull%7D&enable_cae=true HTTP/1.1\r\n";
        assert!(sent(&request).starts_with(path), "{}", sent(&request));
        assert!(request.starts_daemon && !request.repeatable);
        assert!(token_for(&demands.claims("").enable_cae(false)).bytes.len() < request.bytes.len());
    }

    #[test]
    fn a_body_is_announced_and_a_login_id_cannot_leave_its_segment() {
        let request = respond_to_login("../x", "se\"cret".to_owned().into());
        let (head, body) = sent(&request).split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /v1/logins/..%2Fx/response HTTP/1.1\r\n"), "{head}");
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
        assert_eq!(body, r#"{"pasted":"se\"cret"}"#);
        assert!(!request.repeatable && !request.starts_daemon);
    }

    #[test]
    fn a_profiles_name_cannot_leave_its_segment() {
        let request = profile("../my work?");
        assert!(sent(&request).starts_with("GET /v1/profiles/..%2Fmy%20work%3F HTTP/1.1\r\n"));
    }

    #[test]
    fn what_changes_something_is_never_repeatable() {
        let key = SessionKey::default();
        let rejection = Rejection { token_id: "7".into(), www_authenticate: None };
        assert!(!reject(&key, &rejection).repeatable);
        assert!(!start_login(&LoginRequest::default()).repeatable);
        assert!(!cancel_login("x").repeatable);
        assert!(!revoke(&key).repeatable);
        assert!(login("x", Duration::ZERO).repeatable);
        assert!(!new_profile(&NewProfile::default()).repeatable && profiles().repeatable);
        assert!(!rekey_store(&RekeyRequest::default()).repeatable);
        assert!(!restore_store(&RestoreRequest::new("AAAA".into())).repeatable);
    }
}
