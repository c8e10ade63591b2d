//! A new key for the whole store, while it serves.
//!
//! In order: the new key is kept beside the old one (`broker.key.next`); from then on everything is sealed under it
//! and opens under either; all rows move in one transaction; then each slot, whole, and what was set aside; then the
//! new key takes the old one's name, and the old one is destroyed: the bytes of its file are overwritten, or it is
//! removed from its keyring. As long as `broker.key.next` is there a start has both keys and goes on where the last run
//! ended: each step may be taken twice.
//!
//! A keyring that cannot be reached at the end does not stop the change. What names the old key in it, and is no secret,
//! stays as `broker.key.old`: the next start, or the next change, removes it then.
//!
//! The store's locks are held for one step at a time, so that an answer never waits for more than one slot.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use fourinsight_ipc::{
    message::KeyHome,
    platform::{private_file, sync_folder},
};

use super::{
    Parts, Store, StoreError, blocking,
    database::Database,
    error::file,
    journal::slot_names,
    key::{self, Keys},
    seal::Sealer,
};

/// What has just been done; between any two a process may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The new key is on the disk.
    Kept,
    /// All rows are sealed under it.
    Rows,
    /// One more slot is.
    Slot,
    /// What was set aside is.
    Aside,
    /// The old key has a second name.
    Linked,
    /// The new key has the name that counts.
    Switched,
    /// The old key is gone.
    Wiped,
}

/// What a change of the key did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// How many records are sealed under the new key.
    pub records: u64,
    /// What of the old one could not be removed yet, for people.
    pub notes: Vec<String>,
}

impl Store {
    /// Seals everything under a new key. Returns how many records that are. After an error the old key still opens
    /// what is not sealed under the new one; the next change, or the next start, takes up where this one ended.
    pub async fn rekey(&self) -> Result<u64, StoreError> {
        Ok(self.rekey_to(None).await?.records)
    }

    /// The same, and the new key lives in this home, or in the old one's when `None`.
    pub async fn rekey_to(&self, home: Option<KeyHome>) -> Result<Rekeyed, StoreError> {
        let turn = Arc::clone(&self.parts.rekeying).lock_owned().await;
        let parts = Arc::clone(&self.parts);
        blocking(move || {
            let _turn = turn;
            change(&parts, home, &mut |_| {})
        })
        .await
    }
}

/// Gives a store that is being opened the key that an earlier run was changing to; false when there is none.
pub(super) fn begun(parts: &Parts) -> Result<bool, StoreError> {
    begun_beside(&parts.sealer, parts.lock.keys(), &parts.key_path)
}

/// The same for a sealer that is no store's yet.
pub(super) fn begun_beside(sealer: &Sealer, keys: &Keys, key_path: &Path) -> Result<bool, StoreError> {
    let names = Names::beside(key_path);
    if let Some(next) = keys.needed_at(&names.next, key::LATER)? {
        sealer.change(&next);
        return Ok(true);
    }
    warn(names.end_old(keys, key::AT_START)?);
    Ok(false)
}

/// Ends what an earlier run began, before anything else uses the store.
pub(super) fn finish(parts: &Parts, database: &mut Database) -> Result<(), StoreError> {
    database.reseal(&parts.sealer)?;
    for name in slot_names(parts.journal.folder())? {
        parts.journal.reseal_named(&name)?;
    }
    parts.quarantine.reseal(&parts.sealer, database)?;
    warn(Names::beside(&parts.key_path).switch(parts.lock.keys(), key::AT_START, &mut |_| {})?);
    parts.sealer.forget_former();
    parts.lock.moved();
    Ok(())
}

/// Whether a change of the key has begun and not ended.
pub(super) fn is_unfinished(key_path: &Path) -> bool {
    Names::beside(key_path).next.exists()
}

pub(super) fn change(
    parts: &Parts,
    home: Option<KeyHome>,
    done: &mut dyn FnMut(Step),
) -> Result<Rekeyed, StoreError> {
    parts.lock.ready()?;
    let (names, keys) = (Names::beside(&parts.key_path), parts.lock.keys());
    // One that could not be finished before is finished now.
    let next = match keys.needed_at(&names.next, key::LATER)? {
        Some(next) => next,
        None => keys.create(&names.next, home.unwrap_or(keys.home()?), key::LATER)?,
    };
    done(Step::Kept);
    if !parts.sealer.seals_under(&next)? {
        parts.sealer.change(&next);
    }
    let records = parts.rows.blocking_lock().database.reseal(&parts.sealer)?;
    done(Step::Rows);
    let slots = {
        let (_rows, _salvage) = (parts.rows.blocking_lock(), parts.salvage.blocking_lock());
        slot_names(parts.journal.folder())?
    };
    for slot in slots {
        {
            let (_rows, _salvage) = (parts.rows.blocking_lock(), parts.salvage.blocking_lock());
            parts.journal.reseal_named(&slot)?;
        }
        done(Step::Slot);
    }
    parts.quarantine.reseal(&parts.sealer, &parts.rows.blocking_lock().database)?;
    done(Step::Aside);
    let notes = names.switch(keys, key::LATER, done)?;
    parts.sealer.forget_former();
    parts.lock.moved();
    tracing::info!(records, "the store is sealed under a new key");
    warn(notes.iter());
    Ok(Rekeyed { records, notes })
}

fn warn(notes: impl IntoIterator<Item = impl AsRef<str>>) {
    for note in notes {
        tracing::warn!("{}", note.as_ref());
    }
}

/// What the files of the keys are called.
struct Names {
    key: PathBuf,
    next: PathBuf,
    old: PathBuf,
}

impl Names {
    fn beside(key_path: &Path) -> Self {
        let named = |ending: &str| key_path.with_extension(format!("key.{ending}"));
        Self { key: key_path.to_owned(), next: key::next(key_path), old: named("old") }
    }

    /// The name that counts stands for one key or the other at every moment. Returns what is left of keys before.
    fn switch(
        &self,
        keys: &Keys,
        limit: Duration,
        done: &mut dyn FnMut(Step),
    ) -> Result<Vec<String>, StoreError> {
        let mut left = Vec::new();
        if let Some(note) = self.end_old(keys, limit)? {
            // Its place is needed for a later one: nothing will ask for it again.
            self.remove_old()?;
            left.push(format!(
                "{note}; remove it by hand, as one whose attribute `service` is `fourinsightd`"
            ));
        }
        fs::hard_link(&self.key, &self.old).map_err(file("create", &self.old))?;
        self.sync()?;
        done(Step::Linked);
        fs::rename(&self.next, &self.key).map_err(file("replace", &self.key))?;
        self.sync()?;
        done(Step::Switched);
        if let Some(note) = self.end_old(keys, limit)? {
            left.push(format!("{note}; it is removed when the daemon starts next and the keyring is open"));
        }
        done(Step::Wiped);
        Ok(left)
    }

    /// Destroys the key before, unless its file is the one in use under a second name. Says what is left of it when its
    /// keyring cannot be reached; the file, which is no key then, stays.
    fn end_old(&self, keys: &Keys, limit: Duration) -> Result<Option<String>, StoreError> {
        let old = match fs::read(&self.old) {
            Ok(old) => zeroize::Zeroizing::new(old),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file("read", &self.old)(error)),
        };
        let in_use = fs::read(&self.key).map(zeroize::Zeroizing::new).map_err(file("read", &self.key))?;
        if *old != *in_use {
            if let Err(why) = keys.forget(&old, limit) {
                return Ok(Some(format!(
                    "the key before, which opens nothing any more, is still kept: {why}"
                )));
            }
            private_file(&self.old)
                .and_then(|mut bytes| bytes.write_all(&vec![0; old.len()]).and_then(|()| bytes.sync_all()))
                .map_err(file("overwrite", &self.old))?;
        }
        self.remove_old()?;
        Ok(None)
    }

    fn remove_old(&self) -> Result<(), StoreError> {
        fs::remove_file(&self.old).map_err(file("remove", &self.old))?;
        self.sync()
    }

    fn sync(&self) -> Result<(), StoreError> {
        let folder = self.key.parent().unwrap_or(&self.key);
        sync_folder(folder).map_err(file("sync", folder))
    }
}
