//! Client assertions (RFC 7523 section 3): a JWT of a few minutes' life, a fresh one for every request.

use std::time::Duration;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use url::Url;

use super::{
    key::{Key, Kind},
    material::{self, unusable_certificate, unusable_key},
    sign::sign,
};
use crate::{
    authority::{Failure, Registration, dialect, microsoft},
    profile::{AssertionAlgorithm, AssertionAudience},
    random,
};

/// Servers take five minutes at most; one of them may be lost to a server whose clock is behind.
const LIFE: Duration = Duration::from_mins(4);

/// A JWT signed with the client's key, or the ready-made one as it stands at this moment.
pub(super) async fn by_key(registration: &Registration, unix_now: i64) -> Result<SecretString, Failure> {
    let assertion = &registration.assertion;
    if let Some(source) = &assertion.ready_made {
        return material::read_assertion(source).await;
    }
    let Some(source) = &assertion.key else {
        return Err(unusable_key(
            "is missing",
            "add client_key or client_assertion to the profile, and log in again",
        ));
    };
    let key = Key::read(&material::read_key(source).await?)?;
    let certificates = match &assertion.certificate {
        Some(path) => chain(&material::read_certificate(path).await?, &key)?,
        None => vec![],
    };
    // A thumbprint by SHA-1 goes with RS256, as in MSAL.
    let by_sha256 = assertion.thumbprint.as_ref().is_some_and(|thumbprint| !thumbprint.is_sha1());
    let algorithm = algorithm(assertion.algorithm, key.kind, !certificates.is_empty() || by_sha256)?;
    let mut header = Header::new(algorithm);
    if let Some(certificate) = certificates.first() {
        if algorithm == Algorithm::RS256 {
            header.x5t = Some(thumbprint(&SHA1_FOR_LEGACY_USE_ONLY, certificate));
        } else {
            header.x5t_s256 = Some(thumbprint(&SHA256, certificate));
        }
        if assertion.x5c {
            header.x5c = Some(certificates.iter().map(|der| STANDARD.encode(der)).collect());
        }
    }
    if let Some(thumbprint) = &assertion.thumbprint {
        let encoded = URL_SAFE_NO_PAD.encode(thumbprint.to_bytes());
        let field = if thumbprint.is_sha1() { &mut header.x5t } else { &mut header.x5t_s256 };
        *field = Some(encoded);
    }
    make(&header, registration, &key.signing, unix_now)
}

/// A JWT signed with the client secret.
pub(super) fn by_secret(
    registration: &Registration,
    secret: &SecretString,
    unix_now: i64,
) -> Result<SecretString, Failure> {
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    make(&Header::new(Algorithm::HS256), registration, &key, unix_now)
}

fn make(
    header: &Header,
    registration: &Registration,
    key: &EncodingKey,
    unix_now: i64,
) -> Result<SecretString, Failure> {
    let client_id = registration.client_id.as_str();
    let claims = Claims {
        iss: client_id,
        sub: client_id,
        aud: audience(registration),
        jti: URL_SAFE_NO_PAD.encode(random::bytes::<16>()),
        iat: unix_now,
        nbf: unix_now,
        exp: unix_now.saturating_add_unsigned(LIFE.as_secs()),
    };
    // The cause is not told: only the key's own words could be in it.
    sign(header, &claims, key)
        .map(SecretString::from)
        .map_err(|_| unusable_key("cannot sign", "name another key"))
}

/// RFC 7523 section 3. The audience is a single string: a server must not take an assertion that others take too.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// Whom the assertion is for. A server without an issuer identifier is known by its token endpoint.
fn audience(registration: &Registration) -> &str {
    let token_endpoint = registration.token_endpoint.as_str();
    let issuer = registration.issuer.as_deref().unwrap_or(token_endpoint);
    match &registration.assertion.audience {
        Some(AssertionAudience::Uri(uri)) => uri,
        Some(AssertionAudience::TokenEndpoint) => token_endpoint,
        None if is_for_token_endpoint(registration, issuer) => token_endpoint,
        Some(AssertionAudience::Issuer) | None => issuer,
    }
}

/// Whether the token endpoint is the audience though nobody said so. Never where that would make an assertion that
/// one server is sent and another takes.
fn is_for_token_endpoint(registration: &Registration, issuer: &str) -> bool {
    let is_one_server = is_one_server(issuer, &registration.token_endpoint);
    if registration.pinned_endpoint.is_some() && !is_one_server {
        // A package named it: an assertion for the issuer is none of its business.
        return true;
    }
    // Entra documents its token endpoint as the audience. An issuer elsewhere that names Entra's token endpoint beside
    // other endpoints of its own would be sent there what Entra takes.
    dialect::is_entra(registration) && (microsoft::is_login_host(issuer) || is_one_server)
}

/// Whether an issuer and a token endpoint are of the same server, as far as their hosts tell.
fn is_one_server(issuer: &str, token_endpoint: &str) -> bool {
    let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin());
    origin(issuer).is_some_and(|issuer| Some(issuer) == origin(token_endpoint))
}

/// The certificates of a PEM text: the key's own first, then those above it.
fn chain(pem: &[u8], key: &Key) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let certificates: Option<Vec<_>> = CertificateDer::pem_slice_iter(pem).map(Result::ok).collect();
    let certificates = certificates.filter(|found| !found.is_empty()).ok_or_else(|| {
        let next = "name a PEM file that begins with BEGIN CERTIFICATE";
        unusable_certificate("is no certificate in PEM", next)
    })?;
    if !key.belongs_to(&certificates[0]) {
        let next =
            "name the certificate and the key of one pair; of several certificates the key's own comes first";
        return Err(unusable_certificate("does not belong to the client key", next));
    }
    Ok(certificates)
}

fn algorithm(
    chosen: Option<AssertionAlgorithm>,
    kind: Kind,
    has_certificate: bool,
) -> Result<Algorithm, Failure> {
    let usual = match kind {
        Kind::P256 => AssertionAlgorithm::Es256,
        Kind::Rsa if has_certificate => AssertionAlgorithm::Ps256,
        Kind::Rsa => AssertionAlgorithm::Rs256,
    };
    let next = "correct assertion_algorithm or the key";
    match (chosen.unwrap_or(usual), kind) {
        (AssertionAlgorithm::Rs256, Kind::Rsa) => Ok(Algorithm::RS256),
        (AssertionAlgorithm::Ps256, Kind::Rsa) => Ok(Algorithm::PS256),
        (AssertionAlgorithm::Es256, Kind::P256) => Ok(Algorithm::ES256),
        (_, Kind::Rsa) => Err(unusable_key("is an RSA key, which cannot sign ES256", next)),
        (_, Kind::P256) => Err(unusable_key("is a P-256 key, which can only sign ES256", next)),
    }
}

fn thumbprint(by: &'static ring::digest::Algorithm, certificate: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(by, certificate))
}

#[cfg(test)]
mod tests;
