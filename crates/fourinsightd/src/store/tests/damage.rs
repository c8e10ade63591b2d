//! What a start finds after damage, and after somebody meddled.

use super::*;

#[tokio::test]
async fn rows_swapped_or_given_another_generation_do_not_open() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    for name in ["a", "b", "c", "d"] {
        store.compare_and_put(&key(name), None, 1, record(name)).await.unwrap();
    }
    drop(store);
    folder.meddle(
        "CREATE TEMP TABLE old AS SELECT * FROM session WHERE session_key IN ('a', 'b');
         UPDATE session SET record = (SELECT record FROM old WHERE old.session_key <> session.session_key)
             WHERE session_key IN ('a', 'b');
         UPDATE session SET generation = 2 WHERE session_key = 'c';",
    );
    let opened = folder.open().await;
    assert_eq!(summary(&opened), [("d", 1, "d", Slot::Settled)]);
    assert_eq!(opened.problems.len(), 3);
    for (problem, name) in opened.problems.iter().zip(["a", "b", "c"]) {
        assert!(problem.starts_with(&format!("session \"{name}\": its record does not open")), "{problem}");
    }
}

#[tokio::test]
async fn an_older_row_put_back_shows() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let a = key("a");
    store.compare_and_put(&a, None, 1, record("old")).await.unwrap();
    store.settle(&a, 1).await.unwrap();
    let backup = folder.copy();
    store.compare_and_put(&a, Some(1), 2, record("new")).await.unwrap();
    store.settle(&a, 2).await.unwrap();
    drop(store);
    fs::copy(backup.path().join("broker.db"), folder.path().join("broker.db")).unwrap();
    let opened = folder.open().await;
    assert_eq!(summary(&opened), [("a", 1, "old", Slot::Ahead { generation: 2 })]);
    assert!(opened.problems[0].contains("rolled back"), "{:?}", opened.problems);
    opened.store.compare_and_put(&a, Some(1), 3, record("signed in again")).await.unwrap();
    folder.killed_finds(&[("a", 3, "signed in again", Slot::Settled)]).await;
}

#[tokio::test]
async fn a_byte_flipped_in_the_log_shows_in_the_slot() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let a = key("a");
    store.compare_and_put(&a, None, 1, record("old")).await.unwrap();
    store.settle(&a, 1).await.unwrap();
    store.intend(&a, 2, Vec::new()).await.unwrap();
    store.answer(&a, 2, record("raw answer")).await.unwrap();
    folder.put_in_log(&store, &a, 2, "new").await;
    let killed = folder.copy();
    killed.flip("broker.db-wal", 40);
    let opened = killed.open().await;
    assert_eq!(
        summary(&opened),
        [("a", 1, "old", Slot::Answer { generation: 2, raw: record("raw answer") })]
    );
    store.settle(&a, 2).await.unwrap();
    assert_eq!(fs::metadata(folder.path().join("broker.db-wal")).unwrap().len(), 0, "no log left to flip");
}

#[tokio::test]
async fn a_damaged_record_is_named_the_others_load_and_a_new_login_replaces_it() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let (a, b) = (key("a"), key("b"));
    for key in [&a, &b] {
        store.compare_and_put(key, None, 7, record("sound")).await.unwrap();
        store.settle(key, 7).await.unwrap();
    }
    drop(store);
    folder.meddle("UPDATE session SET record = CAST(record || X'00' AS BLOB) WHERE session_key = 'a'");
    for _ in 0..2 {
        let opened = folder.open().await;
        assert_eq!(summary(&opened), [("b", 7, "sound", Slot::Settled)]);
        assert_eq!(opened.problems.len(), 1, "{:?}", opened.problems);
        assert_eq!(opened.damaged.iter().map(|it| &it.key).collect::<Vec<_>>(), [&a]);
        let kept = opened.store.quarantined().await;
        assert_eq!((kept.len(), kept[0].session.as_ref()), (1, Some(&a)));
        assert!(Path::new(&kept[0].kept_as).is_file() && kept[0].reason.contains("does not open"));
    }
    let store = folder.open().await.store;
    let in_time = store.quarantined().await[0].since + 8 * 24 * 3600;
    store.forget_quarantined(in_time).await.unwrap();
    assert_eq!(store.quarantined().await.len(), 1, "nothing has replaced it yet");
    store.compare_and_put(&a, None, 1, record("new login")).await.unwrap();
    folder.killed_finds(&[("a", 1, "new login", Slot::Settled), ("b", 7, "sound", Slot::Settled)]).await;
    let again = store.compare_and_put(&a, None, 1, record("another")).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "from now on it is a row like any other");

    store.forget_quarantined(in_time - 2 * 24 * 3600).await.unwrap();
    assert_eq!(store.quarantined().await.len(), 1, "six days are too few");
    store.forget_quarantined(in_time).await.unwrap();
    assert_eq!(store.quarantined().await, []);
}

#[tokio::test]
async fn the_right_key_put_back_ends_the_quarantine() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    store.compare_and_put(&key("a"), None, 1, record("first")).await.unwrap();
    drop(store);
    let path = folder.path().join("broker.key");
    let right = fs::read(&path).unwrap();
    fs::write(&path, [9; 32]).unwrap();
    assert_eq!(folder.open().await.store.quarantined().await.len(), 1);
    fs::write(&path, right).unwrap();
    let opened = folder.open().await;
    assert_eq!(summary(&opened), [("a", 1, "first", Slot::Settled)]);
    assert_eq!(opened.store.quarantined().await, []);
}

#[tokio::test]
async fn a_record_is_set_aside_on_request_until_its_session_is_deleted() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let a = key("a");
    store.set_aside(&a, "there is none".to_owned()).await.unwrap();
    store.compare_and_put(&a, None, 1, record("of a newer version")).await.unwrap();
    store.set_aside(&a, "it is of a newer version".to_owned()).await.unwrap();
    let kept = store.quarantined().await;
    assert_eq!((kept.len(), kept[0].reason.as_str()), (1, "it is of a newer version"));
    store.delete(&a).await.unwrap();
    assert_eq!(store.quarantined().await, []);
}

#[tokio::test]
async fn an_answer_without_a_record_is_named_and_kept_until_a_new_login() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let (a, b) = (key("a"), key("b"));
    for (key, answer) in [(&a, "short".to_owned()), (&b, "long ".repeat(20_000))] {
        store.intend(key, 6, Vec::new()).await.unwrap();
        store.answer(key, 6, record(&answer)).await.unwrap();
    }
    drop(store);
    for _ in 0..2 {
        let opened = folder.open().await;
        assert!(opened.sessions.is_empty());
        assert_eq!(opened.problems.len(), 2, "{:?}", opened.problems);
        for (problem, name) in opened.problems.iter().zip(["a", "b"]) {
            assert!(problem.contains(&format!("\"{name}\"")) && problem.contains("an answer"), "{problem}");
        }
    }
    let store = folder.open().await.store;
    store.compare_and_put(&a, None, 1, record("new login")).await.unwrap();
    store.intend(&b, 1, Vec::new()).await.unwrap();
    store.compare_and_put(&b, None, 1, record("new login")).await.unwrap();
    let expected = ["a", "b"].map(|name| (name, 1, "new login", Slot::Settled));
    folder.killed_finds(&expected).await;
}

#[tokio::test]
async fn a_lost_row_is_named() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    store.compare_and_put(&key("a"), None, 3, record("first")).await.unwrap();
    store.settle(&key("a"), 3).await.unwrap();
    drop(store);
    folder.meddle("DELETE FROM session");
    let opened = folder.open().await;
    assert!(opened.problems[0].contains("\"a\"") && opened.problems[0].contains("is gone"));
    assert_eq!(opened.damaged.iter().map(|it| &it.key).collect::<Vec<_>>(), [&key("a")]);
}

#[tokio::test]
async fn a_store_without_its_key_is_refused_and_one_with_another_key_names_it() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    store.compare_and_put(&key("a"), None, 1, record("first")).await.unwrap();
    drop(store);
    let path = folder.path().join("broker.key");
    let right = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::KeyMissing { .. }), "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()) && !path.exists());
    fs::write(&path, [0; 32]).unwrap();
    let opened = folder.open().await;
    assert!(opened.sessions.is_empty() && opened.problems[1].contains(path.to_str().unwrap()));
    drop(opened);
    fs::write(&path, right).unwrap();
    folder.killed_finds(&[("a", 1, "first", Slot::Settled)]).await;
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_untouched() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    store.compare_and_put(&key("a"), None, 1, record("first")).await.unwrap();
    drop(store);
    let closed = folder.copy();
    closed.meddle("PRAGMA user_version = 2; CREATE TABLE later (x)");
    let killed = folder.copy();
    let other = rusqlite::Connection::open(killed.path().join("broker.db")).unwrap();
    other.execute_batch("PRAGMA user_version = 2; CREATE TABLE later (x)").unwrap();
    let killed = killed.copy();
    assert!(fs::metadata(killed.path().join("broker.db-wal")).unwrap().len() > 0);
    fs::remove_file(killed.path().join("broker.db-shm")).unwrap();
    for folder in [closed, killed] {
        let before = folder.files();
        let error = Store::open(folder.path()).await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{error}");
        assert!(folder.files() == before, "every file is as it was");
    }
}

#[tokio::test]
async fn what_cannot_be_reserved_is_not_sent_and_leaves_no_trace() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let a = key("a");
    store.compare_and_put(&a, None, 1, record("first")).await.unwrap();
    let in_the_way = folder.path().join("journal").join(journal::slot_name(&a)).with_extension("new");
    fs::create_dir(&in_the_way).unwrap();
    let error = store.intend(&a, 2, Vec::new()).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot reserve"), "{error}");
    fs::remove_dir(&in_the_way).unwrap();
    folder.killed_finds(&[("a", 1, "first", Slot::Settled)]).await;
    fs::write(&in_the_way, "half made").unwrap();
    folder.killed_finds(&[("a", 1, "first", Slot::Settled)]).await;
    store.intend(&a, 2, Vec::new()).await.unwrap();
    let intent = Slot::Intent { generation: 2, intent: Vec::new() };
    folder.killed_finds(&[("a", 1, "first", intent)]).await;
}
