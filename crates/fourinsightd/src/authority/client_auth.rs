//! Proves which client is asking (RFC 6749 section 2.3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{Failure, Registration, request::Form};
use crate::profile::{ClientAuth, RequestKind};

mod assertion;
mod choose;
mod key;
mod material;
mod member;
mod package;
mod secret;
mod sign;

pub(super) use choose::{Supported, of_profile};
pub(crate) use material::{is_unusable, look_for, needed};

/// What `client_assertion` is (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Adds the client's proof to a request: to its header fields or to its form. The time is the wall clock's, in Unix
/// seconds.
pub(super) async fn sign_in(
    registration: &Registration,
    kind: RequestKind,
    unix_now: i64,
    headers: &mut HeaderMap,
    form: &mut Form,
) -> Result<(), Failure> {
    let client_id = &registration.client_id;
    match (registration.client_auth.of(kind), &registration.client_secret) {
        (ClientAuth::Basic, Some(source)) => {
            let secret = material::read_secret(source).await?;
            let (client_id, secret) = (form_encoded(client_id), form_encoded(secret.expose_secret()));
            headers.insert(header::AUTHORIZATION, basic(&client_id, &secret));
        }
        (ClientAuth::BasicRaw, Some(source)) => {
            let secret = material::read_secret(source).await?;
            headers.insert(header::AUTHORIZATION, basic(client_id, secret.expose_secret()));
        }
        (ClientAuth::SecretOnly, Some(source)) => {
            form.push_secret("client_secret", &material::read_secret(source).await?);
        }
        (ClientAuth::Post, Some(source)) => {
            form.push("client_id", client_id);
            form.push_secret("client_secret", &material::read_secret(source).await?);
        }
        (ClientAuth::ClientSecretJwt, Some(source)) => {
            let secret = material::read_secret(source).await?;
            push_assertion(form, client_id, &assertion::by_secret(registration, &secret, unix_now)?);
        }
        (ClientAuth::PrivateKeyJwt, _) => {
            push_assertion(form, client_id, &assertion::by_key(registration, unix_now).await?);
        }
        (ClientAuth::None, _) | (_, None) => form.push("client_id", client_id),
    }
    Ok(())
}

/// RFC 7521 section 4.2 lets the `client_id` stand beside the assertion, and servers look for it there.
fn push_assertion(form: &mut Form, client_id: &str, assertion: &SecretString) {
    form.push("client_id", client_id);
    form.push("client_assertion_type", ASSERTION_TYPE);
    form.push_secret("client_assertion", assertion);
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
}
