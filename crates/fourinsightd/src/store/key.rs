//! The key that seals the store: 32 random bytes in a file that only its owner can read.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    path::Path,
};

use fourinsight_ipc::platform::{private_file, sync_folder};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::{
    error::{StoreError, file},
    seal::KEY_LENGTH,
};

/// The key, wiped when dropped.
pub(super) type Key = Zeroizing<[u8; KEY_LENGTH]>;

/// Reads the key; makes one only where nothing has been sealed yet. A file wider than 0600 is tightened.
pub(super) fn load_or_create(path: &Path, anything_sealed: bool) -> Result<Key, StoreError> {
    match path.symlink_metadata() {
        Ok(_) => load(path),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(file("look at", path)(error)),
        Err(_) if anything_sealed => Err(StoreError::KeyMissing { path: path.to_owned() }),
        Err(_) => create(path),
    }
}

/// Reads the key, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<Key>, StoreError> {
    match path.symlink_metadata() {
        Ok(_) => load(path).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file("look at", path)(error)),
    }
}

fn load(path: &Path) -> Result<Key, StoreError> {
    let opened = private_file(path).map_err(file("open", path))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_LENGTH + 1));
    opened.take(KEY_LENGTH as u64 + 1).read_to_end(&mut bytes).map_err(file("read", path))?;
    let mut key = Key::default();
    if bytes.len() != KEY_LENGTH {
        return Err(StoreError::KeyDamaged { path: path.to_owned() });
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}

/// Written aside and synced, then linked to its name: the name never stands for half a key, and linking, unlike
/// renaming, replaces nothing.
pub(super) fn create(path: &Path) -> Result<Key, StoreError> {
    let mut key = Key::default();
    SystemRandom::new().fill(key.as_mut_slice()).map_err(|_| StoreError::Sealing)?;
    let aside = path.with_added_extension("new");
    let mut written = private_file(&aside).map_err(file("create", &aside))?;
    written
        .set_len(0)
        .and_then(|()| written.write_all(key.as_slice()))
        .and_then(|()| written.sync_all())
        .map_err(file("write", &aside))?;
    fs::hard_link(&aside, path).map_err(file("create", path))?;
    fs::remove_file(&aside).map_err(file("remove", &aside))?;
    if let Some(folder) = path.parent() {
        sync_folder(folder).map_err(file("sync", folder))?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_then_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.key");
        let made = load_or_create(&path, false).unwrap();
        assert_ne!(made, Key::default());
        assert_eq!(load_or_create(&path, false).unwrap(), made);
        assert_eq!(load_or_create(&path, true).unwrap(), made);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left aside");
    }

    #[test]
    fn a_key_left_half_written_aside_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.key");
        fs::write(folder.path().join("broker.key.new"), [1; 40]).unwrap();
        let made = load_or_create(&path, false).unwrap();
        assert_eq!(fs::read(&path).unwrap(), made.as_slice());
    }

    #[test]
    fn creating_never_replaces_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.key");
        fs::write(&path, [5; KEY_LENGTH]).unwrap();
        assert!(matches!(create(&path), Err(StoreError::File { .. })));
        assert_eq!(fs::read(&path).unwrap(), [5; KEY_LENGTH]);
    }

    #[test]
    fn a_missing_key_and_a_damaged_one_are_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.key");
        let error = load_or_create(&path, true).unwrap_err();
        assert!(matches!(error, StoreError::KeyMissing { .. }));
        assert!(error.to_string().contains(path.to_str().unwrap()));
        assert!(!path.exists());
        for length in [0, KEY_LENGTH - 1, KEY_LENGTH + 1] {
            fs::write(&path, vec![1; length]).unwrap();
            assert!(matches!(load_or_create(&path, false), Err(StoreError::KeyDamaged { .. })));
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
    }
}
