//! Client assertions (RFC 7523 section 3) as a strict server takes them: for itself alone, of a few minutes' life, and
//! each of them once.

use std::time::Duration;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    digest::{self, digest},
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    },
};
use serde_json::Value;

use super::{
    answer::{Cause, Refusal},
    client_keys::{KeyKind, RegisteredKey},
    clients::{Client, ClientAuthentication},
    ledger::{Entry, SecretKind},
    site::{Endpoint, Site},
};

/// What `client_assertion` must be said to be (section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far a client's clock may be ahead, in seconds.
const LEEWAY: u64 = 5;

/// The client that a request's assertion proves.
pub(super) fn authenticate<'a>(
    site: &'a Site,
    request: &Entry,
    assertion: &str,
) -> Result<&'a Client, Refusal> {
    let because = |description, cause| Refusal::invalid_client(description, false).because(cause);
    let refuse = |description| Err(because(description, Cause::Other));
    site.practice.state().ledger.remember(SecretKind::ClientAssertion, assertion);
    if request.form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
        return refuse("client_assertion_type is not jwt-bearer");
    }
    let Some(jwt) = Jwt::read(assertion) else { return refuse("client_assertion is no JWT") };
    let subject = jwt.claim("sub");
    let clients = &site.practice.settings().clients;
    let Some(client) = clients.iter().find(|client| Some(client.id.as_str()) == subject) else {
        return Err(because("unknown client", Cause::ClientUnknown));
    };
    if jwt.claim("iss") != subject || request.form.get("client_id").is_some_and(|id| id != client.id) {
        return refuse("iss, sub and client_id differ");
    }
    let way = jwt.verify(client).map_err(|description| because(description, Cause::AssertionWrong))?;
    if !client.accepts.contains(&way) {
        return refuse("this client is registered for another way of authentication");
    }
    if !jwt.claim("aud").is_some_and(|audience| is_this_server(site, audience)) {
        return refuse("aud is not this server alone");
    }
    if let Err(description) =
        jwt.check_times(site.practice.shared.timeline.unix_now(), site.practice.settings().assertion_life)
    {
        return Err(because(description, Cause::AssertionTooOld));
    }
    let Some(id) = jwt.claim("jti").filter(|id| !id.is_empty()) else { return refuse("jti is missing") };
    let mut guard = site.practice.state();
    let state = &mut *guard;
    if !state.assertions.insert((client.id.clone(), id.to_owned())) {
        state.ledger.replayed(assertion);
        return refuse("the client_assertion was used before");
    }
    Ok(client)
}

/// The issuer, or one of its token endpoints.
fn is_this_server(site: &Site, audience: &str) -> bool {
    let path = audience.strip_prefix(&*site.origin);
    audience == &*site.issuer || path.is_some_and(|path| Endpoint::at(path) == Some(Endpoint::Token))
}

/// A JWT taken apart.
struct Jwt<'a> {
    header: Value,
    claims: Value,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { header: json(header)?, claims: json(claims)?, signed, signature })
    }

    fn claim(&self, name: &str) -> Option<&str> {
        self.claims[name].as_str()
    }

    /// In which way it proves this client.
    fn verify(&self, client: &Client) -> Result<ClientAuthentication, &'static str> {
        let algorithm = self.header["alg"].as_str().unwrap_or_default();
        if algorithm == "HS256" {
            let secret = client.secret.as_ref().ok_or("this client has no secret")?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            hmac::verify(&key, self.signed.as_bytes(), &self.signature).map_err(|_| "wrong signature")?;
            return Ok(ClientAuthentication::ClientSecretJwt);
        }
        let key = client.key.as_ref().ok_or("this client has no key")?;
        let verification: &dyn VerificationAlgorithm = match (algorithm, key.kind) {
            ("RS256", KeyKind::Rsa) => &RSA_PKCS1_2048_8192_SHA256,
            ("PS256", KeyKind::Rsa) => &RSA_PSS_2048_8192_SHA256,
            ("ES256", KeyKind::P256) => &ECDSA_P256_SHA256_FIXED,
            _ => return Err("alg does not fit the client's key"),
        };
        UnparsedPublicKey::new(verification, &key.public)
            .verify(self.signed.as_bytes(), &self.signature)
            .map_err(|_| "wrong signature")?;
        self.check_certificate(algorithm, key)?;
        Ok(ClientAuthentication::PrivateKeyJwt)
    }

    /// RS256 goes with the SHA-1 thumbprint, the others with the SHA-256 one, as Entra documents it.
    fn check_certificate(&self, algorithm: &str, key: &RegisteredKey) -> Result<(), &'static str> {
        let Some(certificate) = &key.certificate else { return Ok(()) };
        let (name, by) = match algorithm {
            "RS256" => ("x5t", &digest::SHA1_FOR_LEGACY_USE_ONLY),
            _ => ("x5t#S256", &digest::SHA256),
        };
        // MSAL pads what RFC 7515 leaves unpadded, and Entra takes it.
        let named = self.header[name].as_str().unwrap_or_default().trim_end_matches('=');
        if named != URL_SAFE_NO_PAD.encode(digest(by, certificate)) {
            return Err("the header does not name the client's certificate");
        }
        // MSAL leaves the line breaks of PEM in, and Entra takes them.
        let first = |chain: &Value| chain[0].as_str().map(|text| text.split_whitespace().collect::<String>());
        match &self.header["x5c"] {
            Value::Null => Ok(()),
            chain if first(chain) == Some(STANDARD.encode(certificate)) => Ok(()),
            _ => Err("x5c does not begin with the client's certificate"),
        }
    }

    fn check_times(&self, now: u64, longest_life: Duration) -> Result<(), &'static str> {
        // A NumericDate may have a fraction (RFC 7519 section 2).
        let time = |name| {
            let seconds = Duration::try_from_secs_f64(self.claims[name].as_f64()?);
            seconds.ok().map(|time| time.as_secs())
        };
        match time("exp") {
            None => return Err("exp is missing"),
            Some(end) if end <= now => return Err("the client_assertion has expired"),
            Some(end) if end > now + longest_life.as_secs() => {
                return Err("the client_assertion lives too long");
            }
            Some(_) => {}
        }
        if ["iat", "nbf"].into_iter().filter_map(time).any(|begin| begin > now + LEEWAY) {
            return Err("the client_assertion is not valid yet");
        }
        Ok(())
    }
}
