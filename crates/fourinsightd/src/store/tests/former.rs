//! A change of the key leaves nothing behind: neither the key before, in whichever home it was, nor anything that only
//! that one opens.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use fourinsight_ipc::message::{KeyHome, Quarantined};

use super::*;
use crate::{
    store::{
        key::FakeKeyring,
        rekey::{Step, change},
        seal::{Kind, Place, Sealer},
    },
    sys::keyring::KeyringError,
};

const GONE: KeyringError = KeyringError::Unavailable(String::new());

async fn open_with(folder: &Folder, keyring: &Arc<FakeKeyring>) -> Opened {
    let keyring = Arc::clone(keyring) as _;
    Store::open_with(folder.path(), KeyHomes::with(None, Some(keyring), None)).await.unwrap()
}

/// A store with one session, whose key is in a keyring.
async fn in_keyring() -> (Folder, Arc<FakeKeyring>, Store) {
    let (folder, keyring) = (Folder::new(), Arc::default());
    let store = open_with(&folder, &keyring).await.store;
    store.compare_and_put(&key("one"), None, 3, record("one")).await.unwrap();
    store.settle(&key("one"), 3).await.unwrap();
    assert_eq!(store.key().home, KeyHome::Keyring);
    (folder, keyring, store)
}

fn expected() -> [(&'static str, u64, &'static str, Slot); 1] {
    [("one", 3, "one", Slot::Settled)]
}

fn old_file(folder: &Folder) -> PathBuf {
    folder.path().join("broker.key.old")
}

#[tokio::test]
async fn a_key_before_leaves_the_keyring() {
    let (folder, keyring, store) = in_keyring().await;
    let before = keyring.secrets();
    assert_eq!(store.rekey_to(None).await.unwrap(), Rekeyed { records: 1, notes: Vec::new() });
    let after = keyring.secrets();
    assert_eq!(after.len(), 1);
    assert_ne!(after, before);
    assert_eq!(store.rekey_to(Some(KeyHome::File)).await.unwrap().notes, [""; 0]);
    assert!(keyring.secrets().is_empty());
    folder.killed_finds(&expected()).await;
}

#[tokio::test]
async fn whenever_the_process_dies_the_keyring_ends_up_with_one_key() {
    let (folder, keyring, store) = in_keyring().await;
    let (parts, watched) = (Arc::clone(&store.parts), Arc::clone(&keyring));
    let copies = spawn_blocking(move || {
        let mut copies = Vec::new();
        change(&parts, None, &mut |step| copies.push((step, folder.copy(), watched.secrets()))).unwrap();
        copies
    });
    let copies = copies.await.unwrap();
    assert!(copies.iter().any(|(step, _, secrets)| *step == Step::Switched && secrets.len() == 2));
    for (step, copy, secrets) in copies {
        let keyring = Arc::<FakeKeyring>::default();
        for (id, secret) in &secrets {
            keyring.put(id, Some(secret));
        }
        let opened = open_with(&copy, &keyring).await;
        assert_eq!(summary(&opened), expected(), "{step:?}");
        assert_eq!(opened.problems, [""; 0], "{step:?}");
        assert_eq!(keyring.secrets().len(), 1, "{step:?}");
        assert!(!old_file(&copy).exists(), "{step:?}");
        drop(opened);
        assert_eq!(summary(&open_with(&copy, &keyring).await), expected(), "{step:?}");
    }
}

#[tokio::test]
async fn a_keyring_out_of_reach_stops_no_change_and_is_asked_again() {
    for refusal in [KeyringError::Locked, GONE] {
        let (folder, keyring, store) = in_keyring().await;
        keyring.refuse(Some(refusal));
        let notes = store.rekey_to(Some(KeyHome::File)).await.unwrap().notes;
        assert!(notes.len() == 1 && notes[0].contains("the daemon starts next"), "{notes:?}");
        drop(store);
        let opened = open_with(&folder, &keyring).await;
        assert_eq!((summary(&opened), opened.problems.len()), (expected().to_vec(), 0));
        assert!(old_file(&folder).exists() && keyring.secrets().len() == 1);
        assert_eq!(opened.store.check().await.unwrap().problems, [""; 0]);
        drop(opened);
        keyring.refuse(None);
        assert_eq!(summary(&open_with(&folder, &keyring).await), expected());
        assert!(!old_file(&folder).exists() && keyring.secrets().is_empty());
    }
}

#[tokio::test]
async fn a_keyring_that_stays_out_of_reach_does_not_stop_the_next_change_either() {
    let (folder, keyring, store) = in_keyring().await;
    keyring.refuse(Some(GONE));
    store.rekey_to(Some(KeyHome::File)).await.unwrap();
    let notes = store.rekey_to(Some(KeyHome::File)).await.unwrap().notes;
    assert!(notes.len() == 1 && notes[0].contains("by hand"), "{notes:?}");
    assert!(!old_file(&folder).exists());
    folder.killed_finds(&expected()).await;
}

#[tokio::test]
async fn a_key_made_in_vain_does_not_stay() {
    let (folder, keyring, store) = in_keyring().await;
    let before = keyring.secrets();
    // A folder where the file that names it is to be written.
    fs::create_dir(folder.path().join("broker.key.next.new")).unwrap();
    store.rekey().await.unwrap_err();
    // Nobody waits for its removal.
    while keyring.secrets() != before {
        tokio::task::yield_now().await;
    }
    assert_eq!(summary(&open_with(&folder.copy(), &keyring).await), expected());
}

#[tokio::test]
async fn what_was_set_aside_opens_under_the_new_key_and_stays_the_copy_of_its_row() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    for name in ["odd", "replaced", "damaged"] {
        store.compare_and_put(&key(name), None, 3, record(name)).await.unwrap();
        store.set_aside(&key(name), format!("{name} for a test")).await.unwrap();
    }
    store.compare_and_put(&key("replaced"), Some(3), 4, record("a new login")).await.unwrap();
    let damaged = aside(&folder).into_iter().find(|(content, _)| content["session"] == "damaged").unwrap();
    let mut content = damaged.0;
    content["record"] = BASE64_STANDARD.encode([1; 60]).into();
    fs::write(&damaged.1, content.to_string()).unwrap();
    let (before, left) = (store.quarantined().await, fs::read(&damaged.1).unwrap());

    for _ in 0..2 {
        store.rekey().await.unwrap();
        let sealer = Sealer::new(&fs::read(folder.path().join("broker.key")).unwrap().try_into().unwrap());
        let aside = aside(&folder);
        assert_eq!(aside.len(), 3);
        for (content, path) in aside {
            let name = content["session"].as_str().unwrap();
            assert_eq!(content["reason"], format!("{name} for a test"));
            let record = BASE64_STANDARD.decode(content["record"].as_str().unwrap()).unwrap();
            let session = key(name);
            let place = Place { kind: Kind::Record, session: &session, generation: 3 };
            match sealer.open(place, &record) {
                Some(plain) => assert_eq!(**plain, *name.as_bytes()),
                None => assert_eq!((name, fs::read(path).unwrap()), ("damaged", left.clone())),
            }
        }
        let after = store.quarantined().await;
        let sessions = |kept: &[Quarantined]| -> Vec<_> {
            let mut kept: Vec<_> = kept.iter().map(|it| (it.session.clone(), it.since)).collect();
            kept.sort();
            kept
        };
        assert_eq!(sessions(&after), sessions(&before), "each is as old as it was");
    }
    store.forget_quarantined(before[0].since + 8 * 24 * 3600).await.unwrap();
    let kept = store.quarantined().await;
    assert_eq!(kept.iter().map(|it| it.session.as_ref().unwrap().as_str()).collect::<Vec<_>>(), ["odd"]);
}

/// What is set aside, and where.
fn aside(folder: &Folder) -> Vec<(serde_json::Value, PathBuf)> {
    let files = fs::read_dir(folder.path().join("quarantine")).unwrap().map(|file| file.unwrap().path());
    files.map(|path| (serde_json::from_slice(&fs::read(&path).unwrap()).unwrap(), path)).collect()
}
