//! Reads one session anew from the open store.

use fourinsight_ipc::SessionKey;

use super::{
    Loaded, Store, StoreError,
    seal::{Kind, Place},
};

impl Store {
    /// Reads a session as the disk has it now; `None` where there is none whose record opens.
    ///
    /// Nothing else may be under way for the session: its slot would be read in the middle of a step.
    pub async fn load_one(&self, key: &SessionKey) -> Result<Option<Loaded>, StoreError> {
        let key = key.clone();
        self.run(move |parts, rows| {
            let Some(row) = rows.database.record(key.as_str())? else { return Ok(None) };
            let generation = row.generation;
            let place = Place { kind: Kind::Record, session: &key, generation };
            let Some(record) = parts.sealer.open(place, &row.sealed) else { return Ok(None) };
            let contents = parts.journal.contents(&key, rows.database.answer(&key)?)?;
            let (slot, problem) = contents.weigh(generation);
            if let Some(problem) = problem {
                tracing::error!(session = %key, "{problem}");
            }
            Ok(Some(Loaded { key, generation, record, slot }))
        })
        .await
    }
}
