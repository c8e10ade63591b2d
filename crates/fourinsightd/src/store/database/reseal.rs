//! Rows under another key, all of them in one transaction.

use rusqlite::params;

use super::{Database, Row, StoreError, failure};
use crate::store::seal::{Kind, Place, Sealer};

use fourinsight_ipc::SessionKey;

impl Database {
    /// Seals every row that opens under the present key, and moves the old ones out of the log. Returns how many
    /// records opened; what does not open stays as it is.
    pub(in crate::store) fn reseal(&mut self, sealer: &Sealer) -> Result<u64, StoreError> {
        let records = moved(&self.records()?, Kind::Record, sealer)?;
        let answers = moved(&self.answers()?, Kind::Answer, sealer)?;
        let connection = &mut self.connection;
        let mut write = || {
            let transaction = connection.transaction()?;
            for (sql, rows) in [
                ("UPDATE session SET record = ?2 WHERE session_key = ?1", &records),
                ("UPDATE oversized_answer SET answer = ?2 WHERE session_key = ?1", &answers),
            ] {
                let mut statement = transaction.prepare_cached(sql)?;
                for Row { session, sealed, .. } in rows {
                    statement.execute(params![session, sealed])?;
                }
            }
            transaction.commit()
        };
        write().map_err(|error| failure(&self.path, error))?;
        self.checkpoint()?;
        Ok(records.len() as u64)
    }
}

fn moved(rows: &[Row], kind: Kind, sealer: &Sealer) -> Result<Vec<Row>, StoreError> {
    let mut moved = Vec::with_capacity(rows.len());
    for Row { session, generation, sealed } in rows {
        let Ok(key) = SessionKey::new(session) else { continue };
        let place = Place { kind, session: &key, generation: *generation };
        let Some(plain) = sealer.open(place, sealed) else { continue };
        let anew = sealer.seal(place, &plain)?;
        moved.push(Row { session: session.clone(), generation: *generation, sealed: anew });
    }
    Ok(moved)
}
