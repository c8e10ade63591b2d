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

    /// Whether it is proven by a certificate and its key.
    pub fn has_certificate(&self) -> bool {
        self.certificate.is_some() && self.key.is_some()
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
    fn a_record_holds_sources_and_words_only() {
        let written = |assertion: &Assertion| serde_json::to_string(assertion).unwrap();
        assert_eq!(written(&Assertion::default()), "{}");
        let full = Assertion {
            certificate: Some("/c.pem".into()),
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
