//! Signs JWTs, on ring. The crate that encodes them takes whatever signer its process installs.

use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    crypto::{CryptoProvider, JwtSigner, KeyUtils},
    errors::{Error, ErrorKind, Result, new_error},
    signature::{self, Signer},
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
        RsaKeyPair,
    },
};
use serde::Serialize;

/// A signed JWT (RFC 7515 section 7.1).
pub(super) fn sign(header: &Header, claims: &impl Serialize, key: &EncodingKey) -> Result<String> {
    // Every call after the first finds it installed.
    let _ = ON_RING.install_default();
    jsonwebtoken::encode(header, claims, key)
}

/// The RSA key of a DER text, PKCS#8 or PKCS#1.
pub(super) fn rsa_key(der: &[u8]) -> std::result::Result<RsaKeyPair, ring::error::KeyRejected> {
    // Neither form reads as the other; the error is of the form that most keys have.
    RsaKeyPair::from_pkcs8(der).or_else(|error| RsaKeyPair::from_der(der).map_err(|_| error))
}

/// The P-256 key of a DER text, PKCS#8.
pub(super) fn ec_key(der: &[u8]) -> std::result::Result<EcdsaKeyPair, ring::error::KeyRejected> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new())
}

static ON_RING: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| signer(*algorithm, key),
    verifier_factory: |_, _| Err(unsupported()),
    key_utils: KeyUtils::new_unimplemented(),
};

fn signer(algorithm: Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    let rejected = |error: ring::error::KeyRejected| new_error(ErrorKind::InvalidRsaKey(error.to_string()));
    let der = key.as_bytes();
    let signing = match algorithm {
        Algorithm::RS256 => Signing::Rsa(rsa_key(der).map_err(rejected)?, &RSA_PKCS1_SHA256),
        Algorithm::PS256 => Signing::Rsa(rsa_key(der).map_err(rejected)?, &RSA_PSS_SHA256),
        Algorithm::ES256 => Signing::Ec(ec_key(der).map_err(|_| new_error(ErrorKind::InvalidEcdsaKey))?),
        Algorithm::HS256 => Signing::Hmac(hmac::Key::new(hmac::HMAC_SHA256, der)),
        _ => return Err(unsupported()),
    };
    Ok(Box::new(OnRing { algorithm, signing }))
}

fn unsupported() -> Error {
    new_error(ErrorKind::UnsupportedAlgorithm)
}

/// A key and how it is used.
struct OnRing {
    algorithm: Algorithm,
    signing: Signing,
}

enum Signing {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
    Hmac(hmac::Key),
}

impl Signer<Vec<u8>> for OnRing {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        let random = SystemRandom::new();
        match &self.signing {
            Signing::Rsa(key, padding) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*padding, &random, message, &mut signature).map_err(|_| signature::Error::new())?;
                Ok(signature)
            }
            Signing::Ec(key) => {
                let signature = key.sign(&random, message).map_err(|_| signature::Error::new())?;
                Ok(signature.as_ref().to_vec())
            }
            Signing::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }
}

impl JwtSigner for OnRing {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
