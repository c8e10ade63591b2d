//! The modes of the store's files. A process of its own, since the umask belongs to the whole process.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "clippy takes only the test function itself for a test")]

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use fourinsight_ipc::SessionKey;
use fourinsightd::store::Store;
use nix::sys::stat::{Mode, umask};
use zeroize::Zeroizing;

#[tokio::test]
async fn only_the_owner_can_read_the_store_whatever_the_umask() {
    umask(Mode::empty());
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("home/api");
    let store = Store::open(&state).await.unwrap().store;
    use_every_file(&store).await;
    assert_private(&state);

    let killed = folder.path().join("killed");
    fs::create_dir_all(killed.join("journal")).unwrap();
    for path in files(&state) {
        let copy = killed.join(path.strip_prefix(&state).unwrap());
        fs::copy(path, &copy).unwrap();
        fs::set_permissions(copy, Permissions::from_mode(0o644)).unwrap();
    }
    let opened = Store::open(&killed).await.unwrap();
    assert_eq!(opened.sessions.len(), 1);
    assert_private(&killed);
}

async fn use_every_file(store: &Store) {
    let key = SessionKey::default();
    store.compare_and_put(&key, None, 1, Zeroizing::new(b"record".to_vec())).await.unwrap();
    store.intend(&key, 2, b"intent".to_vec()).await.unwrap();
    store.answer(&key, 2, Zeroizing::new(b"answer".to_vec())).await.unwrap();
}

/// A database, its log, a key and a slot.
fn assert_private(state: &Path) {
    for folder in [state.to_owned(), state.join("journal")] {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
    let files = files(state);
    assert_eq!(files.len(), 4, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

fn files(state: &Path) -> Vec<std::path::PathBuf> {
    let folders = [state.to_owned(), state.join("journal")];
    let paths = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    paths.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
