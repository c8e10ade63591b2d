//! A look over the store finds what is wrong, says it, and changes nothing.

use super::*;

async fn signed_in(folder: &Folder) -> Store {
    let store = folder.open().await.store;
    for name in ["one", "two"] {
        store.compare_and_put(&key(name), None, 3, record(name)).await.unwrap();
        store.settle(&key(name), 3).await.unwrap();
    }
    store
}

/// The problems that a store has which is opened on this folder.
async fn problems(store: &Store) -> Vec<String> {
    store.check().await.unwrap().problems
}

#[tokio::test]
async fn a_sound_store_is_found_sound_in_the_middle_of_a_rotation_too() {
    let folder = Folder::new();
    let store = signed_in(&folder).await;
    let checked = store.check().await.unwrap();
    assert_eq!((checked.sessions, checked.problems.is_empty()), (2, true), "{checked:?}");
    assert!(checked.schema_version >= 1);
    store.intend(&key("one"), 4, b"intent".to_vec()).await.unwrap();
    assert_eq!(problems(&store).await, [""; 0]);
    store.answer(&key("one"), 4, Zeroizing::new(vec![7; 40_000])).await.unwrap();
    assert_eq!(problems(&store).await, [""; 0]);
    let before = folder.files();
    store.check().await.unwrap();
    assert!(folder.files() == before, "nothing is written");
}

#[tokio::test]
async fn a_record_that_does_not_open_is_named() {
    let folder = Folder::new();
    drop(signed_in(&folder).await);
    folder.meddle("UPDATE session SET record = x'00' WHERE session_key = 'one'");
    let store = folder.open().await.store;
    let checked = store.check().await.unwrap();
    assert_eq!(checked.sessions, 1);
    assert!(
        checked.problems.iter().any(|problem| problem.contains("Session one: its record")),
        "{checked:?}"
    );
}

#[tokio::test]
async fn a_slot_that_disagrees_with_its_row_is_named_and_one_without_a_row_too() {
    let folder = Folder::new();
    drop(signed_in(&folder).await);
    let rolled_back = folder.copy();
    let store = folder.open().await.store;
    store.intend(&key("one"), 4, b"intent".to_vec()).await.unwrap();
    store.compare_and_put(&key("one"), Some(3), 4, record("one")).await.unwrap();
    store.settle(&key("one"), 4).await.unwrap();
    drop(store);
    fs::copy(rolled_back.path().join("broker.db"), folder.path().join("broker.db")).unwrap();
    folder.meddle("DELETE FROM session WHERE session_key = 'two'");
    let problems = problems(&folder.open().await.store).await;
    assert!(problems.iter().any(|problem| problem.starts_with("Session one: ")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.starts_with("Session two has no record")), "{problems:?}");
}

#[tokio::test]
async fn damage_to_the_database_itself_is_told() {
    let folder = Folder::new();
    drop(signed_in(&folder).await);
    let store = folder.open().await.store;
    // While it is in use, for a start would mend it: the header counts a free page that is not there.
    folder.flip("broker.db", 39);
    let checked = store.check().await.unwrap();
    assert_eq!(checked.sessions, 2);
    let told = checked.problems.iter().filter(|problem| problem.starts_with("SQLite finds damage"));
    assert_eq!(told.count(), checked.problems.len(), "{checked:?}");
    assert!(!checked.problems.is_empty());
}

#[tokio::test]
async fn a_key_that_the_next_start_would_miss_is_told() {
    let folder = Folder::new();
    let store = signed_in(&folder).await;
    let path = folder.path().join("broker.key");
    let sound = fs::read(&path).unwrap();
    for (bytes, words) in [(&[9; 32][..], "not the one"), (&[9; 4][..], "32 bytes")] {
        fs::write(&path, bytes).unwrap();
        let problems = problems(&store).await;
        assert!(problems.len() == 1 && problems[0].contains(words), "{problems:?}");
    }
    fs::remove_file(&path).unwrap();
    let told = problems(&store).await;
    assert!(told.len() == 1 && told[0].contains("is gone"), "{told:?}");
    assert!(!path.exists(), "no key is made");
    fs::write(&path, sound).unwrap();
    let told = problems(&store).await;
    assert!(
        !told.iter().any(|problem| problem.contains("gone") || problem.contains("not the one")),
        "{told:?}"
    );
}
