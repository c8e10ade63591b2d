//! What a server does with refresh tokens that it has replaced.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a server does when a refresh token is used: whether it issues another, and what becomes of the old one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// Nothing is known, so the old one may be dead and its next use may end the login.
    #[default]
    Unknown,
    /// It issues no other: the same refresh token serves for ever.
    None,
    /// It issues others, and the old ones go on working.
    NeverRevoke,
    /// It issues another, and the old one works for so many seconds more.
    Grace(u64),
    /// It issues another, and the old one is dead at once; using it again ends the login.
    Strict,
}

impl Rotation {
    /// Every way that has no number in it, by its word in the configuration.
    pub const WORDS: [(&str, Self); 4] = [
        ("unknown", Self::Unknown),
        ("none", Self::None),
        ("never_revoke", Self::NeverRevoke),
        ("strict", Self::Strict),
    ];

    /// Whether a refresh token that the server may already have replaced still works this many seconds later.
    pub fn tolerates_reuse_after(self, seconds: u64) -> bool {
        match self {
            Self::None | Self::NeverRevoke => true,
            Self::Grace(grace) => seconds < grace,
            Self::Unknown | Self::Strict => false,
        }
    }
}

impl fmt::Display for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grace(seconds) => write!(f, "grace {seconds}s"),
            other => {
                let known = Self::WORDS.iter().find(|(_, rotation)| rotation == other);
                f.write_str(known.map_or("unknown", |(word, _)| word))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_hold_the_words_of_the_configuration() {
        for (word, rotation) in Rotation::WORDS {
            assert_eq!(serde_json::to_string(&rotation).unwrap(), format!("\"{word}\""));
            assert_eq!(rotation.to_string(), word);
        }
        let grace = serde_json::to_string(&Rotation::Grace(30)).unwrap();
        assert_eq!(grace, r#"{"grace":30}"#);
        assert_eq!(serde_json::from_str::<Rotation>(&grace).unwrap(), Rotation::Grace(30));
    }

    #[test]
    fn only_what_is_known_to_be_tolerated_is() {
        for (rotation, at_once, later) in [
            (Rotation::Unknown, false, false),
            (Rotation::Strict, false, false),
            (Rotation::Grace(30), true, false),
            (Rotation::None, true, true),
            (Rotation::NeverRevoke, true, true),
        ] {
            let tolerates = (rotation.tolerates_reuse_after(0), rotation.tolerates_reuse_after(30));
            assert_eq!(tolerates, (at_once, later), "{rotation:?}");
        }
    }
}
