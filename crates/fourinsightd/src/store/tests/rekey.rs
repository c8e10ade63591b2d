//! The key changes while the store serves, and whatever the moment at which the process dies, everything opens.

use std::sync::Arc;

use super::*;
use crate::store::rekey::{Step, change};

/// A store with a session at rest, one in the middle of a rotation, one with an answer too long for its slot.
async fn filled(folder: &Folder) -> Store {
    let store = folder.open().await.store;
    for name in ["answered", "long", "rest"] {
        store.compare_and_put(&key(name), None, 3, record(name)).await.unwrap();
        store.settle(&key(name), 3).await.unwrap();
    }
    store.intend(&key("answered"), 4, b"intent".to_vec()).await.unwrap();
    store.answer(&key("answered"), 4, record("raw")).await.unwrap();
    store.intend(&key("long"), 4, b"intent".to_vec()).await.unwrap();
    store.answer(&key("long"), 4, long()).await.unwrap();
    store
}

fn long() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(vec![b'x'; 40_000])
}

fn expected() -> [(&'static str, u64, &'static str, Slot); 3] {
    [
        ("answered", 3, "answered", Slot::Answer { generation: 4, raw: record("raw") }),
        ("long", 3, "long", Slot::Answer { generation: 4, raw: long() }),
        ("rest", 3, "rest", Slot::Settled),
    ]
}

fn key_bytes(folder: &Folder) -> Vec<u8> {
    fs::read(folder.path().join("broker.key")).unwrap()
}

/// Changes the key, and copies the folder after each step.
async fn watched(folder: &Folder, store: &Store) -> Vec<(Step, Folder)> {
    let (parts, path) = (Arc::clone(&store.parts), folder.path().to_owned());
    let work = move || {
        let mut copies = Vec::new();
        change(&parts, None, &mut |step| copies.push((step, copy_of(&path)))).unwrap();
        copies
    };
    spawn_blocking(work).await.unwrap()
}

fn copy_of(path: &Path) -> Folder {
    let copy = Folder::new();
    fs::create_dir(copy.path().join("journal")).unwrap();
    for folder in [path.to_owned(), path.join("journal")] {
        for file in
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file())
        {
            fs::copy(&file, copy.path().join(file.strip_prefix(path).unwrap())).unwrap();
        }
    }
    copy
}

#[tokio::test]
async fn everything_opens_under_the_new_key_and_nothing_under_the_old() {
    let folder = Folder::new();
    let store = filled(&folder).await;
    let old = key_bytes(&folder);
    assert_eq!(store.rekey().await.unwrap(), 3);
    let new = key_bytes(&folder);
    assert_ne!(old, new);
    folder.killed_finds(&expected()).await;
    let names: Vec<_> = folder.files().into_iter().map(|(path, _)| path).collect();
    assert!(!names.iter().any(|path| path.to_string_lossy().contains("broker.key.")), "{names:?}");
    for (path, bytes) in folder.files() {
        assert!(!bytes.windows(32).any(|bytes| bytes == old), "{}", path.display());
    }
    let copy = folder.copy();
    fs::write(copy.path().join("broker.key"), old).unwrap();
    let opened = copy.open().await;
    assert_eq!((opened.sessions.len(), opened.problems.is_empty()), (0, false));
}

#[tokio::test]
async fn a_process_killed_between_any_two_steps_loses_nothing() {
    let folder = Folder::new();
    let store = filled(&folder).await;
    let old = key_bytes(&folder);
    let copies = watched(&folder, &store).await;
    let steps: Vec<_> = copies.iter().map(|(step, _)| *step).collect();
    let slots = [Step::Slot; 3];
    let rest = [Step::Aside, Step::Linked, Step::Switched, Step::Wiped];
    assert_eq!(steps, [&[Step::Kept, Step::Rows][..], &slots, &rest].concat());
    for (step, copy) in copies {
        let opened = copy.open().await;
        assert_eq!(summary(&opened), expected(), "{step:?}");
        assert_eq!(opened.problems, [""; 0], "{step:?}");
        assert_ne!(key_bytes(&copy), old, "{step:?}");
        drop(opened);
        let left: Vec<_> = copy.files().into_iter().map(|(path, _)| path).collect();
        let beside = left.iter().filter(|path| path.to_string_lossy().contains("broker.key")).count();
        assert_eq!(beside, 1, "{step:?}: {left:?}");
        copy.killed_finds(&expected()).await;
    }
}

#[tokio::test]
async fn what_is_written_meanwhile_opens_whichever_key_it_was_sealed_under() {
    let folder = Folder::new();
    let store = filled(&folder).await;
    let changing = {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                store.rekey().await.unwrap();
            }
        })
    };
    for generation in 4..40 {
        let rest = key("rest");
        store.intend(&rest, generation, b"intent".to_vec()).await.unwrap();
        let raw = if generation % 2 == 0 { record("raw") } else { long() };
        store.answer(&rest, generation, raw).await.unwrap();
        store.compare_and_put(&rest, Some(generation - 1), generation, record("rest")).await.unwrap();
        store.settle(&rest, generation).await.unwrap();
    }
    changing.await.unwrap();
    let mut expected = expected();
    expected[2] = ("rest", 39, "rest", Slot::Settled);
    folder.killed_finds(&expected).await;
}

#[tokio::test]
async fn a_change_that_fails_half_way_is_taken_up_by_the_next() {
    let folder = Folder::new();
    let store = filled(&folder).await;
    let old = key_bytes(&folder);
    // A folder where a slot is to be made anew.
    let slot = fs::read_dir(folder.path().join("journal")).unwrap().next().unwrap().unwrap().path();
    let obstacle = slot.with_extension("new");
    fs::create_dir_all(obstacle.join("x")).unwrap();
    store.rekey().await.unwrap_err();
    assert_eq!(key_bytes(&folder), old);
    let checked = store.check().await.unwrap();
    assert_eq!((checked.sessions, checked.problems.len()), (3, 1));
    assert!(checked.problems[0].contains("not finished"), "{checked:?}");
    store.compare_and_put(&key("new"), None, 1, record("new")).await.unwrap();
    fs::remove_dir_all(&obstacle).unwrap();
    let before = fs::read(folder.path().join("broker.key.next")).unwrap();
    assert_eq!(store.rekey().await.unwrap(), 4);
    assert_eq!(key_bytes(&folder), before, "no third key was made");
    let [answered, long, rest] = expected();
    folder.killed_finds(&[answered, long, ("new", 1, "new", Slot::Settled), rest]).await;
}

#[tokio::test]
async fn an_old_key_that_was_not_wiped_yet_is_wiped_at_the_next_start_and_the_one_in_use_never() {
    let folder = Folder::new();
    let store = filled(&folder).await;
    let new = key_bytes(&folder);
    let copy = folder.copy();
    drop(store);
    fs::write(copy.path().join("broker.key.old"), [9; 32]).unwrap();
    assert_eq!(summary(&copy.open().await), expected());
    assert!(!copy.path().join("broker.key.old").exists());
    // The second name of the key in use.
    fs::hard_link(copy.path().join("broker.key"), copy.path().join("broker.key.old")).unwrap();
    assert_eq!(summary(&copy.open().await), expected());
    assert!(!copy.path().join("broker.key.old").exists());
    assert_eq!(key_bytes(&copy), new);
}

#[tokio::test]
async fn a_damaged_next_key_stops_nothing_and_is_named() {
    let folder = Folder::new();
    drop(filled(&folder).await);
    fs::write(folder.path().join("broker.key.next"), [1; 7]).unwrap();
    let opened = folder.open().await;
    assert_eq!(summary(&opened), expected());
    assert!(opened.problems[0].contains("broker.key.next"), "{:?}", opened.problems);
}
