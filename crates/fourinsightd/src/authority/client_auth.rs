//! Proves which client is asking (RFC 6749 section 2.3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{Failure, Registration, request::Form};
use crate::profile::{ClientAuth, PerRequest, RequestKind, SecretSource};

mod secret;

/// The error that says that the client secret could not be read, so that no request was made.
pub(crate) const SECRET_UNREADABLE: &str = "client_secret_unreadable";

/// Adds the client's proof to a request: to its header fields or to its form.
pub(super) async fn sign_in(
    registration: &Registration,
    kind: RequestKind,
    headers: &mut HeaderMap,
    form: &mut Form,
) -> Result<(), Failure> {
    let client_id = &registration.client_id;
    match (registration.client_auth.of(kind), &registration.client_secret) {
        (ClientAuth::Basic, Some(source)) => {
            let secret = read_secret(source).await?;
            let (client_id, secret) = (form_encoded(client_id), form_encoded(secret.expose_secret()));
            headers.insert(header::AUTHORIZATION, basic(&client_id, &secret));
        }
        (ClientAuth::BasicRaw, Some(source)) => {
            let secret = read_secret(source).await?;
            headers.insert(header::AUTHORIZATION, basic(client_id, secret.expose_secret()));
        }
        (ClientAuth::SecretOnly, Some(source)) => {
            form.push_secret("client_secret", &read_secret(source).await?);
        }
        (ClientAuth::Post, Some(source)) => {
            form.push("client_id", client_id);
            form.push_secret("client_secret", &read_secret(source).await?);
        }
        (ClientAuth::None, _) | (_, None) => form.push("client_id", client_id),
    }
    Ok(())
}

/// What a server's metadata says about client authentication (RFC 8414 section 2).
#[derive(Clone, Debug, Default)]
pub(super) struct Supported {
    /// `token_endpoint_auth_methods_supported`.
    pub(super) token: Option<Vec<String>>,
    /// `revocation_endpoint_auth_methods_supported`.
    pub(super) revocation: Option<Vec<String>>,
}

/// How a client proves itself: as the profile says, else by the methods that the server's metadata lists.
pub(super) fn choose(
    configured: PerRequest<Option<ClientAuth>>,
    has_secret: bool,
    supported: &Supported,
) -> PerRequest<ClientAuth> {
    let token = best(has_secret, supported.token.as_deref());
    let revocation = supported.revocation.as_deref().map_or(token, |listed| best(has_secret, Some(listed)));
    PerRequest {
        code: configured.code.unwrap_or(token),
        refresh: configured.refresh.unwrap_or(token),
        device: configured.device.unwrap_or(token),
        revoke: configured.revoke.unwrap_or(revocation),
    }
}

/// The best of the listed methods; a server that lists none takes basic (RFC 8414 section 2).
fn best(has_secret: bool, listed: Option<&[String]>) -> ClientAuth {
    let lists = |method: &str| listed.is_some_and(|list| list.iter().any(|entry| entry == method));
    if !has_secret {
        ClientAuth::None
    } else if lists("client_secret_post") && !lists("client_secret_basic") {
        ClientAuth::Post
    } else {
        ClientAuth::Basic
    }
}

/// Reads a client secret from where the profile says it is.
pub(super) async fn read_secret(source: &SecretSource) -> Result<SecretString, Failure> {
    secret::read(source).await.map_err(|failure| {
        let place = match source {
            SecretSource::Brought(_) => return needed(),
            SecretSource::File(path) => format!("the file {}", path.display()),
            SecretSource::Env(name) => format!("the daemon's variable {name}"),
            SecretSource::Command(words) => {
                format!("the command {}", words.first().map_or("", String::as_str))
            }
        };
        // Own words: the place is shown whole, though a path may look like a token.
        Failure::ours(
            SECRET_UNREADABLE,
            format!(
                "cannot read the client secret from {place}: {failure}; correct `client_secret` or its source"
            ),
        )
    })
}

/// A process brought the client secret to an earlier run of the daemon.
pub(crate) fn needed() -> Failure {
    Failure::ours(
        "client_secret_needed",
        "a process brought this session's client secret, and the daemon kept it in memory only; log in again and \
         bring it",
    )
}

/// As RFC 6749 section 2.3.1 wants both halves before they are joined.
fn form_encoded(text: &str) -> Zeroizing<String> {
    let mut encoded = Zeroizing::new(String::with_capacity(3 * text.len()));
    encoded.extend(url::form_urlencoded::byte_serialize(text.as_bytes()));
    encoded
}

/// HTTP Basic (RFC 7617).
fn basic(client_id: &str, secret: &str) -> HeaderValue {
    let pair = Zeroizing::new([client_id, ":", secret].concat());
    let field =
        Zeroizing::new(format!("Basic {}", Zeroizing::new(STANDARD.encode(pair.as_bytes())).as_str()));
    let mut value =
        HeaderValue::from_str(&field).expect("base64 holds only characters that a header field may hold");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_encodes_before_it_joins() {
        for (client_id, secret, pair) in [
            ("abc", "s3cr3t", "abc:s3cr3t"),
            ("a:b", "c:d", "a%3Ab:c%3Ad"),
            ("a b", "p+q/r=s%t&u", "a+b:p%2Bq%2Fr%3Ds%25t%26u"),
            ("ü", "§~*-._", "%C3%BC:%C2%A7%7E*-._"),
        ] {
            let value = basic(&form_encoded(client_id), &form_encoded(secret));
            assert!(value.is_sensitive());
            let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
            assert_eq!(STANDARD.decode(encoded).unwrap(), pair.as_bytes(), "{client_id} {secret}");
        }
    }

    #[test]
    fn the_method_follows_the_metadata() {
        let list = |methods: &[&str]| methods.iter().map(|&method| method.to_owned()).collect::<Vec<_>>();
        let (basic, post) = ("client_secret_basic", "client_secret_post");
        for (has_secret, token, chosen) in [
            (false, None, ClientAuth::None),
            (false, Some(list(&[basic])), ClientAuth::None),
            (true, None, ClientAuth::Basic),
            (true, Some(list(&[])), ClientAuth::Basic),
            (true, Some(list(&[basic])), ClientAuth::Basic),
            (true, Some(list(&[post, basic])), ClientAuth::Basic),
            (true, Some(list(&["private_key_jwt", post])), ClientAuth::Post),
            (true, Some(list(&["private_key_jwt"])), ClientAuth::Basic),
        ] {
            let supported = Supported { token, revocation: None };
            let chose = choose(PerRequest::default(), has_secret, &supported);
            assert_eq!(chose, PerRequest::all(chosen), "{has_secret} {supported:?}");
        }
    }

    #[test]
    fn revocation_has_its_own_list_and_the_profile_goes_before_both() {
        let list = |method: &str| Some(vec![method.to_owned()]);
        let supported =
            Supported { token: list("client_secret_post"), revocation: list("client_secret_basic") };
        let chosen = choose(PerRequest::default(), true, &supported);
        assert_eq!((chosen.code, chosen.revoke), (ClientAuth::Post, ClientAuth::Basic));
        let configured = PerRequest {
            refresh: Some(ClientAuth::SecretOnly),
            revoke: Some(ClientAuth::BasicRaw),
            ..PerRequest::default()
        };
        assert_eq!(
            choose(configured, true, &supported),
            PerRequest {
                code: ClientAuth::Post,
                refresh: ClientAuth::SecretOnly,
                device: ClientAuth::Post,
                revoke: ClientAuth::BasicRaw,
            }
        );
    }
}
