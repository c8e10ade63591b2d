//! Proves which client is asking (RFC 6749 section 2.3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{ClientAuth, Failure, Registration, request::Form};
use crate::profile::SecretSource;

mod secret;

/// The error that says that the client secret could not be read, so that no request was made.
pub(crate) const SECRET_UNREADABLE: &str = "client_secret_unreadable";

/// Adds the client's proof to a request: to its header fields or to its form.
pub(super) async fn sign_in(
    registration: &Registration,
    headers: &mut HeaderMap,
    form: &mut Form,
) -> Result<(), Failure> {
    let client_id = &registration.client_id;
    match (registration.client_auth, &registration.client_secret) {
        (ClientAuth::Basic, Some(source)) => {
            headers.insert(header::AUTHORIZATION, basic(client_id, &read_secret(source).await?));
        }
        (ClientAuth::Post, Some(source)) => {
            form.push("client_id", client_id);
            form.push_secret("client_secret", &read_secret(source).await?);
        }
        (ClientAuth::None, _) | (_, None) => form.push("client_id", client_id),
    }
    Ok(())
}

/// How a client proves itself when nobody said: by the methods that the server's metadata lists.
pub(super) fn choose(has_secret: bool, supported: Option<&[String]>) -> ClientAuth {
    let lists = |method: &str| supported.is_some_and(|list| list.iter().any(|entry| entry == method));
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
            SecretSource::File(path) => format!("the file {}", path.display()),
            SecretSource::Env(name) => format!("the daemon's variable {name}"),
            SecretSource::Command(words) => {
                format!("the command {}", words.first().map_or("", String::as_str))
            }
        };
        // Own words: the place is shown whole, though a path may look like a token.
        Failure {
            error: SECRET_UNREADABLE.to_owned(),
            description: format!(
                "cannot read the client secret from {place}: {failure}; correct `client_secret` or its source"
            ),
        }
    })
}

/// RFC 6749 section 2.3.1: both halves are form-encoded before they are joined.
fn basic(client_id: &str, secret: &SecretString) -> HeaderValue {
    let encode = |text: &str| -> Zeroizing<String> {
        let mut encoded = Zeroizing::new(String::with_capacity(3 * text.len()));
        encoded.extend(url::form_urlencoded::byte_serialize(text.as_bytes()));
        encoded
    };
    let (client_id, secret) = (encode(client_id), encode(secret.expose_secret()));
    let pair = Zeroizing::new([client_id.as_str(), ":", secret.as_str()].concat());
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
            let value = basic(client_id, &secret.into());
            assert!(value.is_sensitive());
            let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
            assert_eq!(STANDARD.decode(encoded).unwrap(), pair.as_bytes(), "{client_id} {secret}");
        }
    }

    #[test]
    fn the_method_follows_the_metadata() {
        let list = |methods: &[&str]| methods.iter().map(|&method| method.to_owned()).collect::<Vec<_>>();
        let (basic, post) = ("client_secret_basic", "client_secret_post");
        for (has_secret, supported, chosen) in [
            (false, None, ClientAuth::None),
            (false, Some(list(&[basic])), ClientAuth::None),
            (true, None, ClientAuth::Basic),
            (true, Some(list(&[])), ClientAuth::Basic),
            (true, Some(list(&[basic])), ClientAuth::Basic),
            (true, Some(list(&[post, basic])), ClientAuth::Basic),
            (true, Some(list(&["private_key_jwt", post])), ClientAuth::Post),
            (true, Some(list(&["private_key_jwt"])), ClientAuth::Basic),
        ] {
            assert_eq!(choose(has_secret, supported.as_deref()), chosen, "{has_secret} {supported:?}");
        }
    }
}
