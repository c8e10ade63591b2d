//! The store from outside: what a start finds after each step, after damage, and after somebody meddled.

use std::fs;

use super::*;

const CANARY: &str = "canary-7f3a91-refresh-token";

#[tokio::test]
async fn records_come_back_as_they_were_put() {
    let folder = Folder::new();
    let opened = folder.open().await;
    assert!(opened.sessions.is_empty() && opened.problems.is_empty());
    assert_eq!(opened.store.path(), folder.path().join("broker.db"));
    assert_eq!(opened.store.key_home(), format!("file {}", folder.path().join("broker.key").display()));
    let store = opened.store;
    store.compare_and_put(&key("b"), None, 1, record("one")).await.unwrap();
    store.compare_and_put(&key("a"), None, 1, record("two")).await.unwrap();
    store.compare_and_put(&key("b"), Some(1), 2, record("three")).await.unwrap();
    store.compare_and_put(&key("b"), Some(2), 2, record("four")).await.unwrap();
    drop(store);
    let opened = folder.open().await;
    assert_eq!(summary(&opened), [("a", 1, "two", Slot::Settled), ("b", 2, "four", Slot::Settled)]);
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
    for (length, in_slot) in [(0, true), (24_535, true), (24_536, false), (1 << 20, false)] {
        let long = "x".repeat(length);
        store.intend(&a, 2, Vec::new()).await.unwrap();
        store.answer(&a, 2, record(&long)).await.unwrap();
        folder.killed_finds(&[("a", 1, "first", Slot::Answer { generation: 2, raw: record(&long) })]).await;
        let kept_in_rows = store.run(|_, rows| Ok(rows.database.answers()?.len())).await.unwrap();
        assert_eq!(kept_in_rows, usize::from(!in_slot), "{length}");
    }
    let long = "x".repeat(1 << 20);
    store.compare_and_put(&a, Some(1), 2, record(&long)).await.unwrap();
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
    store.compare_and_put(&a, Some(1), 2, record("new")).await.unwrap();
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
    }
    let store = folder.open().await.store;
    store.compare_and_put(&a, None, 1, record("new login")).await.unwrap();
    folder.killed_finds(&[("a", 1, "new login", Slot::Settled), ("b", 7, "sound", Slot::Settled)]).await;
    let again = store.compare_and_put(&a, None, 1, record("another")).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "from now on it is a row like any other");
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

#[tokio::test]
async fn a_call_whose_caller_went_away_is_still_done() {
    let folder = Folder::new();
    let store = folder.open().await.store;
    let a = key("a");
    let mut put = std::pin::pin!(store.compare_and_put(&a, None, 1, record("first")));
    assert!(
        std::future::poll_fn(|context| std::task::Poll::Ready(put.as_mut().poll(context))).await.is_pending()
    );
    // The next call queues behind it.
    store.settle(&key("b"), 1).await.unwrap();
    let outcome = store.compare_and_put(&a, None, 1, record("second")).await;
    assert!(matches!(outcome, Err(StoreError::Conflict)));
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    async fn open(&self) -> Opened {
        Store::open(self.path()).await.unwrap()
    }

    /// The folder as a process killed now leaves it.
    fn copy(&self) -> Self {
        let copy = Self::new();
        fs::create_dir(copy.path().join("journal")).unwrap();
        for (path, bytes) in self.files() {
            let target = copy.path().join(path.strip_prefix(self.path()).unwrap());
            fs::write(target, bytes).unwrap();
        }
        copy
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let folders = [self.path().to_owned(), self.path().join("journal")];
        let paths =
            folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
        let mut files: Vec<_> =
            paths.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        files.sort();
        files
    }

    async fn killed_finds(&self, expected: &[(&str, u64, &str, Slot)]) {
        let copy = self.copy();
        let opened = copy.open().await;
        assert_eq!(summary(&opened), expected);
        assert_eq!(opened.problems, [""; 0]);
    }

    fn flip(&self, name: &str, at: usize) {
        let path = self.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    fn meddle(&self, sql: &str) {
        rusqlite::Connection::open(self.path().join("broker.db")).unwrap().execute_batch(sql).unwrap();
    }
}

fn summary(opened: &Opened) -> Vec<(&str, u64, &str, Slot)> {
    let text = |bytes| str::from_utf8(bytes).unwrap();
    let sessions = opened.sessions.iter();
    sessions.map(|it| (it.key.as_str(), it.generation, text(&it.record), it.slot.clone())).collect()
}

fn key(name: &str) -> SessionKey {
    SessionKey::new(name).unwrap()
}

fn record(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}
