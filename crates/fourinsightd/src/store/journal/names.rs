//! What slots are called: a session's key may hold what a file system cannot, so its digest is the name.

use std::{collections::BTreeSet, fs, io, path::Path};

use data_encoding::HEXLOWER;
use fourinsight_ipc::{SessionKey, platform::private_folder};
use ring::digest;

use crate::store::error::{StoreError, file};

/// The file names of all slots. Half-made ones are removed: nothing was sent on their strength.
pub(in crate::store) fn slot_names(folder: &Path) -> Result<BTreeSet<String>, StoreError> {
    private_folder(folder).map_err(file("create", folder))?;
    let mut names = BTreeSet::new();
    for found in fs::read_dir(folder).map_err(file("list", folder))? {
        let found = found.map_err(file("list", folder))?;
        let Ok(name) = found.file_name().into_string() else { continue };
        if is_digest(&name) {
            names.insert(name);
        } else if name.strip_suffix(".new").is_some_and(is_digest) {
            fs::remove_file(found.path()).map_err(file("remove", &found.path()))?;
        }
    }
    Ok(names)
}

/// The same, and nothing is changed.
pub(in crate::store) fn known_slots(folder: &Path) -> Result<BTreeSet<String>, StoreError> {
    let names = fs::read_dir(folder).and_then(|found| {
        found.map(|found| Ok(found?.file_name().into_string().ok())).collect::<io::Result<Vec<_>>>()
    });
    let names = names.map_err(file("list", folder))?;
    Ok(names.into_iter().flatten().filter(|name| is_digest(name)).collect())
}

fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The file name of a session's slot: a digest, since a key may hold what a file system cannot.
pub(in crate::store) fn slot_name(session: &SessionKey) -> String {
    digest(session.as_str().as_bytes())
}

/// The SHA-256 digest of something, in hexadecimal.
pub(in crate::store) fn digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref())
}
