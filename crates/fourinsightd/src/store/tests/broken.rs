//! Damage to the structure of the database, found at a start and while the store is in use.

use super::*;

const PAGE: usize = 4096;

/// A store with sessions enough for several pages, closed.
async fn store_of_many() -> (Folder, Vec<String>) {
    let folder = Folder::fast();
    let store = folder.open().await.store;
    let names: Vec<_> = (0..24).map(|number| format!("session {number:02}")).collect();
    for (name, length) in names.iter().zip([300, 900, 6_000].into_iter().cycle()) {
        store.compare_and_put(&key(name), None, 1, record(&name.repeat(length / 10))).await.unwrap();
        store.settle(&key(name), 1).await.unwrap();
    }
    drop(store);
    (folder, names)
}

/// Every session is there as it was, or named; returns how many are there.
fn found(opened: &Opened, names: &[String]) -> usize {
    let sessions: std::collections::BTreeMap<_, _> =
        opened.sessions.iter().map(|it| (it.key.as_str(), it)).collect();
    for name in names {
        match sessions.get(name.as_str()) {
            Some(session) => {
                assert!(session.record.starts_with(name.as_bytes()) && session.generation == 1);
            }
            None => {
                assert!(opened.damaged.iter().any(|it| it.key.as_str() == name), "{name} is lost in silence");
            }
        }
    }
    sessions.len()
}

#[tokio::test]
async fn whichever_page_is_lost_the_rest_is_rebuilt_and_the_damaged_file_kept() {
    let (folder, names) = store_of_many().await;
    let sound = fs::read(folder.path().join("broker.db")).unwrap();
    let mut rebuilt = 0;
    for (page, filler) in (0..sound.len() / PAGE).flat_map(|page| [(page, 0), (page, 0xa5)]) {
        let copy = folder.copy();
        let mut damaged = sound.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(filler);
        fs::write(copy.path().join("broker.db"), &damaged).unwrap();
        let opened = copy.open().await;
        let there = found(&opened, &names);
        assert!(there >= names.len() - 12, "page {page}: {there}");
        let kept = opened.store.quarantined().await;
        for database in kept.iter().filter(|kept| kept.session.is_none()) {
            rebuilt += 1;
            assert!(fs::read(&database.kept_as).unwrap() == damaged, "it is kept as it was");
            assert!(database.since > 1_700_000_000 && opened.problems[0].contains(&database.kept_as));
        }
        drop(opened);
        // The next start finds a sound store, and still names what is lost.
        let opened = copy.open().await;
        assert_eq!(found(&opened, &names), there, "page {page}");
        let first = &opened.sessions[0];
        opened.store.compare_and_put(&first.key, Some(1), 2, record("goes on")).await.unwrap();
    }
    assert!(rebuilt > 4, "{rebuilt}");
}

#[tokio::test]
async fn a_store_without_its_database_names_every_session() {
    let (folder, names) = store_of_many().await;
    fs::remove_file(folder.path().join("broker.db")).unwrap();
    let opened = folder.open().await;
    assert_eq!(found(&opened, &names), 0);
    opened.store.compare_and_put(&key(&names[0]), None, 1, record("signed in again")).await.unwrap();
}

#[tokio::test]
async fn an_empty_database_does_not_throw_its_log_away() {
    let (folder, names) = store_of_many().await;
    let store = folder.open().await.store;
    folder.put_in_log(&store, &key(&names[0]), 2, "in the log only").await;
    let killed = folder.copy();
    fs::write(killed.path().join("broker.db"), "").unwrap();
    let opened = killed.open().await;
    assert!(summary(&opened).contains(&("session 00", 2, "in the log only", Slot::Settled)));
    let kept = opened.store.quarantined().await;
    let kept = kept.iter().find(|kept| kept.session.is_none()).unwrap();
    assert!(fs::metadata(format!("{}-wal", kept.kept_as)).unwrap().len() > 0, "the log is kept, too");
    let in_time = kept.since + 8 * 24 * 3600;
    opened.store.forget_quarantined(in_time).await.unwrap();
    assert!(!Path::new(&kept.kept_as).exists() && !Path::new(&format!("{}-wal", kept.kept_as)).exists());
}

#[tokio::test]
async fn garbage_in_the_log_does_no_harm() {
    let (folder, names) = store_of_many().await;
    for garbage in [vec![0xa5; 10], vec![0xa5; 40_000], vec![0; 5_000]] {
        fs::write(folder.path().join("broker.db-wal"), garbage).unwrap();
        let opened = folder.open().await;
        assert_eq!(found(&opened, &names), names.len());
    }
}

#[tokio::test]
async fn an_exchange_cut_short_is_finished_by_the_next_start() {
    let (folder, names) = store_of_many().await;
    let (sound, path) = (folder.copy(), folder.path().join("broker.db"));
    let log = folder.path().join("broker.db-wal");
    for stage in 0..3 {
        fs::copy(sound.path().join("broker.db"), folder.path().join("broker.db.rebuilt")).unwrap();
        fs::write(&log, vec![1; 100]).unwrap();
        fs::write(&path, "damaged").unwrap();
        if stage > 0 {
            fs::remove_file(&log).unwrap();
        }
        if stage > 1 {
            fs::remove_file(&path).unwrap();
        }
        let opened = folder.open().await;
        assert_eq!(found(&opened, &names), names.len(), "stage {stage}");
        assert!(opened.problems[0].contains(".damaged-"), "{:?}", opened.problems);
        assert!(!folder.path().join("broker.db.rebuilt").exists());
        if stage < 2 {
            let kept = opened.store.quarantined().await;
            assert_eq!(fs::read(&kept.last().unwrap().kept_as).unwrap(), b"damaged");
        }
    }
}

#[tokio::test]
async fn a_session_that_was_deleted_stays_deleted() {
    let (folder, names) = store_of_many().await;
    let store = folder.open().await.store;
    for name in &names[..12] {
        store.delete(&key(name)).await.unwrap();
    }
    drop(store);
    let path = folder.path().join("broker.db");
    let mut damaged = fs::read(&path).unwrap();
    damaged[0] = b'x';
    fs::write(&path, damaged).unwrap();
    let opened = folder.open().await;
    assert_eq!(found(&opened, &names[12..]), 12);
    assert_eq!(opened.damaged, []);
}

#[tokio::test]
async fn damage_that_shows_while_the_store_is_in_use_is_mended_by_the_next_call() {
    let (folder, names) = store_of_many().await;
    let store = folder.open().await.store;
    let path = folder.path().join("broker.db");
    let mut damaged = fs::read(&path).unwrap();
    for page in damaged.chunks_mut(PAGE).skip(1).filter(|page| [2, 5, 10].contains(&page[0])) {
        page.fill(0xa5);
    }
    fs::write(&path, damaged).unwrap();
    // As a task does: once a second, until it works.
    let mut tries = 0;
    while let Err(error) = store.compare_and_put(&key(&names[3]), Some(1), 2, record("kept")).await {
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        tries += 1;
        assert!(tries < 3, "{error}");
    }
    assert!(tries > 0, "the damage was met");
    assert_eq!(store.trouble(), None, "the file that was rebuilt is the store's own");
    drop(store);
    let opened = folder.open().await;
    assert!(summary(&opened).contains(&("session 03", 2, "kept", Slot::Settled)));
    assert_eq!(opened.sessions.len(), names.len());
}

#[tokio::test]
async fn a_store_that_is_gone_while_it_cannot_be_opened_begins_anew() {
    let (folder, names) = store_of_many().await;
    let store = folder.open().await.store;
    let name = key(&names[0]);
    store.run(|_, rows| rows.database.close()).await.unwrap();
    fs::remove_file(folder.path().join("broker.db")).unwrap();
    let put = store.compare_and_put(&name, Some(1), 2, record("session 00 again")).await;
    assert!(matches!(put, Err(StoreError::Conflict)), "{put:?}");
    // As a task does after a conflict.
    store.compare_and_put(&name, None, 2, record("session 00 again")).await.unwrap();
    assert_eq!(store.trouble(), None);
    drop(store);
    let opened = folder.open().await;
    found(&opened, &names[1..]);
    assert_eq!(opened.sessions.iter().filter(|it| it.generation == 2).count(), 1);
}

#[tokio::test]
async fn a_disk_that_was_full_is_forgotten_when_it_has_room_again() {
    let (folder, names) = store_of_many().await;
    let store = folder.open().await.store;
    store.run(|_, rows| rows.database.limit_size()).await.unwrap();
    let long = "x".repeat(100_000);
    let full = store.compare_and_put(&key(&names[0]), Some(1), 2, record(&long)).await;
    assert!(full.unwrap_err().to_string().contains("full"));
    // The limit belonged to the connection that failed.
    store.compare_and_put(&key(&names[0]), Some(1), 2, record(&long)).await.unwrap();
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "the lock was taken again: {error}");
    drop(store);
    let opened = folder.open().await;
    assert_eq!(opened.sessions.iter().filter(|it| it.generation == 2).count(), 1);
}
