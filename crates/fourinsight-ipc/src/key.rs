//! The session key: the name under which a process asks for its token.

use std::{fmt, str::FromStr};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod seed;

/// Names one session: 1 to 128 characters of letters, digits, space and `. _ - @ + =`, starting with a letter
/// or digit; case-sensitive.
///
/// It is percent-encoded in URLs and is never used as a file name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(Box<str>);

impl SessionKey {
    /// The longest key, in characters.
    pub const MAX_LENGTH: usize = 128;

    /// Checks and takes a key.
    pub fn new(text: &str) -> Result<Self, InvalidSessionKey> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b" ._-@+=".contains(&byte);
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if starts_well && text.len() <= Self::MAX_LENGTH && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidSessionKey)
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as one segment of a URL's path.
    pub fn path_segment(&self) -> String {
        utf8_percent_encode(&self.0, PATH_SEGMENT).to_string()
    }
}

/// The key used when none is named: `default`.
impl Default for SessionKey {
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({:?})", self.0)
    }
}

impl FromStr for SessionKey {
    type Err = InvalidSessionKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl Serialize for SessionKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SessionKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// The text is not a session key. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a session key: use 1 to 128 letters, digits, spaces and . _ - @ + =, starting with a letter or a digit"
)]
pub struct InvalidSessionKey;

/// What a path segment must not carry as it is. `+` is encoded because some decoders read it as a space.
const PATH_SEGMENT: &AsciiSet =
    &CONTROLS.add(b' ').add(b'+').add(b'%').add(b'/').add(b'?').add(b'#').add(b'"');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_keys_are_taken() {
        for text in ["default", "a", "7", "Work 2", "me@example.org", "a.b_c-d+e=f", &"x".repeat(128)] {
            assert_eq!(SessionKey::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn paths_controls_and_foreign_letters_are_refused() {
        for text in
            ["", " a", ".", "..", "../x", "a/b", "a\\b", "a\0b", "a\nb", "-x", "é", "a%2f", &"x".repeat(129)]
        {
            assert_eq!(SessionKey::new(text), Err(InvalidSessionKey), "{text:?}");
        }
    }

    #[test]
    fn keys_differ_by_case() {
        assert_ne!(SessionKey::new("work").unwrap(), SessionKey::new("Work").unwrap());
    }

    #[test]
    fn a_path_segment_is_percent_encoded() {
        assert_eq!(SessionKey::new("me + you").unwrap().path_segment(), "me%20%2B%20you");
    }
}
