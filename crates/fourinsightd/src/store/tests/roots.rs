//! A database that is taken away, or replaced, while it is open.

use super::*;

async fn with_two_sessions(folder: &Path) -> Store {
    let Opened { store, .. } = Store::open(folder).await.unwrap();
    for name in ["one", "two"] {
        let key = SessionKey::new(name).unwrap();
        store.compare_and_put(&key, None, 1, Zeroizing::new(name.as_bytes().to_vec())).await.unwrap();
    }
    store
}

fn take_away(folder: &Path) {
    for found in fs::read_dir(folder).unwrap() {
        let path = found.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("broker.db") {
            fs::remove_file(path).unwrap();
        }
    }
}

async fn holds_both(folder: &Path) {
    let Opened { sessions, problems, .. } = Store::open(folder).await.unwrap();
    let found: Vec<_> = sessions.iter().map(|it| (it.key.as_str(), &**it.record)).collect();
    assert_eq!(found, [("one", &b"one"[..]), ("two", b"two")]);
    assert_eq!(problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_database_that_was_taken_away_is_written_anew_and_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_two_sessions(folder.path()).await;
    store.look().await;
    assert_eq!(store.trouble(), None);
    take_away(folder.path());
    store.look().await;
    assert!(store.trouble().unwrap().contains("broker.db was taken away"));
    // Once more, noticed by a write.
    take_away(folder.path());
    let key = SessionKey::new("one").unwrap();
    store.compare_and_put(&key, Some(1), 2, Zeroizing::new(b"one".to_vec())).await.unwrap();
    drop(store);
    holds_both(folder.path()).await;
}

#[tokio::test]
async fn what_was_put_in_its_place_is_kept_aside_unopened() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_two_sessions(folder.path()).await;
    take_away(folder.path());
    fs::write(folder.path().join("broker.db"), "somebody else's").unwrap();
    fs::write(folder.path().join("broker.db-wal"), "their log").unwrap();
    store.look().await;
    let told = store.trouble().unwrap();
    assert!(told.contains("broker.db.replaced-1"), "{told}");
    assert_eq!(fs::read(folder.path().join("broker.db.replaced-1")).unwrap(), b"somebody else's");
    assert_eq!(fs::read(folder.path().join("broker.db.replaced-1-wal")).unwrap(), b"their log");
    drop(store);
    holds_both(folder.path()).await;
}
