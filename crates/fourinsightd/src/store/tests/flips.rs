//! Every byte of what is stored, flipped, and every length that it can be cut to: what is found is the newest there
//! is, or what is wrong is named.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::*;

/// What a sound store holds: by session, the newest record or, in the middle of a rotation, the answer.
type Newest<'a> = BTreeMap<&'static str, &'a [u8]>;

const NEWEST: [(&str, &[u8]); 3] =
    [("long", &[b'l'; 4_500]), ("rotating", b"the newest answer"), ("settled", b"the newest record")];

/// A store with a settled session, one with overflow pages, and one in the middle of a rotation.
async fn store() -> (Folder, Store) {
    let folder = Folder::fast();
    let store = folder.open().await.store;
    for (name, bytes) in NEWEST {
        let first = if name == "rotating" { b"spent" } else { bytes };
        store.compare_and_put(&key(name), None, 3, Zeroizing::new(first.to_vec())).await.unwrap();
        store.settle(&key(name), 3).await.unwrap();
    }
    store.intend(&key("rotating"), 4, b"asked".to_vec()).await.unwrap();
    store.answer(&key("rotating"), 4, Zeroizing::new(NEWEST[1].1.to_vec())).await.unwrap();
    (folder, store)
}

/// What must hold of a store after any damage.
fn judge(opened: Result<Opened, StoreError>, newest: &Newest<'_>, case: &str) {
    let opened = match opened {
        Ok(opened) => opened,
        // A flipped version is refused by name, for it may be true.
        Err(StoreError::Newer { .. }) => return,
        Err(error) => panic!("{case}: {error}"),
    };
    for (name, newest) in newest {
        let session = opened.sessions.iter().find(|it| it.key.as_str() == *name);
        let is_newest = session.is_some_and(|session| match &session.slot {
            Slot::Settled => **session.record == **newest,
            Slot::Answer { raw, .. } => **raw == **newest,
            Slot::Intent { .. } | Slot::Ahead { .. } => false,
        });
        let named = format!("session \"{name}\"");
        let is_named = opened.problems.iter().any(|problem| problem.starts_with(&named));
        let is_listed = session.is_some() || opened.damaged.iter().any(|it| it.key.as_str() == *name);
        assert!(is_newest || is_named, "{case}: {named} is lost or rolled back in silence: {opened:?}");
        assert!(is_listed, "{case}: {named} is not listed: {opened:?}");
    }
}

/// How far from a byte that says something another counts as unused. Of those only every sixteenth is tried in a debug
/// build, which is slow; a release build tries every byte.
const NEAR: usize = 12;

/// Opens the store once for every flipped byte of one of its files, and once for every length that it is cut to. In a
/// debug build only one in so many of them.
fn damage_every_byte(folder: &Folder, file: &str, newest: &Newest<'_>, one_in: usize) -> usize {
    let files: Vec<_> = folder
        .files()
        .into_iter()
        .map(|(path, bytes)| (path.strip_prefix(folder.path()).unwrap().to_owned(), bytes))
        .collect();
    let sound = fs::read(folder.path().join(file)).unwrap();
    let says_something = |at: &usize| {
        let near = at.saturating_sub(NEAR)..(at + NEAR).min(sound.len());
        !cfg!(debug_assertions) || at.is_multiple_of(16) || sound[near].iter().any(|byte| *byte != 0)
    };
    let step = if cfg!(debug_assertions) { one_in } else { 1 };
    let places: Vec<_> = (0..sound.len()).filter(says_something).step_by(step).collect();
    let (next, cases) = (AtomicUsize::new(0), 2 * places.len());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let here = Folder::fast();
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= cases {
                        break;
                    }
                    let mut damaged = sound.clone();
                    let at = places[case / 2];
                    if case % 2 == 0 {
                        damaged[at] ^= 1 << (at % 8);
                    } else {
                        damaged.truncate(at);
                    }
                    here.lay_out(&files);
                    fs::write(here.path().join(file), damaged).unwrap();
                    let what = if case % 2 == 0 { "flipped at" } else { "cut to" };
                    judge(
                        load::load(here.path(), KeyHomes::file_only()),
                        newest,
                        &format!("{file} {what} {at}"),
                    );
                }
            });
        }
    });
    println!("{file}: {cases} cases, {} bytes", sound.len());
    cases
}

impl Folder {
    /// Makes the folder hold just these files.
    fn lay_out(&self, files: &[(PathBuf, Vec<u8>)]) {
        fs::create_dir_all(self.path().join("journal")).unwrap();
        let _ = fs::remove_dir_all(self.path().join("quarantine"));
        for (path, _) in self.files() {
            let path = path.strip_prefix(self.path()).unwrap();
            if !files.iter().any(|(other, _)| other == path) {
                fs::remove_file(self.path().join(path)).unwrap();
            }
        }
        for (path, bytes) in files {
            fs::write(self.path().join(path), bytes).unwrap();
        }
    }
}

#[tokio::test]
async fn no_damage_to_the_database_goes_unnoticed() {
    let (folder, store) = store().await;
    drop(store);
    assert!(damage_every_byte(&folder, "broker.db", &NEWEST.into(), 1) > 10_000);
}

#[tokio::test]
async fn no_damage_to_the_log_goes_unnoticed() {
    let (folder, store) = store().await;
    folder.put_in_log(&store, &key("rotating"), 4, "the newest answer").await;
    let killed = folder.copy();
    drop(store);
    // The record that the answer makes is as new as the answer.
    damage_every_byte(&killed, "broker.db-wal", &NEWEST.into(), 1);
}

#[tokio::test]
async fn no_damage_to_an_answer_too_long_for_its_slot_goes_unnoticed() {
    let (folder, long) = (Folder::fast(), vec![b'a'; 26_000]);
    let store = folder.open().await.store;
    for (name, bytes) in NEWEST {
        store.compare_and_put(&key(name), None, 3, Zeroizing::new(bytes.to_vec())).await.unwrap();
        store.settle(&key(name), 3).await.unwrap();
    }
    store.intend(&key("rotating"), 4, b"asked".to_vec()).await.unwrap();
    store.answer(&key("rotating"), 4, Zeroizing::new(long.clone())).await.unwrap();
    let killed = folder.copy();
    drop(store);
    assert_eq!(fs::metadata(killed.path().join("broker.db-wal")).map_or(0, |log| log.len()), 0);
    let newest = Newest::from([NEWEST[0], ("rotating", &long), NEWEST[2]]);
    assert!(damage_every_byte(&killed, "broker.db", &newest, 11) > 5_000);
}

#[tokio::test]
async fn no_damage_to_a_slot_goes_unnoticed() {
    let (folder, store) = store().await;
    drop(store);
    let slot = format!("journal/{}", journal::slot_name(&key("rotating")));
    damage_every_byte(&folder, &slot, &NEWEST.into(), 1);
}
