//! What a start finds after each step, and what each step leaves on the disk.

use std::{future::poll_fn, pin::Pin, task::Poll};

use super::*;

const CANARY: &str = "canary-7f3a91-refresh-token";

#[tokio::test]
async fn records_come_back_as_they_were_put() {
    let folder = Folder::new();
    let opened = folder.open().await;
    assert!(opened.sessions.is_empty() && opened.problems.is_empty());
    assert_eq!(opened.store.path(), folder.path().join("broker.db"));
    assert_eq!(
        opened.store.key().place,
        format!("file {} (weaker than the other homes)", folder.path().join("broker.key").display())
    );
    let store = opened.store;
    store.compare_and_put(&key("b"), None, 1, record("one")).await.unwrap();
    store.compare_and_put(&key("a"), None, 1, record("two")).await.unwrap();
    store.compare_and_put(&key("b"), Some(1), 2, record("three")).await.unwrap();
    store.compare_and_put(&key("b"), Some(2), 2, record("four")).await.unwrap();
    drop(store);
    let opened = folder.open().await;
    assert_eq!(summary(&opened), [("a", 1, "two", Slot::Settled), ("b", 2, "four", Slot::Settled)]);
    assert!(opened.sealed.is_empty(), "nothing waits for a key that is there");
    assert_eq!(opened.problems, [""; 0]);
    assert!(!folder.path().join("journal").read_dir().unwrap().any(|_| true), "no slot before a rotation");
}

#[tokio::test]
async fn a_put_that_expects_another_row_conflicts_and_changes_nothing() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    store.compare_and_put(&key("a"), None, 5, record("kept")).await.unwrap();
    for (expected, generation) in [(None, 1), (None, 6), (Some(4), 6), (Some(6), 7), (Some(5), 4)] {
        let outcome = store.compare_and_put(&key("a"), expected, generation, record("lost")).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{expected:?} -> {generation}");
    }
    let outcome = store.compare_and_put(&key("b"), Some(1), 2, record("lost")).await;
    assert!(matches!(outcome, Err(StoreError::Conflict)));
    drop(store);
    assert_eq!(summary(&folder.open().await), [("a", 5, "kept", Slot::Settled)]);
}

#[tokio::test]
async fn a_process_killed_after_any_step_of_a_rotation_finds_that_step() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let a = key("a");
    store.compare_and_put(&a, None, 1, record("first")).await.unwrap();
    for generation in 2..4 {
        let before = generation - 1;
        let old = if before == 1 { "first" } else { "next" };
        store.intend(&a, generation, b"sent at noon".to_vec()).await.unwrap();
        let intent = Slot::Intent { generation, intent: b"sent at noon".to_vec() };
        folder.killed_finds(&[("a", before, old, intent)]).await;

        store.answer(&a, generation, record("raw answer")).await.unwrap();
        let answer = Slot::Answer { generation, raw: record("raw answer") };
        folder.killed_finds(&[("a", before, old, answer)]).await;

        store.compare_and_put(&a, Some(before), generation, record("next")).await.unwrap();
        folder.killed_finds(&[("a", generation, "next", Slot::Settled)]).await;

        store.settle(&a, generation).await.unwrap();
        folder.killed_finds(&[("a", generation, "next", Slot::Settled)]).await;
    }
}

#[tokio::test]
async fn an_answer_to_an_earlier_try_does_not_pass_for_an_answer_to_this_one() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let a = key("a");
    store.compare_and_put(&a, None, 1, record("first")).await.unwrap();
    for earlier in ["short".to_owned(), "long ".repeat(20_000)] {
        store.intend(&a, 2, b"earlier".to_vec()).await.unwrap();
        store.answer(&a, 2, record(&earlier)).await.unwrap();
        folder
            .killed_finds(&[("a", 1, "first", Slot::Answer { generation: 2, raw: record(&earlier) })])
            .await;
        store.intend(&a, 2, b"later".to_vec()).await.unwrap();
        let intent = Slot::Intent { generation: 2, intent: b"later".to_vec() };
        folder.killed_finds(&[("a", 1, "first", intent)]).await;
    }
    store.settle(&a, 1).await.unwrap();
    folder.killed_finds(&[("a", 1, "first", Slot::Settled)]).await;
}

#[tokio::test]
async fn answers_and_records_of_any_length_are_kept() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let a = key("a");
    store.compare_and_put(&a, None, 1, record("first")).await.unwrap();
    for (length, in_slot) in
        [(1, true), (16 << 10, true), (24_535, true), (24_536, false), (64 << 10, false), (1 << 20, false)]
    {
        let long = "x".repeat(length);
        store.intend(&a, 2, Vec::new()).await.unwrap();
        store.answer(&a, 2, record(&long)).await.unwrap();
        folder.killed_finds(&[("a", 1, "first", Slot::Answer { generation: 2, raw: record(&long) })]).await;
        let kept_in_rows = store.run(|_, rows| Ok(rows.database.answers()?.len())).await.unwrap();
        assert_eq!(kept_in_rows, usize::from(!in_slot), "{length}");
    }
    let mut long = String::new();
    for length in [16 << 10, 64 << 10, 300 << 10, 1 << 20] {
        long = "x".repeat(length);
        store
            .compare_and_put(&a, Some(if length == 16 << 10 { 1 } else { 2 }), 2, record(&long))
            .await
            .unwrap();
        folder.killed_finds(&[("a", 2, &long, Slot::Settled)]).await;
    }
    store.settle(&a, 2).await.unwrap();
    assert_eq!(store.run(|_, rows| Ok(rows.database.answers()?.len())).await.unwrap(), 0);
    folder.killed_finds(&[("a", 2, &long, Slot::Settled)]).await;
    let outcome = store.intend(&a, 3, vec![0; 4096]).await;
    assert!(matches!(outcome, Err(StoreError::IntentTooLong { limit: 4055 })), "{outcome:?}");
}

#[tokio::test]
async fn a_deleted_session_leaves_nothing_behind() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let a = key("a");
    store.delete(&a).await.unwrap();
    store.compare_and_put(&a, None, 1, record("first")).await.unwrap();
    store.intend(&a, 2, Vec::new()).await.unwrap();
    store.answer(&a, 2, record(&"long ".repeat(20_000))).await.unwrap();
    store.delete(&a).await.unwrap();
    assert_eq!(fs::read_dir(folder.path().join("journal")).unwrap().count(), 0);
    folder.killed_finds(&[]).await;
    store.compare_and_put(&a, None, 1, record("again")).await.unwrap();
    folder.killed_finds(&[("a", 1, "again", Slot::Settled)]).await;
}

#[tokio::test]
async fn no_secret_reaches_the_disk_in_plain_text() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let a = key("a");
    let found = || {
        let files = [folder.path().to_owned(), folder.path().join("journal")];
        let files =
            files.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
        let contents: Vec<_> =
            files.filter(|path| path.is_file()).map(|path| fs::read(path).unwrap()).collect();
        assert!(contents.len() >= 4, "database, log, key and slot are searched");
        contents.iter().any(|bytes| bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()))
    };
    store.compare_and_put(&a, None, 1, record(CANARY)).await.unwrap();
    store.intend(&a, 2, CANARY.into()).await.unwrap();
    store.answer(&a, 2, record(CANARY)).await.unwrap();
    assert!(!found());
    store.answer(&a, 2, record(&CANARY.repeat(2_000))).await.unwrap();
    assert!(!found());
    store.compare_and_put(&a, Some(1), 2, record(CANARY)).await.unwrap();
    store.settle(&a, 2).await.unwrap();
    assert!(!found());
    fs::write(folder.path().join("journal/leak"), format!("…{CANARY}…")).unwrap();
    assert!(found(), "the search would find it");
}

#[tokio::test]
async fn a_call_whose_caller_went_away_is_still_done() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let a = key("a");
    let mut put = Box::pin(store.compare_and_put(&a, None, 1, record("first")));
    // Polled once, so that it has begun; a fast disk may even have ended it.
    poll_fn(|context| Poll::Ready(put.as_mut().poll(context).is_ready())).await;
    drop(put);
    // The next call queues behind it.
    store.settle(&key("b"), 1).await.unwrap();
    let outcome = store.compare_and_put(&a, None, 1, record("second")).await;
    assert!(matches!(outcome, Err(StoreError::Conflict)));
}

#[tokio::test]
async fn a_store_in_use_is_refused() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let before = folder.files();
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(folder.files() == before, "every file is as it was");
    store.compare_and_put(&key("a"), None, 1, record("first")).await.unwrap();
    drop(store);
    assert_eq!(folder.open().await.sessions.len(), 1);
}

#[tokio::test]
async fn a_turn_that_its_own_caller_does_not_listen_to_holds_nobody_up() {
    let folder = Folder::new();
    let Opened { store, .. } = folder.open().await;
    store.compare_and_put(&key("a"), None, 1, record("first")).await.unwrap();
    // Another session writes; meanwhile this one is about to announce a refresh, and then has its record to write.
    let others = Arc::clone(&store.parts.rows).lock_owned().await;
    let session = key("a");
    let mut intending = Box::pin(store.intend(&session, 2, b"intent".to_vec()));
    assert!(is_pending(intending.as_mut()).await);
    let writing = store.compare_and_put(&session, Some(1), 1, record("second"));
    drop(others);
    tokio::time::timeout(std::time::Duration::from_secs(20), writing).await.expect("its turn comes").unwrap();
    intending.await.unwrap();
}

/// Whether it has to wait, once it was asked to begin.
async fn is_pending<T>(mut future: Pin<&mut impl Future<Output = T>>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}
