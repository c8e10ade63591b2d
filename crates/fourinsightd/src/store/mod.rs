//! The store: sealed, durable session records.
//!
//! Records are rows in SQLite (`database.rs`); a rotation under way has a slot in the journal (`journal.rs`),
//! preallocated so that no step of it needs room on the disk; `slot.rs` weighs the one against the other when
//! `load.rs` opens the store. Everything is sealed (`seal.rs`) under one key (`key.rs`); while that is out of reach
//! the store is shut (`lock.rs`). The store does not know what a record says.
//!
//! The disk may lie. A record that does not open is copied aside (`quarantine.rs`); a database that SQLite cannot
//! follow any more is kept, and its rows are dug out (`carve.rs`) into a new one (`salvage.rs`). Whatever is lost with
//! that is named in [`Opened::damaged`].
//!
//! One rotation, in order: [`intend`](Store::intend), the request, [`answer`](Store::answer) before the answer is
//! parsed, [`compare_and_put`](Store::compare_and_put), [`settle`](Store::settle). Whatever the step at which the
//! process dies, the next [`open`](Store::open) says so in [`Loaded::slot`].

use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use fourinsight_ipc::SessionKey;
use tokio::{
    sync::Mutex,
    task::{JoinError, spawn_blocking},
};
use zeroize::Zeroizing;

mod backup;
mod carve;
mod check;
mod database;
mod error;
mod journal;
pub(crate) mod key;
mod load;
mod lock;
mod quarantine;
mod rekey;
mod reload;
mod roots;
mod salvage;
mod schema;
mod seal;
mod slot;

pub use backup::{BackedUp, BackupError};
pub use check::Checked;
pub use error::StoreError;
pub use key::KeyHomes;
pub use lock::KeyStatus;
pub use rekey::Rekeyed;
pub use slot::Slot;

use crate::fault;
use database::Database;
use journal::{Journal, Salvaged};
use lock::Lock;
use quarantine::Quarantine;
use roots::Roots;
use seal::{Kind, Place, Sealer};

/// The open store. Cheap to clone; calls run one after the other, off the runtime's thread.
#[derive(Clone)]
pub struct Store {
    parts: Arc<Parts>,
}

/// A store just opened, and what was found in it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Every session whose record opens.
    pub sessions: Vec<Loaded>,
    /// Every session that was stored and whose record cannot be read, or is gone.
    pub damaged: Vec<Damaged>,
    /// Every session whose record waits for the key, while that is out of reach: then nothing else was read.
    pub sealed: Vec<SessionKey>,
    /// What is wrong with the rest, for people.
    pub problems: Vec<String>,
}

/// A session that is lost to damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Its key.
    pub key: SessionKey,
    /// What is wrong with its record, for people.
    pub reason: String,
}

/// A session as it was found.
pub struct Loaded {
    /// Its key.
    pub key: SessionKey,
    /// The generation of its record.
    pub generation: u64,
    /// Its record.
    pub record: Zeroizing<Vec<u8>>,
    /// Where its last rotation stands.
    pub slot: Slot,
}

impl Store {
    /// Opens the store in a state folder whose key is in a file: [`open_with`](Self::open_with) no other home.
    pub async fn open(state_dir: &Path) -> Result<Opened, StoreError> {
        Self::open_with(state_dir, KeyHomes::file_only()).await
    }

    /// Opens the store in a state folder, creating what is missing, and loads everything. Where the key is out of
    /// reach for now, the store stays shut, which [`key`](Self::key) tells, and nothing is loaded before
    /// [`unlock`](Self::unlock).
    ///
    /// Only one process may have a store open; see to it before.
    pub async fn open_with(state_dir: &Path, homes: KeyHomes) -> Result<Opened, StoreError> {
        let state_dir = state_dir.to_owned();
        blocking(move || load::load(&state_dir, homes)).await
    }

    /// Writes a session's record if the row is the one that the caller knows: none, or of the expected generation.
    /// The new record has the same generation or a later one. When this returns, the record is in the database proper:
    /// one flipped byte in SQLite's log silently rolls back what is in there.
    ///
    /// A row that did not open when the store was opened counts as none: a new login replaces it.
    pub async fn compare_and_put(
        &self,
        key: &SessionKey,
        expected: Option<u64>,
        generation: u64,
        record: Zeroizing<Vec<u8>>,
    ) -> Result<(), StoreError> {
        if expected.is_some_and(|expected| generation < expected) {
            return Err(StoreError::Conflict);
        }
        let key = key.clone();
        self.run(move |parts, rows| {
            let place = Place { kind: Kind::Record, session: &key, generation };
            let sealed = parts.sealer.seal(place, &record)?;
            let written = match expected {
                Some(expected) => rows.database.update(&key, expected, generation, &sealed)?,
                None => rows.put_first(parts, &key, generation, &sealed)?,
            };
            if written { rows.database.checkpoint() } else { Err(StoreError::Conflict) }
        })
        .await
    }

    /// Forgets a session: its record, its answers, its slot. No error if there is none.
    pub async fn delete(&self, key: &SessionKey) -> Result<(), StoreError> {
        if self.parts.lock.is_empty() {
            return Ok(());
        }
        let key = key.clone();
        self.run(move |parts, rows| {
            // The row goes last: until then a start finds the session and what it was doing.
            rows.database.forget_answer(&key)?;
            parts.journal.delete(&key)?;
            rows.database.delete(&key)?;
            parts.quarantine.forget(&key)?;
            rows.leftover_slots.remove(&key);
            rows.unreadable.remove(&key);
            Ok(())
        })
        .await
    }

    /// Reserves room for the answer that will make this generation and notes that a request is about to be sent.
    /// Durable when it returns; after an error nothing may be sent.
    pub async fn intend(&self, key: &SessionKey, generation: u64, intent: Vec<u8>) -> Result<(), StoreError> {
        let key = key.clone();
        self.run(move |parts, rows| {
            rows.drop_leftover_slot(parts, &key)?;
            rows.database.forget_answer(&key)?;
            parts.journal.intend(&key, generation, &intent)
        })
        .await
    }

    /// Keeps a raw answer, which is never empty, before anything tries to understand it. Follows an [`intend`](Self::intend) of the same
    /// generation.
    pub async fn answer(
        &self,
        key: &SessionKey,
        generation: u64,
        raw: Zeroizing<Vec<u8>>,
    ) -> Result<(), StoreError> {
        // Until the write, this answer exists in memory only: it does not queue behind other sessions' syncs.
        let (parts, session) = (Arc::clone(&self.parts), key.clone());
        let (salvaged, raw) = blocking(move || {
            let _turn = parts.salvage.blocking_lock();
            let salvaged = parts.journal.salvage(&session, generation, &raw)?;
            if let Salvaged::Written(_) = salvaged {
                fault::point("raw_written");
            }
            Ok((salvaged, raw))
        })
        .await?;
        let key = key.clone();
        match salvaged {
            Salvaged::Written(slot) => {
                self.in_turn(move |parts, _| parts.journal.sync(&slot, &key)).await?;
                fault::point("raw_synced");
            }
            // Sealed in the same turn as it is written: the key may have changed since it was salvaged.
            Salvaged::Oversized => {
                let kept = move |parts: &Parts, rows: &mut Rows| {
                    let sealed = parts.journal.seal_answer(&key, generation, &raw)?;
                    rows.database.keep_answer(&key, generation, &sealed)?;
                    parts.journal.note_oversized(&key, generation)
                };
                self.run(kept).await?;
                fault::point("oversized_kept");
            }
        }
        Ok(())
    }

    /// Closes a rotation after its record was put, or gives an intent up with the generation of the row: the slot is
    /// cleared but for the generation, so that a row rolled back behind the store's back shows.
    pub async fn settle(&self, key: &SessionKey, generation: u64) -> Result<(), StoreError> {
        let key = key.clone();
        self.run(move |parts, rows| {
            // In case the one that follows a put has failed.
            rows.database.checkpoint()?;
            fault::point("checkpointed");
            rows.database.forget_answer(&key)?;
            parts.journal.settle(&key, generation)?;
            fault::point("settled");
            Ok(())
        })
        .await
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.parts.path
    }

    /// Does work that needs the database, which is mended first where that is needed.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Parts, &mut Rows) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.in_turn(|parts, rows| {
            #[cfg(test)]
            if parts.full.load(std::sync::atomic::Ordering::Relaxed) {
                let source = std::io::ErrorKind::StorageFull.into();
                return Err(StoreError::File { action: "write", path: parts.path.clone(), source });
            }
            parts.lock.ready()?;
            parts.roots.replant(&parts.path, rows)?;
            salvage::mend(parts, rows)?;
            work(parts, rows)
        })
        .await
    }

    /// Waits for its turn and does the work on a thread that may block. Once begun it is done, whether or not the
    /// caller is still there, or listens: a session's task writes its record while its own renewal, which it does not
    /// drive meanwhile, may be the one whose turn it is. Nobody else's would ever come.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Parts, &mut Rows) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let parts = Arc::clone(&self.parts);
        let turn = async move {
            let mut rows = Arc::clone(&parts.rows).lock_owned().await;
            blocking(move || work(&parts, &mut rows)).await
        };
        outcome(tokio::spawn(turn).await)
    }

    /// Sees to it that the database is still there: without a renewal nothing else would notice.
    pub(crate) async fn look(&self) {
        if self.parts.roots.are_gone(&self.parts.path)
            && let Err(error) = self.run(|_, _| Ok(())).await
        {
            tracing::error!(%error, "the store is not where it was and cannot be written anew");
        }
    }

    /// What has become of the database's file since the store was opened, for people.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.parts.roots.told()
    }

    /// Makes the disk full, or gives it room again. What is already reserved in a slot can still be written.
    #[cfg(test)]
    pub(crate) fn fill_disk(&self, full: bool) {
        self.parts.full.store(full, std::sync::atomic::Ordering::Relaxed);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.parts.path).finish_non_exhaustive()
    }
}

/// Names and numbers only: the record holds tokens.
impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("key", &self.key)
            .field("generation", &self.generation)
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

struct Parts {
    path: PathBuf,
    lock: Lock,
    sealer: Arc<Sealer>,
    journal: Journal,
    quarantine: Quarantine,
    roots: Roots,
    rows: Arc<Mutex<Rows>>,
    salvage: Arc<Mutex<()>>,
    key_path: PathBuf,
    /// Held while the key is being changed.
    rekeying: Arc<Mutex<()>>,
    #[cfg(test)]
    full: std::sync::atomic::AtomicBool,
}

/// The database, and what was found beside its sound rows. Both kinds of leftovers stay until a new login or a
/// deletion of their session takes their place.
struct Rows {
    database: Database,
    /// Sessions whose row does not open.
    unreadable: HashSet<SessionKey>,
    /// Sessions whose slot belongs to no sound row: its generation says nothing about the next one.
    leftover_slots: HashSet<SessionKey>,
}

impl Rows {
    /// Writes the first record of a session; false when there is a sound one already.
    fn put_first(
        &mut self,
        parts: &Parts,
        key: &SessionKey,
        generation: u64,
        sealed: &[u8],
    ) -> Result<bool, StoreError> {
        self.drop_leftover_slot(parts, key)?;
        if !self.unreadable.contains(key) {
            return self.database.insert(key, generation, sealed);
        }
        // In case there was no room for the copy at the start.
        if let Some(row) = self.database.record(key.as_str())? {
            parts.quarantine.keep(&row, load::DOES_NOT_OPEN)?;
        }
        self.database.replace(key, generation, sealed)?;
        self.unreadable.remove(key);
        Ok(true)
    }

    fn drop_leftover_slot(&mut self, parts: &Parts, key: &SessionKey) -> Result<(), StoreError> {
        if self.leftover_slots.contains(key) {
            self.database.forget_answer(key)?;
            parts.journal.delete(key)?;
            self.leftover_slots.remove(key);
        }
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    outcome(spawn_blocking(work).await)
}

/// What came of work done elsewhere; its panic is the caller's.
fn outcome<T>(ended: Result<Result<T, StoreError>, JoinError>) -> Result<T, StoreError> {
    match ended {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::Stopping),
        },
    }
}

#[cfg(test)]
mod tests;
