//! The operating system's keyring: it keeps the one key that seals the store, under an id, for this user.
//!
//! Nothing here asks the person anything: what is locked is reported as locked.

use zeroize::Zeroizing;

#[cfg(target_os = "macos")]
#[path = "keyring/keychain.rs"]
mod system;
#[cfg(windows)]
#[path = "keyring/credential_manager.rs"]
mod system;
#[cfg(all(unix, not(target_os = "macos")))]
#[path = "keyring/secret_service.rs"]
mod system;

pub(crate) use system::{NAME, is_there, read, remove, write};

/// The service under which every key is kept.
const SERVICE: &str = "fourinsightd";

/// A secret as a keyring gives it out.
pub(crate) type Secret = Zeroizing<Vec<u8>>;

/// Why the keyring did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyringError {
    /// It is locked, and whoever unlocks it changes that.
    #[cfg_attr(
        windows,
        expect(dead_code, reason = "Credential Manager is open as long as its user is signed in")
    )]
    Locked,
    /// It did not answer in time. What was asked may have been done, or be done yet.
    Silent,
    /// There is none, or it refuses; in a few words.
    Unavailable(String),
}
