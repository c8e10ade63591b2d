//! The rows: one sealed record per session, in SQLite.
//!
//! One connection, exclusive, write-ahead log, every commit synced. Nothing here knows what a record says.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use fourinsight_ipc::{
    SessionKey,
    platform::{private_file, sync_folder},
};
use rusqlite::{Connection, ErrorCode, OpenFlags, Params, config::DbConfig, params};

use super::error::{StoreError, file};

/// How the schema came to be: step `n` leads from version `n` to version `n + 1`. A step once released never
/// changes.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE session (
        session_key TEXT PRIMARY KEY,
        generation  INTEGER NOT NULL,
        record      BLOB NOT NULL
    ) STRICT;
    CREATE TABLE oversized_answer (
        session_key TEXT PRIMARY KEY,
        generation  INTEGER NOT NULL,
        answer      BLOB NOT NULL
    ) STRICT;
"];

/// The schema version that this daemon reads and writes.
const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// Where `user_version` ends in the header of a database file (SQLite's file format, section 1.3).
const VERSION_END: usize = 64;

/// The open database.
pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
}

/// A row of either table.
pub(super) struct Row {
    pub(super) session: String,
    pub(super) generation: u64,
    pub(super) sealed: Vec<u8>,
}

impl Database {
    /// Opens the database, creates or migrates it; one of a newer version is left as it is.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let is_new = prepare_file(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags);
        let connection = opened.map_err(|error| failure(path, error))?;
        let mut database = Self { connection, path: path.to_owned() };
        // Until the version is known, closing must not write the log back into the database.
        database.keep_log_on_close(true)?;
        let version = database.lock_and_read_version()?;
        if version > SCHEMA_VERSION {
            return Err(newer(path, version));
        }
        database.keep_log_on_close(false)?;
        database.make_durable()?;
        database.migrate(version)?;
        if is_new {
            database.checkpoint()?;
            let folder = path.parent().unwrap_or(path);
            sync_folder(folder).map_err(file("sync", folder))?;
        }
        Ok(database)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// All records.
    pub(super) fn records(&self) -> Result<Vec<Row>, StoreError> {
        self.rows("SELECT session_key, generation, record FROM session ORDER BY session_key")
    }

    /// Who has a record, without it.
    pub(super) fn names(&self) -> Result<Vec<Row>, StoreError> {
        self.rows("SELECT session_key, generation, x'' FROM session ORDER BY session_key")
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

    /// Removes a session's record, for good.
    pub(super) fn delete(&self, session: &SessionKey) -> Result<(), StoreError> {
        self.execute("DELETE FROM session WHERE session_key = ?1", [session.as_str()])?;
        self.checkpoint()
    }

    /// Keeps an answer too long for its slot.
    pub(super) fn keep_answer(
        &self,
        session: &SessionKey,
        generation: u64,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO oversized_answer VALUES (?1, ?2, ?3)";
        self.execute(sql, params![session.as_str(), generation.cast_signed(), sealed]).map(drop)
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

    fn keep_log_on_close(&self, keep: bool) -> Result<(), StoreError> {
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
        read().map_err(|error| self.failure(error))
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

    fn migrate(&mut self, from: u32) -> Result<(), StoreError> {
        for (version, step) in (1..).zip(MIGRATIONS).skip(from as usize) {
            let mut take = || {
                let transaction = self.connection.transaction()?;
                transaction.execute_batch(step)?;
                transaction.pragma_update(None, "user_version", version)?;
                transaction.commit()
            };
            take().map_err(|error| failure(&self.path, error))?;
        }
        Ok(())
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
        failure(&self.path, error)
    }
}

/// Makes or tightens the file before SQLite sees it: its log inherits the mode. True when it is new.
///
/// The version that the file itself states is looked at first, because merely opening a database in SQLite can
/// create files beside it.
fn prepare_file(path: &Path) -> Result<bool, StoreError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    if log.try_exists().map_err(file("look at", &log))? {
        private_file(&log).map_err(file("open", &log))?;
    }
    let mut start = Vec::new();
    let opened = private_file(path).map_err(file("open", path))?;
    opened.take(VERSION_END as u64).read_to_end(&mut start).map_err(file("read", path))?;
    if start.len() == VERSION_END && start.starts_with(b"SQLite format 3\0") {
        let version = start.last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        if version > SCHEMA_VERSION {
            return Err(newer(path, version));
        }
    }
    Ok(start.is_empty())
}

fn newer(path: &Path, found: u32) -> StoreError {
    StoreError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION }
}

fn failure(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::InUse { path },
        _ => StoreError::Database { path, source: error },
    }
}
