//! The store from outside.

use std::fs;

use super::*;

mod broken;
mod check;
mod damage;
mod flips;
mod former;
mod golden;
mod rekey;
mod roots;
mod steps;

/// A state folder.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One in memory, where there is such a place.
    fn fast() -> Self {
        Self(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
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

    /// Commits the next record of a session and leaves it in SQLite's log, as a process killed in the middle of
    /// putting it does.
    async fn put_in_log(&self, store: &Store, key: &SessionKey, generation: u64, text: &str) {
        let (key, text) = (key.clone(), text.to_owned());
        let written = store.run(move |parts, rows| {
            let place = Place { kind: Kind::Record, session: &key, generation };
            let sealed = parts.sealer.seal(place, text.as_bytes())?;
            rows.database.update(&key, generation - 1, generation, &sealed)
        });
        assert!(written.await.unwrap());
        assert!(fs::metadata(self.path().join("broker.db-wal")).unwrap().len() > 0);
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
