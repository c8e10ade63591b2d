//! The rows: one sealed record per session, in SQLite.
//!
//! One connection, exclusive, write-ahead log, every commit synced. Nothing here knows what a record says.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    time::Duration,
};

use fourinsight_ipc::{
    SessionKey,
    platform::{private_file, sync_folder},
};
use rusqlite::{Connection, ErrorCode, OpenFlags, Params, config::DbConfig, ffi, params};

use super::{
    error::{StoreError, file},
    salvage::with,
    schema::{self, Stated},
};

mod check;
mod reseal;

/// The open database.
pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
    /// Whether the connection may hold what the disk does not.
    doubt: Cell<Doubt>,
    is_closed: bool,
}

/// What the last failure leaves to doubt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Doubt {
    Nothing,
    /// The disk refused something: what SQLite remembers of it is forgotten.
    Connection,
    /// The files are damaged: everything is looked at again.
    Files,
}

/// A row of either table.
pub(super) struct Row {
    pub(super) session: String,
    pub(super) generation: u64,
    pub(super) sealed: Vec<u8>,
}

impl Database {
    /// Opens the database, creates or migrates it; one of a newer version, or a damaged one, is left as it is.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let stated = prepare_file(path)?;
        let (mut database, version) = Self::connect(path)?;
        if let Stated::Damaged(what) = stated {
            return Err(damaged(path, what));
        }
        database.examine(version)?;
        database.keep_log_on_close(false)?;
        database.make_durable()?;
        schema::migrate(&mut database.connection, version).map_err(|error| database.failure(error))?;
        database.read_through()?;
        if matches!(stated, Stated::Empty) {
            database.checkpoint()?;
            let folder = path.parent().unwrap_or(path);
            sync_folder(folder).map_err(file("sync", folder))?;
        }
        Ok(database)
    }

    /// Opens the database anew if the disk has failed it: what a failed write or sync leaves in SQLite's memory, and
    /// which of it is on the disk, is then read rather than remembered. Returns whether that was needed.
    pub(super) fn mend(&mut self) -> Result<bool, StoreError> {
        let doubt = self.doubt.get();
        if doubt == Doubt::Nothing {
            return Ok(false);
        }
        // What could not be opened at once may be another file by now.
        let anything_goes = doubt == Doubt::Files || self.is_closed;
        self.close()?;
        let path = self.path.clone();
        let opened = if anything_goes { Self::open(&path) } else { Self::reconnect(&path) };
        if let Err(StoreError::Damaged { .. }) = opened {
            self.doubt.set(Doubt::Files);
        }
        *self = opened?;
        tracing::info!("the store was opened anew after the disk had failed it");
        Ok(true)
    }

    /// Closes the connection, for a second one would be refused. Nothing is written in closing: the log stays.
    pub(super) fn close(&mut self) -> Result<(), StoreError> {
        let _ = self.keep_log_on_close(true);
        let nothing = Connection::open_in_memory().map_err(|error| self.failure(error))?;
        drop(std::mem::replace(&mut self.connection, nothing));
        self.is_closed = true;
        self.doubt.set(self.doubt.get().max(Doubt::Connection));
        Ok(())
    }

    /// Whether it could not be opened anew yet: there is nothing to be read from it.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Opens a database that was looked at before.
    fn reconnect(path: &Path) -> Result<Self, StoreError> {
        let (database, _) = Self::connect(path)?;
        database.keep_log_on_close(false)?;
        database.make_durable()?;
        Ok(database)
    }

    /// Locks the database for this process. Until more is known, closing it writes nothing.
    fn connect(path: &Path) -> Result<(Self, u32), StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags);
        let connection = opened.map_err(|error| failure(path, error))?;
        let database =
            Self { connection, path: path.to_owned(), doubt: Cell::new(Doubt::Nothing), is_closed: false };
        database.keep_log_on_close(true)?;
        let version = database.lock_and_read_version()?;
        if version > schema::VERSION {
            return Err(newer(path, version));
        }
        Ok((database, version))
    }

    /// Finds damage before anything is built on it.
    fn examine(&self, version: u32) -> Result<(), StoreError> {
        let check = || self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
        let says: String = check().map_err(|error| unexpected(&self.path, error))?;
        if says != "ok" {
            return Err(damaged(&self.path, says));
        }
        let as_made = schema::is_as_made(&self.connection, version);
        if as_made.map_err(|error| unexpected(&self.path, error))? {
            Ok(())
        } else {
            Err(damaged(&self.path, "its tables are not those of its version"))
        }
    }

    /// Reads every row to its end, which SQLite's own check does not: the file may be too short for the last one.
    fn read_through(&self) -> Result<(), StoreError> {
        let read = || {
            for sql in ["SELECT record FROM session", "SELECT answer FROM oversized_answer"] {
                let mut statement = self.connection.prepare(sql)?;
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    row.get_ref(0)?;
                }
            }
            Ok(())
        };
        read().map_err(|error| unexpected(&self.path, error))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// All records.
    pub(super) fn records(&self) -> Result<Vec<Row>, StoreError> {
        self.rows("SELECT session_key, generation, record FROM session ORDER BY session_key")
    }

    /// All answers too long for their slots.
    pub(super) fn answers(&self) -> Result<Vec<Row>, StoreError> {
        self.rows("SELECT session_key, generation, answer FROM oversized_answer")
    }

    /// Writes the first record of a session; false when there is one already.
    pub(super) fn insert(
        &self,
        session: &SessionKey,
        generation: u64,
        sealed: &[u8],
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO session VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        let changed = self.execute(sql, params![session.as_str(), generation.cast_signed(), sealed])?;
        Ok(changed == 1)
    }

    /// Writes a record in place of whatever is there.
    pub(super) fn replace(
        &self,
        session: &SessionKey,
        generation: u64,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO session VALUES (?1, ?2, ?3)";
        self.execute(sql, params![session.as_str(), generation.cast_signed(), sealed]).map(drop)
    }

    /// Writes a record in place of the one of the expected generation; false when that is not the one there.
    pub(super) fn update(
        &self,
        session: &SessionKey,
        expected: u64,
        generation: u64,
        sealed: &[u8],
    ) -> Result<bool, StoreError> {
        let sql =
            "UPDATE session SET generation = ?3, record = ?4 WHERE session_key = ?1 AND generation = ?2";
        let (expected, generation) = (expected.cast_signed(), generation.cast_signed());
        let changed = self.execute(sql, params![session.as_str(), expected, generation, sealed])?;
        Ok(changed == 1)
    }

    /// Takes over all rows of another database, for good.
    pub(super) fn fill(&self, records: &[Row], answers: &[Row]) -> Result<(), StoreError> {
        let fill = || {
            let transaction = self.connection.unchecked_transaction()?;
            for (sql, rows) in [
                ("INSERT INTO session VALUES (?1, ?2, ?3)", records),
                ("INSERT INTO oversized_answer VALUES (?1, ?2, ?3)", answers),
            ] {
                for row in rows {
                    let row = params![row.session, row.generation.cast_signed(), row.sealed];
                    self.connection.execute(sql, row)?;
                }
            }
            transaction.commit()
        };
        fill().map_err(|error| self.failure(error))?;
        self.checkpoint()
    }

    /// Removes a session's record, for good.
    pub(super) fn delete(&self, session: &SessionKey) -> Result<(), StoreError> {
        self.execute("DELETE FROM session WHERE session_key = ?1", [session.as_str()])?;
        self.checkpoint()
    }

    /// Keeps an answer too long for its slot, and not in the log, where one flipped byte would take it back.
    pub(super) fn keep_answer(
        &self,
        session: &SessionKey,
        generation: u64,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO oversized_answer VALUES (?1, ?2, ?3)";
        self.execute(sql, params![session.as_str(), generation.cast_signed(), sealed])?;
        self.checkpoint()
    }

    /// Removes such an answer, for good.
    pub(super) fn forget_answer(&self, session: &SessionKey) -> Result<(), StoreError> {
        let sql = "DELETE FROM oversized_answer WHERE session_key = ?1";
        match self.execute(sql, [session.as_str()])? {
            0 => Ok(()),
            _ => self.checkpoint(),
        }
    }

    /// Moves every commit from the log into the database proper and empties the log: one flipped byte in a log
    /// silently rolls commits back.
    pub(super) fn checkpoint(&self) -> Result<(), StoreError> {
        let busy = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))
            .map_err(|error| self.failure(error))?;
        if busy { Err(StoreError::InUse { path: self.path.clone() }) } else { Ok(()) }
    }

    /// Whether closing leaves the log as it is.
    pub(super) fn keep_log_on_close(&self, keep: bool) -> Result<(), StoreError> {
        self.connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)
            .map(drop)
            .map_err(|error| self.failure(error))
    }

    /// The lock comes before the first read, so the log needs no shared-memory file.
    fn lock_and_read_version(&self) -> Result<u32, StoreError> {
        let read = || {
            self.connection.busy_timeout(Duration::ZERO)?;
            self.connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
            self.connection.pragma_query_value(None, "user_version", |row| row.get(0))
        };
        read().map_err(|error| unexpected(&self.path, error))
    }

    /// Has the database refuse to grow, as on a disk that is full, until it is opened anew.
    #[cfg(test)]
    pub(super) fn limit_size(&self) -> Result<(), StoreError> {
        self.connection
            .pragma_update_and_check(None, "max_page_count", 1, |_| Ok(()))
            .map_err(|error| self.failure(error))
    }

    /// Gives back the memory of pages that were read once and are not read again.
    pub(super) fn forget_pages(&self) -> Result<(), StoreError> {
        self.connection.execute_batch("PRAGMA shrink_memory").map_err(|error| self.failure(error))
    }

    fn make_durable(&self) -> Result<(), StoreError> {
        let set = || {
            self.connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
            for (name, value) in
                [("synchronous", "FULL"), ("fullfsync", "ON"), ("checkpoint_fullfsync", "ON")]
            {
                self.connection.pragma_update(None, name, value)?;
            }
            self.connection.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))
        };
        set().map_err(|error| self.failure(error))
    }

    fn rows(&self, sql: &str) -> Result<Vec<Row>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map([], |row| {
                let generation = row.get::<_, i64>(1)?.cast_unsigned();
                Ok(Row { session: row.get(0)?, generation, sealed: row.get(2)? })
            })?;
            rows.collect::<Result<_, _>>()
        };
        read().map_err(|error| self.failure(error))
    }

    fn execute(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        let run = || self.connection.prepare_cached(sql)?.execute(params);
        run().map_err(|error| self.failure(error))
    }

    fn failure(&self, error: rusqlite::Error) -> StoreError {
        let error = failure(&self.path, error);
        self.doubt.set(match error {
            StoreError::Damaged { .. } => Doubt::Files,
            _ => self.doubt.get().max(Doubt::Connection),
        });
        error
    }
}

/// Makes or tightens the file before SQLite sees it, since its log inherits the mode, and reads what it says of
/// itself.
fn prepare_file(path: &Path) -> Result<Stated, StoreError> {
    let log = with(path, "-wal");
    let mut logged = 0;
    if log.try_exists().map_err(file("look at", &log))? {
        let opened = private_file(&log).map_err(file("open", &log))?;
        logged = opened.metadata().map_err(file("look at", &log))?.len();
    }
    let opened = private_file(path).map_err(file("open", path))?;
    match schema::stated(opened, path)? {
        Stated::Version(version) if version > schema::VERSION => Err(newer(path, version)),
        // SQLite would throw the log away, unread.
        Stated::Empty if logged > 0 => Err(damaged(path, "it is empty, but its log is not")),
        stated => Ok(stated),
    }
}

fn newer(path: &Path, found: u32) -> StoreError {
    StoreError::Newer { path: path.to_owned(), found, known: schema::VERSION }
}

fn damaged(path: &Path, what: impl Into<String>) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), what: what.into() }
}

fn failure(path: &Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::InUse { path: path.to_owned() }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(path, error.to_string()),
        _ => StoreError::Database { path: path.to_owned(), source: error },
    }
}

/// The same, where a sound database gives no error that is not the disk's.
fn unexpected(path: &Path, error: rusqlite::Error) -> StoreError {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    match error.sqlite_error_code() {
        // The file ends in the middle of a page that it needs.
        Some(ErrorCode::SystemIoFailure) if extended == Some(ffi::SQLITE_IOERR_SHORT_READ) => {
            damaged(path, error.to_string())
        }
        None | Some(ErrorCode::Unknown | ErrorCode::SchemaChanged | ErrorCode::TypeMismatch) => {
            damaged(path, error.to_string())
        }
        Some(_) => failure(path, error),
    }
}
