//! `broker.key`: the key itself, in a file that only its owner can read, or a text that says where the key is.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    path::Path,
};

use fourinsight_ipc::platform::{private_file, sync_folder};
use zeroize::Zeroizing;

use super::{KEY_LENGTH, Key, descriptor::Descriptor};
use crate::store::error::{StoreError, file};

/// What the file holds.
#[derive(Debug)]
pub(super) enum Written {
    /// The key itself.
    Key(Key),
    /// Where it is.
    Elsewhere(Descriptor),
}

/// The longest file that is looked at: a key has 32 bytes, a text a few lines.
const LIMIT: u64 = 4096;

/// Reads the file, if there is one. One wider than 0600 is tightened.
pub(super) fn read(path: &Path) -> Result<Option<Written>, StoreError> {
    match path.symlink_metadata() {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file("look at", path)(error)),
    }
    let opened = private_file(path).map_err(file("open", path))?;
    // Room for everything at once: growing would leave a copy of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT as usize + 1));
    opened.take(LIMIT).read_to_end(&mut bytes).map_err(file("read", path))?;
    if bytes.len() == KEY_LENGTH {
        let mut key = Key::default();
        key.copy_from_slice(&bytes);
        return Ok(Some(Written::Key(key)));
    }
    let text = str::from_utf8(&bytes).ok();
    match text.and_then(Descriptor::parse) {
        Some(descriptor) => Ok(Some(Written::Elsewhere(descriptor))),
        None => Err(StoreError::KeyDamaged { path: path.to_owned() }),
    }
}

/// Written aside and synced, then linked to its name: the name never stands for half a key, and linking, unlike
/// renaming, replaces nothing.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let aside = path.with_added_extension("new");
    let mut written = private_file(&aside).map_err(file("create", &aside))?;
    written
        .set_len(0)
        .and_then(|()| written.write_all(bytes))
        .and_then(|()| written.sync_all())
        .map_err(file("write", &aside))?;
    fs::hard_link(&aside, path).map_err(file("create", path))?;
    fs::remove_file(&aside).map_err(file("remove", &aside))?;
    match path.parent() {
        Some(folder) => sync_folder(folder).map_err(file("sync", folder)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creating_never_replaces_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.key");
        fs::write(&path, [5; KEY_LENGTH]).unwrap();
        assert!(matches!(create(&path, &[6; KEY_LENGTH]), Err(StoreError::File { .. })));
        assert_eq!(fs::read(&path).unwrap(), [5; KEY_LENGTH]);
    }

    #[test]
    fn a_key_left_half_written_aside_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.key");
        fs::write(folder.path().join("broker.key.new"), [1; 40]).unwrap();
        create(&path, &[6; KEY_LENGTH]).unwrap();
        assert!(matches!(read(&path).unwrap(), Some(Written::Key(key)) if *key == [6; KEY_LENGTH]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left aside");
    }

    #[test]
    fn what_is_neither_a_key_nor_a_text_of_ours_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.key");
        assert!(read(&path).unwrap().is_none());
        for length in [0, KEY_LENGTH - 1, KEY_LENGTH + 1, 10_000] {
            fs::write(&path, vec![1; length]).unwrap();
            let error = read(&path).unwrap_err();
            assert!(matches!(error, StoreError::KeyDamaged { .. }));
            assert!(error.to_string().contains(path.to_str().unwrap()));
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
    }
}
