//! Keys that clients prove themselves with (RFC 7523), and the certificates that go with them. The RSA keys are fixed
//! texts, known to everyone, because ring makes none; they are good for practice servers only.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey as _};
use serde_json::{Value, json};

/// An RSA key in PKCS#1: the same as [`ClientKey::rsa`].
pub const RSA_IN_PKCS1: &str = include_str!("../../keys/rsa-pkcs1.pem");

/// A P-256 key in SEC 1, as `openssl ecparam` writes it.
pub const EC_IN_SEC1: &str = include_str!("../../keys/ec-sec1.pem");

/// A client's side of a key: what its configuration names.
#[derive(Clone)]
pub struct ClientKey {
    /// The private key, PKCS#8 in PEM.
    pub private_pem: String,
    /// A self-signed certificate for it, in PEM.
    pub certificate_pem: String,
    /// The same certificate.
    pub certificate_der: Vec<u8>,
    kind: KeyKind,
    public: Vec<u8>,
}

/// The server's side of a key: what a client is registered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredKey {
    pub(super) kind: KeyKind,
    /// PKCS#1 for RSA, the point for P-256.
    pub(super) public: Vec<u8>,
    /// With a certificate the client has to name it by its thumbprint.
    pub(super) certificate: Option<Vec<u8>>,
}

/// The kinds of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa,
    P256,
}

impl ClientKey {
    /// An RSA key of 2048 bits, always the same.
    pub fn rsa() -> Self {
        Self::of(&pair(include_str!("../../keys/rsa.pem")), KeyKind::Rsa)
    }

    /// Another RSA key.
    pub fn other_rsa() -> Self {
        Self::of(&pair(include_str!("../../keys/other-rsa.pem")), KeyKind::Rsa)
    }

    /// A fresh P-256 key.
    pub fn ec() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("ring makes P-256 keys");
        Self::of(&pair, KeyKind::P256)
    }

    fn of(pair: &KeyPair, kind: KeyKind) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Practice client");
        let certificate = params.self_signed(pair).expect("the key can sign");
        Self {
            private_pem: pair.serialize_pem(),
            certificate_pem: certificate.pem(),
            certificate_der: certificate.der().to_vec(),
            kind,
            public: pair.public_key_raw().to_vec(),
        }
    }

    /// The public key: PKCS#1 for RSA, the point for P-256.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// A JWT of this header and these claims, signed as RS256 wants it.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        assert_eq!(self.kind, KeyKind::Rsa, "certificates want another form of ECDSA than JWTs");
        let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = pair(&self.private_pem).sign(message.as_bytes()).expect("the key can sign");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A client assertion as somebody else's signer hands it out, valid for four minutes from this Unix time.
    pub fn assertion(&self, client_id: &str, audience: &str, unix_now: u64) -> String {
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": audience, "jti": super::fresh_secret(),
            "iat": unix_now, "nbf": unix_now, "exp": unix_now + 240,
        });
        self.sign(&json!({ "alg": "RS256", "typ": "JWT" }), &claims)
    }

    /// Registers the bare public key, as a `jwks` does.
    pub fn public_key(&self) -> RegisteredKey {
        RegisteredKey { kind: self.kind, public: self.public.clone(), certificate: None }
    }

    /// Registers the certificate.
    pub fn certificate(&self) -> RegisteredKey {
        RegisteredKey { certificate: Some(self.certificate_der.clone()), ..self.public_key() }
    }
}

fn pair(pem: &str) -> KeyPair {
    KeyPair::from_pem(pem).expect("the key in this repository is a key")
}
