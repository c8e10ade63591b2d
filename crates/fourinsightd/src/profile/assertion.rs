//! How a client proves itself by a JWT (RFC 7523): where its key or the JWT is read, and what the JWT says.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::SecretSource;

/// The sources and the words of a client assertion. Never written with a key or a JWT itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// The certificate by which the server knows the key (PEM), with those above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// The certificate's thumbprint, for a key whose certificate is only at the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<Thumbprint>,
    /// Where the private key is read (PEM), at each use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretSource>,
    /// Where a JWT that somebody else signed is read, at each use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_made: Option<SecretSource>,
    /// Whom the JWT is for; left to the kind of server where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<AssertionAudience>,
    /// How it is signed; left to the key where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<AssertionAlgorithm>,
    /// Whether it carries the certificate, and not only its thumbprint.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub x5c: bool,
}

impl Assertion {
    /// Whether there is something to prove the client with.
    pub fn can_prove(&self) -> bool {
        self.key.is_some() || self.ready_made.is_some()
    }

    /// Whether it is proven by a key and its certificate, or that one's thumbprint.
    pub fn has_certificate(&self) -> bool {
        (self.certificate.is_some() || self.thumbprint.is_some()) && self.key.is_some()
    }
}

/// The hash of a certificate in DER: lower-case hexadecimal digits, 40 of SHA-1 or 64 of SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Thumbprint(String);

impl Thumbprint {
    /// Takes one as certificate stores show it: in either case, with colons or spaces or without.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|sign| !matches!(sign, ':' | ' ')).collect();
        let right = matches!(digits.len(), 40 | 64) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        right.then(|| Self(digits.to_ascii_lowercase()))
    }

    /// The hash itself.
    pub fn to_bytes(&self) -> Vec<u8> {
        let digit = |digit: u8| (digit as char).to_digit(16).unwrap_or_default() as u8;
        self.0.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }

    /// Whether it is by SHA-1, which goes with RS256.
    pub fn is_sha1(&self) -> bool {
        self.0.len() == 40
    }
}

/// Whom a client assertion is for (RFC 7523 section 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssertionAudience {
    /// The server's issuer identifier.
    Issuer,
    /// The server's token endpoint.
    TokenEndpoint,
    /// This URI.
    Uri(String),
}

/// How a client assertion is signed (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AssertionAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl AssertionAlgorithm {
    /// Every algorithm, by its name.
    pub const NAMES: [(&str, Self); 3] =
        [("RS256", Self::Rs256), ("PS256", Self::Ps256), ("ES256", Self::Es256)];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_taken_however_it_is_written_and_nothing_else_is_one() {
        let sha1 = Thumbprint::parse("A1:b2:00:ff A1:b2:00:ff A1:b2:00:ff A1:b2:00:ff A1:b2:00:ff").unwrap();
        assert_eq!((sha1.is_sha1(), &sha1.to_bytes()[..5]), (true, &[0xa1, 0xb2, 0, 0xff, 0xa1][..]));
        let sha256 = Thumbprint::parse(&"0f".repeat(32)).unwrap();
        assert_eq!((sha256.is_sha1(), sha256.to_bytes()), (false, vec![0x0f; 32]));
        for wrong in ["", "a1", &"a1".repeat(21), &"g1".repeat(20), &"é".repeat(20)] {
            assert_eq!(Thumbprint::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_record_holds_sources_and_words_only() {
        let written = |assertion: &Assertion| serde_json::to_string(assertion).unwrap();
        assert_eq!(written(&Assertion::default()), "{}");
        let full = Assertion {
            certificate: Some("/c.pem".into()),
            thumbprint: None,
            key: Some(SecretSource::File("/k.pem".into())),
            ready_made: None,
            audience: Some(AssertionAudience::Uri("api://x".into())),
            algorithm: Some(AssertionAlgorithm::Ps256),
            x5c: true,
        };
        let text = r#"{"certificate":"/c.pem","key":{"file":"/k.pem"},"audience":{"uri":"api://x"},"algorithm":"PS256","x5c":true}"#;
        assert_eq!(written(&full), text);
        assert_eq!(serde_json::from_str::<Assertion>(text).unwrap(), full);
        assert_eq!(serde_json::from_str::<Assertion>("{}").unwrap(), Assertion::default());
    }
}
