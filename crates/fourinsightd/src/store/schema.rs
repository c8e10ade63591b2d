//! The schema: which tables there are, and how those of an older version become those of this one.

use std::{fs::File, io::Read, path::Path};

use rusqlite::Connection;

use super::error::{StoreError, file};

/// How the schema came to be: step `n` leads from version `n` to version `n + 1`. A step once released never
/// changes, and every version that was released has a golden store under `tests-data/stores`.
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
pub(super) const VERSION: u32 = MIGRATIONS.len() as u32;

/// The length of the header of a database file (SQLite's file format, section 1.3).
const HEADER: usize = 100;
/// How every such file begins.
const MAGIC: [u8; 16] = *b"SQLite format 3\0";
/// What follows in those that this daemon makes: pages of 4096 bytes, then the versions, then fixed numbers.
const PAGE_SIZE: [u8; 2] = [0x10, 0];
const VERSION_AT: usize = 60;

/// What a database file says of itself, read without SQLite, which can create files beside it merely by opening it.
pub(super) enum Stated {
    /// Nothing yet.
    Empty,
    /// That its schema has this version.
    Version(u32),
    /// Nothing that this daemon, or SQLite, ever wrote.
    Damaged(&'static str),
}

/// Reads what an open database file says of itself.
pub(super) fn stated(opened: File, path: &Path) -> Result<Stated, StoreError> {
    let mut header = Vec::with_capacity(HEADER);
    opened.take(HEADER as u64).read_to_end(&mut header).map_err(file("read", path))?;
    if header.is_empty() {
        return Ok(Stated::Empty);
    }
    let Some(header) = header.first_chunk::<HEADER>() else {
        return Ok(Stated::Damaged("it is cut short"));
    };
    if !header.starts_with(&MAGIC) {
        return Ok(Stated::Damaged("it does not begin as a database does"));
    }
    let formats = [header[18], header[19]];
    if header[16..18] != PAGE_SIZE
        || formats.iter().any(|format| !(1..=2).contains(format))
        || header[20] != 0
    {
        return Ok(Stated::Damaged("its header is not one that this daemon writes"));
    }
    let version = header[VERSION_AT..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    Ok(Stated::Version(version))
}

/// Leads the database from its version to the one of this daemon.
pub(super) fn migrate(connection: &mut Connection, from: u32) -> rusqlite::Result<()> {
    advance(connection, from, &MIGRATIONS)
}

/// Whether the tables and indexes are the ones that this version's steps make.
pub(super) fn is_as_made(connection: &Connection, version: u32) -> rusqlite::Result<bool> {
    let mut made = Connection::open_in_memory()?;
    advance(&mut made, 0, &MIGRATIONS[..version as usize])?;
    Ok(shape(connection)? == shape(&made)?)
}

/// Takes the steps from a version on, each whole or not at all.
fn advance(connection: &mut Connection, from: u32, steps: &[&str]) -> rusqlite::Result<()> {
    for (version, step) in (1..).zip(steps).skip(from as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

type Shape = Vec<(String, String, String, Option<String>)>;

fn shape(connection: &Connection) -> rusqlite::Result<Shape> {
    let mut statement =
        connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> u32 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_step_is_taken_whole_or_not_at_all_and_each_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE a (x)", "INSERT INTO a VALUES (1)", "INSERT INTO a VALUES (2); broken"];
        advance(&mut connection, 0, &steps[..2]).unwrap();
        assert_eq!(version(&connection), 2);
        advance(&mut connection, 2, &steps[..2]).unwrap();
        advance(&mut connection, 2, &steps).unwrap_err();
        assert_eq!(version(&connection), 2);
        let rows = connection.query_row("SELECT count(*) FROM a", [], |row| row.get::<_, u32>(0)).unwrap();
        assert_eq!(rows, 1, "nothing of the broken step is left, and no step was taken twice");
    }

    #[test]
    fn a_schema_that_was_not_made_by_the_steps_is_told_apart() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(is_as_made(&connection, 0).unwrap());
        assert!(!is_as_made(&connection, 1).unwrap());
        migrate(&mut connection, 0).unwrap();
        assert!(is_as_made(&connection, 1).unwrap());
        assert!(!is_as_made(&connection, 0).unwrap());
        connection.execute_batch("CREATE TABLE more (x)").unwrap();
        assert!(!is_as_made(&connection, 1).unwrap());
    }
}
