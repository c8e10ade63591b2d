//! The Keychain of macOS: a generic password of this user's, which only this program is let at without a question.

use std::time::Duration;

use security_framework::{
    base::Error,
    passwords::{delete_generic_password, get_generic_password, set_generic_password},
};

use super::{KeyringError, SERVICE, Secret};

/// What people call it.
pub(crate) const NAME: &str = "macOS Keychain";

// Result codes of Security.framework (SecBase.h).
const NOT_AVAILABLE: i32 = -25291;
const AUTHENTICATION_FAILED: i32 = -25293;
const NO_SUCH_KEYCHAIN: i32 = -25294;
const ITEM_NOT_FOUND: i32 = -25300;
const INTERACTION_NOT_ALLOWED: i32 = -25308;

/// Whether there is a keyring at all: always, here.
pub(crate) fn is_there() -> bool {
    true
}

/// The secret of an id; `None` when an unlocked keychain has none. The system knows no time limit: the caller has one.
pub(crate) fn read(id: &str, _limit: Duration) -> Result<Option<Secret>, KeyringError> {
    match get_generic_password(SERVICE, id) {
        Ok(secret) => Ok(Some(Secret::new(secret))),
        Err(error) if error.code() == ITEM_NOT_FOUND => Ok(None),
        Err(error) => Err(told(error)),
    }
}

/// Keeps a secret under an id.
pub(crate) fn write(id: &str, secret: &[u8], _limit: Duration) -> Result<(), KeyringError> {
    set_generic_password(SERVICE, id, secret).map_err(told)
}

/// Sees to it that an unlocked keychain has no secret of an id.
pub(crate) fn remove(id: &str, _limit: Duration) -> Result<(), KeyringError> {
    match delete_generic_password(SERVICE, id) {
        Err(error) if error.code() != ITEM_NOT_FOUND => Err(told(error)),
        _ => Ok(()),
    }
}

fn told(error: Error) -> KeyringError {
    match error.code() {
        INTERACTION_NOT_ALLOWED | AUTHENTICATION_FAILED => KeyringError::Locked,
        NOT_AVAILABLE | NO_SUCH_KEYCHAIN => {
            KeyringError::Unavailable("this user has no keychain here".to_owned())
        }
        code => KeyringError::Unavailable(format!("it refuses (error {code})")),
    }
}
