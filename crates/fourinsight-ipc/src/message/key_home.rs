//! Where the key lives that seals the store, and whether it is within reach.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where the sealing key lives. Chosen once; nothing but a rekey moves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyHome {
    /// The operating system's keyring: Secret Service, macOS Keychain, Windows Credential Manager.
    Keyring,
    /// A credential that the service manager hands over (systemd's `LoadCredentialEncrypted=`).
    Credential,
    /// A file that only its owner can read, beside the store: the weakest of the three.
    File,
    /// Not chosen yet, or a home that this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Whether the sealing key is within reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyState {
    /// The daemon has it.
    Open,
    /// Its home is locked; the daemon has it as soon as somebody unlocks that.
    Locked,
    /// Its home does not answer, or does not have it.
    Unavailable,
    /// Not needed yet, or a state that this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl KeyHome {
    /// Its name, as the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::Credential => "credential",
            Self::File => "file",
            Self::Unknown => "unknown",
        }
    }

    /// The home of a name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Keyring, Self::Credential, Self::File].into_iter().find(|home| home.name() == name)
    }
}

impl fmt::Display for KeyHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Health;

    #[test]
    fn a_home_is_written_as_the_configuration_writes_it() {
        for home in [KeyHome::Keyring, KeyHome::Credential, KeyHome::File] {
            assert_eq!(serde_json::to_value(home).unwrap(), home.name());
            assert_eq!(KeyHome::named(home.name()), Some(home));
        }
        assert_eq!(KeyHome::named("unknown"), None);
    }

    #[test]
    fn what_an_older_daemon_does_not_say_and_a_newer_one_says_anew_is_unknown() {
        let older =
            r#"{"status":"ok","version":"0","pid":1,"socket":"s","store":"d","key":"k","config":"c"}"#;
        let health: Health = serde_json::from_str(older).unwrap();
        assert_eq!((health.key_home, health.key_state), (KeyHome::Unknown, KeyState::Unknown));
        assert_eq!(serde_json::from_str::<KeyHome>(r#""tpm""#).unwrap(), KeyHome::Unknown);
        assert_eq!(serde_json::from_str::<KeyState>(r#""asleep""#).unwrap(), KeyState::Unknown);
    }
}
