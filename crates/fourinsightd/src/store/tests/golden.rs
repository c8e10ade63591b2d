//! Stores that released versions wrote, one for every version of the schema. This daemon reads each of them.

use super::*;

const OVERSIZED: usize = 30_000;
const LONG: usize = 20 << 10;

/// A store with a session for every state that a slot can be in. `UPDATE_GOLDEN=1` writes one that is not there yet.
async fn make(folder: &Folder) -> Store {
    fs::write(folder.path().join("broker.key"), [0x42; 32]).unwrap();
    let store = folder.open().await.store;
    for name in ["ahead", "answered", "asking", "oversized", "settled", "unsettled"] {
        store.compare_and_put(&key(name), None, 1, record("one")).await.unwrap();
        store.settle(&key(name), 1).await.unwrap();
    }
    store.compare_and_put(&key("without a slot"), None, 1, record("one")).await.unwrap();
    store.compare_and_put(&key("long"), None, 4, record(&"long".repeat(LONG / 4))).await.unwrap();
    store.settle(&key("long"), 4).await.unwrap();
    store.settle(&key("ahead"), 3).await.unwrap();
    for name in ["answered", "asking", "oversized", "settled", "unsettled"] {
        store.intend(&key(name), 2, b"asked at noon".to_vec()).await.unwrap();
    }
    for name in ["answered", "settled", "unsettled"] {
        store.answer(&key(name), 2, record("the answer")).await.unwrap();
    }
    store.answer(&key("oversized"), 2, record(&"answer".repeat(OVERSIZED / 6))).await.unwrap();
    for name in ["settled", "unsettled"] {
        store.compare_and_put(&key(name), Some(1), 2, record("two")).await.unwrap();
    }
    store.settle(&key("settled"), 2).await.unwrap();
    store
}

fn check(opened: &Opened) {
    let (long, oversized) = ("long".repeat(LONG / 4), "answer".repeat(OVERSIZED / 6));
    let answer = |text: &str| Slot::Answer { generation: 2, raw: record(text) };
    let expected = [
        ("ahead", 1, "one", Slot::Ahead { generation: 3 }),
        ("answered", 1, "one", answer("the answer")),
        ("asking", 1, "one", Slot::Intent { generation: 2, intent: b"asked at noon".to_vec() }),
        ("long", 4, &long, Slot::Settled),
        ("oversized", 1, "one", answer(&oversized)),
        ("settled", 2, "two", Slot::Settled),
        ("unsettled", 2, "two", Slot::Settled),
        ("without a slot", 1, "one", Slot::Settled),
    ];
    assert_eq!(summary(opened), expected);
    assert_eq!((opened.problems.len(), opened.damaged.len()), (1, 0), "{:?}", opened.problems);
    assert!(opened.problems[0].starts_with("session \"ahead\""));
}

#[tokio::test]
async fn the_store_of_every_version_is_read_and_goes_on() {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests-data/stores");
    let newest = stores.join(format!("v{}", schema::VERSION));
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !newest.exists() {
        let made = Folder::new();
        // As a process that is killed leaves it.
        let _store = make(&made).await;
        copy(made.path(), &newest);
    }
    for version in 1..=schema::VERSION {
        let folder = Folder::new();
        copy(&stores.join(format!("v{version}")), folder.path());
        for _ in 0..2 {
            check(&folder.open().await);
        }
        let opened = folder.open().await;
        opened.store.compare_and_put(&key("settled"), Some(2), 3, record("three")).await.unwrap();
        drop(opened);
        let opened = folder.open().await;
        assert!(summary(&opened).contains(&("settled", 3, "three", Slot::Settled)));
    }
}

#[tokio::test]
async fn what_is_made_now_reads_as_the_golden_stores_do() {
    let folder = Folder::new();
    drop(make(&folder).await);
    check(&folder.open().await);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("journal")).unwrap();
    for part in [".", "journal"] {
        for entry in fs::read_dir(from.join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, to.join(part).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
}
