//! A key that the service manager hands over: systemd's `LoadCredentialEncrypted=fourinsightd.key`, which can be
//! sealed to this machine's TPM. The daemon only ever reads it.

use std::{fs::File, io::Read, path::Path};

use super::{KEY_LENGTH, Key};

/// What the credential is called.
pub(super) const NAME: &str = "fourinsightd.key";

/// Whether it was handed over.
pub(super) fn is_there(folder: &Path) -> bool {
    folder.join(NAME).symlink_metadata().is_ok()
}

/// The key, or what is wrong with it.
pub(super) fn read(folder: &Path) -> Result<Key, String> {
    let opened = File::open(folder.join(NAME)).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => not_handed_over(),
        _ => format!("the systemd credential {NAME} cannot be read: {error}"),
    })?;
    let (mut key, mut more) = (Key::default(), [0; 1]);
    let mut whole = opened.take(KEY_LENGTH as u64 + 1);
    if whole.read_exact(key.as_mut_slice()).is_err() || whole.read(&mut more).ok() != Some(0) {
        return Err(format!("the systemd credential {NAME} does not hold a key of {KEY_LENGTH} bytes"));
    }
    Ok(key)
}

/// The one thing that is wrong when there is none.
pub(super) fn not_handed_over() -> String {
    format!(
        "systemd has handed over no credential {NAME} (start the daemon by the unit that loads it: see \
         fourinsightd.service.d)"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_credential_is_a_key_of_exactly_its_length() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_there(folder.path()));
        assert!(read(folder.path()).unwrap_err().contains("no credential"));
        for (length, good) in [(0, false), (31, false), (32, true), (33, false), (64, false)] {
            fs::write(folder.path().join(NAME), vec![9; length]).unwrap();
            assert!(is_there(folder.path()));
            match read(folder.path()) {
                Ok(key) => assert!(good && *key == [9; 32], "{length} bytes"),
                Err(why) => assert!(!good && why.contains("32 bytes"), "{length} bytes: {why}"),
            }
        }
    }
}
