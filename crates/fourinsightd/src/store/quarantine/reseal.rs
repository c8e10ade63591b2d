//! What was set aside, under another key.

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD};
use fourinsight_ipc::SessionKey;

use super::{Content, Quarantine, Row, content};
use crate::store::{
    database::Database,
    error::{StoreError, file},
    seal::{Kind, Place, Sealer},
};

impl Quarantine {
    /// Seals everything that opens under the present key; what does not open stays as it is. A copy of a row becomes
    /// the copy of that row as the database has it now, so that each is known by the other.
    pub(in crate::store) fn reseal(&self, sealer: &Sealer, database: &Database) -> Result<(), StoreError> {
        for path in self.files() {
            let Some(Content { session, generation, reason, record }) = content(&path) else { continue };
            let (Ok(key), Ok(record)) = (SessionKey::new(&session), BASE64_STANDARD.decode(record)) else {
                continue;
            };
            let place = Place { kind: Kind::Record, session: &key, generation };
            let Some(plain) = sealer.open(place, &record) else { continue };
            let row = database.record(&session)?;
            let same = row.filter(|row| {
                row.generation == generation && sealer.open(place, &row.sealed).as_ref() == Some(&plain)
            });
            let anew = match same {
                Some(row) => row,
                None => Row { session, generation, sealed: sealer.seal(place, &plain)? },
            };
            let since = fs::symlink_metadata(&path).and_then(|found| found.modified());
            self.write(&anew, &reason, Some(since.map_err(file("look at", &path))?))?;
            if path != self.folder.join(super::name(&anew)) {
                self.remove(&path)?;
            }
        }
        Ok(())
    }
}
