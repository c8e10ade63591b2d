//! The session keys of `fourinsight.api`: any string is one of theirs, and each has one key here.
//!
//! A key of theirs that is also one of ours stays as it is. Any other gets a readable part and a short hash of the
//! whole. So does one that reads as if it had been made that way, and thus no two of theirs share a key, as far as
//! the hash can tell. Sessions are found by it for years: what it answers never changes.

use super::SessionKey;

/// Ends a made key: so many lowercase hexadecimal digits. An odd number, because keys that end with a date, a time
/// or a group of a UUID are common, and need no mapping.
const DIGITS: usize = 11;

/// The longest readable part.
const READABLE: usize = 64;

/// The readable part of a key that has nothing to read.
const UNREADABLE: &str = "key";

impl SessionKey {
    /// The key for a `session_key` of `fourinsight.api`; `None` is their missing one, which names a session of its
    /// own and is `default` here. Their `"default"` is another session and becomes `default-1`.
    pub fn of_seed(original: Option<&str>) -> Self {
        match original {
            None => Self::default(),
            Some("default") => Self("default-1".into()),
            Some(text) => match Self::new(text) {
                Ok(key) if !looks_made(text) => key,
                _ => Self(format!("{}-{:0DIGITS$x}", readable(text), hash(text)).into()),
            },
        }
    }
}

fn looks_made(text: &str) -> bool {
    let is_hash =
        |end: &str| end.len() == DIGITS && end.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    text == "default-1" || text.rsplit_once('-').is_some_and(|(_, end)| is_hash(end))
}

/// What of the text a key can hold, each run of anything else as one hyphen. No space: a made key is typed in shells.
fn readable(text: &str) -> String {
    let mut part = String::with_capacity(READABLE);
    for c in text.chars() {
        if part.len() == READABLE {
            break;
        }
        if c.is_ascii_alphanumeric() || (!part.is_empty() && "._@+=".contains(c)) {
            part.push(c);
        } else if !part.is_empty() && !part.ends_with('-') {
            part.push('-');
        }
    }
    part.truncate(part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len());
    if part.is_empty() { UNREADABLE.to_owned() } else { part }
}

/// The 64-bit FNV-1a hash, folded to as many bits as are shown. Nothing secret rests on it: who makes two keys
/// collide has made both, and the daemon refuses the second.
fn hash(text: &str) -> u64 {
    const SHOWN: u32 = 4 * DIGITS as u32;
    let full = fnv1a(text.as_bytes());
    (full >> SHOWN) ^ (full & ((1 << SHOWN) - 1))
}

fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn mapped(original: &str) -> String {
        SessionKey::of_seed(Some(original)).as_str().to_owned()
    }

    /// A line that changes here makes somebody's session unfindable.
    #[test]
    fn the_mapping_never_changes() {
        for (original, key) in [
            ("my_unique_session_0", "my_unique_session_0"),
            ("Work 2", "Work 2"),
            ("me@example.org", "me@example.org"),
            ("run-20261121", "run-20261121"),
            ("0f8fad5b-d9cb-469f-a165-70867728950e", "0f8fad5b-d9cb-469f-a165-70867728950e"),
            ("default", "default-1"),
            ("default-1", "default-1-6cc16563d03"),
            ("Default", "Default"),
            ("", "key-ce4842e9c0c"),
            (" ", "key-d4c860b7746"),
            ("/", "key-24c860b7fc4"),
            ("ops/eu", "ops-eu-69c3e1ea148"),
            ("ops eu/", "ops-eu-0b7f7a56bad"),
            ("ops:eu", "ops-eu-b9be2606095"),
            ("../../etc/passwd", "etc-passwd-c0bbbdc4308"),
            ("_private", "private-4f91d27edba"),
            ("-x", "x-207b49853a4"),
            ("Ærlig talt", "rlig-talt-ec117def778"),
            ("日本", "key-e35a6d2ef46"),
            ("a\nb", "a-b-119041bbd9b"),
            ("a\0b", "a-b-91904283b9b"),
            ("work-0123456789a", "work-0123456789a-02baef01a5c"),
        ] {
            assert_eq!(mapped(original), key, "{original:?}");
        }
        assert_eq!(SessionKey::of_seed(None).as_str(), "default");
    }

    #[test]
    fn a_long_key_keeps_its_beginning_and_is_a_key() {
        assert_eq!(mapped(&"x".repeat(128)), "x".repeat(128));
        let long = mapped(&"x".repeat(129));
        assert_eq!(long.len(), READABLE + 1 + DIGITS);
        assert_ne!(long, mapped(&"x".repeat(130)));
    }

    #[test]
    fn every_result_is_a_key_and_no_two_are_the_same() {
        let signs = ["", "a", "A", "é", "/", "-", " ", ".", "default", "-1", "0123456789a", "\u{7f}"];
        let mut seen = HashMap::new();
        for one in signs {
            for two in signs {
                for three in signs {
                    let original = format!("{one}{two}{three}");
                    let key = mapped(&original);
                    assert!(SessionKey::new(&key).is_ok(), "{original:?} {key:?}");
                    assert_ne!(key, "default", "{original:?}");
                    if let Some(other) = seen.insert(key.clone(), original.clone()) {
                        assert_eq!(other, original, "both are {key}");
                    }
                    // What was made is never taken for somebody's own.
                    if key != original {
                        assert_ne!(mapped(&key), key, "{original:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
