//! What a look over the store asks of the database.

use fourinsight_ipc::SessionKey;
use rusqlite::OptionalExtension;

use super::{Database, Row, StoreError};

impl Database {
    /// What SQLite itself finds wrong with the file.
    pub(in crate::store) fn damage(&self) -> Result<Vec<String>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("PRAGMA integrity_check(20)")?;
            let lines = statement.query_map([], |row| row.get(0))?;
            lines.collect::<Result<Vec<String>, _>>()
        };
        let mut lines = read().map_err(|error| self.failure(error))?;
        lines.retain(|line| line != "ok");
        Ok(lines)
    }

    /// The version of its schema.
    pub(in crate::store) fn schema_version(&self) -> Result<u32, StoreError> {
        self.connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|error| self.failure(error))
    }

    /// What every record is called.
    pub(in crate::store) fn names(&self) -> Result<Vec<String>, StoreError> {
        let read = || {
            let mut statement =
                self.connection.prepare("SELECT session_key FROM session ORDER BY session_key")?;
            statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()
        };
        read().map_err(|error| self.failure(error))
    }

    /// The record of this name.
    pub(in crate::store) fn record(&self, name: &str) -> Result<Option<Row>, StoreError> {
        self.row("SELECT session_key, generation, record FROM session WHERE session_key = ?1", name)
    }

    /// A session's answer that was too long for its slot.
    pub(in crate::store) fn answer(&self, session: &SessionKey) -> Result<Option<Row>, StoreError> {
        let sql = "SELECT session_key, generation, answer FROM oversized_answer WHERE session_key = ?1";
        self.row(sql, session.as_str())
    }

    fn row(&self, sql: &str, name: &str) -> Result<Option<Row>, StoreError> {
        let read = || {
            self.connection
                .prepare_cached(sql)?
                .query_row([name], |row| {
                    let generation = row.get::<_, i64>(1)?.cast_unsigned();
                    Ok(Row { session: row.get(0)?, generation, sealed: row.get(2)? })
                })
                .optional()
        };
        read().map_err(|error| self.failure(error))
    }
}
