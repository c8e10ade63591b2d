//! A client secret that a local process brought with its login: it lives in memory only.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IgnoredAny};
use subtle::ConstantTimeEq;

/// A client secret in memory. Written down it says only that there was one; read back it is forgotten.
#[derive(Clone)]
pub struct Brought(Option<SecretString>);

impl Brought {
    /// Takes the secret.
    pub fn new(secret: SecretString) -> Self {
        Self(Some(secret))
    }

    /// The secret, unless an earlier run of the daemon took it along.
    pub fn secret(&self) -> Option<&SecretString> {
        self.0.as_ref()
    }
}

impl fmt::Debug for Brought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Brought(…)" } else { "Brought(forgotten)" })
    }
}

impl PartialEq for Brought {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => {
                one.expose_secret().as_bytes().ct_eq(other.expose_secret().as_bytes()).into()
            }
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for Brought {}

impl Serialize for Brought {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Brought {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(None))
    }
}

#[cfg(test)]
mod tests {
    use crate::profile::SecretSource;

    use super::*;

    #[test]
    fn it_is_neither_printed_nor_written() {
        let source = SecretSource::Brought(Brought::new("s3cr3t".into()));
        let written = serde_json::to_string(&source).unwrap();
        assert_eq!(written, r#"{"brought":null}"#);
        assert_eq!(format!("{source:?}"), "Brought(Brought(…))");
        let SecretSource::Brought(read) = serde_json::from_str(&written).unwrap() else {
            panic!("another source")
        };
        assert!(read.secret().is_none());
        assert_ne!(SecretSource::Brought(read), source);
        assert_eq!(source.clone(), source);
    }
}
