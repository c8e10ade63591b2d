//! ID tokens (OpenID Connect Core section 2), signed with ES256 by a key made when the server is.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use super::grant::Grant;

/// What one ID token says.
pub(super) struct Claims<'a> {
    pub(super) issuer: &'a str,
    pub(super) grant: &'a Grant,
    pub(super) name: Option<&'a str>,
    pub(super) nonce: Option<&'a str>,
    /// In Unix seconds.
    pub(super) issued_at: u64,
    pub(super) life: Duration,
    pub(super) access_token: &'a str,
}

impl Claims<'_> {
    pub(super) fn to_json(&self) -> Value {
        let hash = digest(&SHA256, self.access_token.as_bytes());
        let mut claims = json!({
            "iss": self.issuer,
            "sub": self.grant.subject,
            "aud": self.grant.client_id,
            "iat": self.issued_at,
            "exp": self.issued_at + self.life.as_secs(),
            "auth_time": self.grant.signed_in_at,
            "at_hash": URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]),
        });
        if let Some(acr) = &self.grant.acr {
            claims["acr"] = json!(acr);
        }
        if let Some(name) = self.name {
            claims["name"] = json!(name);
        }
        if let Some(nonce) = self.nonce {
            claims["nonce"] = json!(nonce);
        }
        claims
    }
}

/// The server's signing key.
pub(super) struct SigningKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl SigningKey {
    const ID: &str = "practice-1";

    pub(super) fn generate() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random)
            .expect("the system's random numbers never run out");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random)
            .expect("a key just written can be read");
        Self { pair, random }
    }

    /// A compact JWS (RFC 7515).
    pub(super) fn sign(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": Self::ID });
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self
            .pair
            .sign(&self.random, signed.as_bytes())
            .expect("the system's random numbers never run out");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(super) fn public_jwk(&self) -> Value {
        // An uncompressed point: 0x04, then x and y.
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({
            "kty": "EC",
            "crv": "P-256",
            "use": "sig",
            "alg": "ES256",
            "kid": Self::ID,
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        })
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn the_published_key_verifies_the_signature() {
        let key = SigningKey::generate();
        let jws = key.sign(&json!({ "sub": "s" }));
        let (signed, signature) = jws.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let jwk = key.public_jwk();
        let mut point = vec![4];
        for coordinate in ["x", "y"] {
            point.extend(URL_SAFE_NO_PAD.decode(jwk[coordinate].as_str().unwrap()).unwrap());
        }
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        public.verify(signed.as_bytes(), &signature).unwrap();
        assert!(public.verify(b"something else", &signature).is_err());
    }
}
