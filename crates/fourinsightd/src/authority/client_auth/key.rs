//! A client's private key, as files hold it: PEM around PKCS#8, or around PKCS#1 for RSA.

use jsonwebtoken::EncodingKey;
use ring::signature::KeyPair as _;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use zeroize::Zeroizing;

use super::{
    material::unusable_key,
    sign::{ec_key, rsa_key},
};
use crate::authority::Failure;

/// A private key that can sign client assertions.
pub(super) struct Key {
    /// What signs; wiped when dropped.
    pub(super) signing: EncodingKey,
    pub(super) kind: Kind,
    /// As a certificate holds it: PKCS#1 for RSA, the point for P-256.
    public: Vec<u8>,
}

/// The kinds of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    P256,
}

impl Key {
    /// Reads the first private key of a PEM text.
    pub(super) fn read(pem: &[u8]) -> Result<Self, Failure> {
        let unusable = |what: &str, next: &str| Err(unusable_key(what, next));
        if pem.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED) {
            return unusable(
                "is encrypted",
                "let `command` print it in the clear, as `openssl pkcs8 -in …` does with its `-passin`",
            );
        }
        let Ok(key) = PrivateKeyDer::from_pem_slice(pem).map(Zeroizing::new) else {
            return unusable(
                "is no private key in PEM",
                "name a PEM file that begins with BEGIN PRIVATE KEY",
            );
        };
        if matches!(*key, PrivateKeyDer::Sec1(_)) {
            return unusable("is not in PKCS#8", "convert it with `openssl pkcs8 -topk8 -nocrypt`");
        }
        let der = key.secret_der();
        match (rsa_key(der), ec_key(der)) {
            (Ok(pair), _) => Ok(Self {
                signing: EncodingKey::from_rsa_der(der),
                kind: Kind::Rsa,
                public: pair.public_key().as_ref().to_vec(),
            }),
            (_, Ok(pair)) => Ok(Self {
                signing: EncodingKey::from_ec_der(der),
                kind: Kind::P256,
                public: pair.public_key().as_ref().to_vec(),
            }),
            _ => unusable(
                "is neither an RSA key of 2048 to 4096 bits nor a P-256 key",
                "make one of these, and register it at the server",
            ),
        }
    }

    /// Whether a certificate is for this key: its public key stands in there to the byte. What else is in the
    /// certificate is for the server to judge.
    pub(super) fn belongs_to(&self, certificate: &[u8]) -> bool {
        certificate.windows(self.public.len()).any(|window| window == self.public)
    }
}

/// What stands in every PEM text of an encrypted key, old or new.
const ENCRYPTED: &[u8] = b"ENCRYPTED";

#[cfg(test)]
mod tests {
    use testkit::practice::client_keys::{ClientKey, EC_IN_SEC1, RSA_IN_PKCS1};

    use super::*;

    #[test]
    fn keys_are_read_in_each_usual_form() {
        let (rsa, ec) = (ClientKey::rsa(), ClientKey::ec());
        for (pem, kind) in [
            (rsa.private_pem.clone(), Kind::Rsa),
            (RSA_IN_PKCS1.to_owned(), Kind::Rsa),
            (ec.private_pem.clone(), Kind::P256),
            (format!("{}{}", rsa.certificate_pem, rsa.private_pem), Kind::Rsa),
        ] {
            assert_eq!(Key::read(pem.as_bytes()).unwrap().kind, kind, "{kind:?}");
        }
    }

    #[test]
    fn other_keys_are_refused_with_the_next_step_and_without_their_text() {
        let broken = ClientKey::rsa().private_pem.replace("MII", "MIJ");
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nczNjcjN0\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for (pem, says) in [
            ("s3cr3t", "no private key in PEM"),
            ("", "no private key in PEM"),
            (encrypted, "is encrypted"),
            (EC_IN_SEC1, "openssl pkcs8"),
            (broken.as_str(), "neither an RSA key"),
        ] {
            let Err(failure) = Key::read(pem.as_bytes()) else { panic!("{says}") };
            assert_eq!(failure.error, "client_key_unusable");
            assert!(failure.description.contains(says), "{failure:?}");
            assert!(failure.description.contains("; ") && !failure.description.contains("s3cr3t"));
        }
    }

    #[test]
    fn a_certificate_belongs_to_its_own_key_only() {
        let (one, other, ec) = (ClientKey::rsa(), ClientKey::other_rsa(), ClientKey::ec());
        for (key, certificate, belongs) in [
            (&one, &one, true),
            (&one, &other, false),
            (&ec, &ec, true),
            (&ec, &one, false),
            (&one, &ec, false),
        ] {
            let key = Key::read(key.private_pem.as_bytes()).unwrap();
            assert_eq!(key.belongs_to(&certificate.certificate_der), belongs);
        }
    }
}
