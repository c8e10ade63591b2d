//! A look over the whole store: every record, every slot, the files, the key. What they hold is not changed, and
//! nobody waits for longer than one session's row and slot take to be read. A file that others may read is told, and is
//! closed to them by being opened.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use fourinsight_ipc::{SessionKey, platform};

use super::{
    Parts, Store, StoreError, blocking,
    journal::{known_slots, slot_name},
    key, rekey,
    salvage::with,
    seal::{Kind, Place},
};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The version of the database's schema.
    pub schema_version: u32,
    /// How many records open.
    pub sessions: u64,
    /// What is wrong, a sentence each.
    pub problems: Vec<String>,
}

impl Store {
    /// Looks the store over.
    pub async fn check(&self) -> Result<Checked, StoreError> {
        let parts = Arc::clone(&self.parts);
        blocking(move || check(&parts)).await
    }
}

fn check(parts: &Parts) -> Result<Checked, StoreError> {
    parts.lock.open()?;
    let mut found = Checked::default();
    // First: to open a file that others may read is to close it to them.
    files(parts, &mut found.problems)?;
    let names = {
        let rows = parts.rows.blocking_lock();
        found.schema_version = rows.database.schema_version()?;
        found
            .problems
            .extend(rows.database.damage()?.into_iter().map(|line| format!("SQLite finds damage: {line}")));
        rows.database.names()?
    };
    let mut claimed = BTreeSet::new();
    for name in names {
        let Ok(session) = SessionKey::new(&name) else {
            found.problems.push("There is a record whose session key is malformed.".to_owned());
            continue;
        };
        claimed.insert(slot_name(&session));
        record(parts, &session, &mut found)?;
    }
    for name in known_slots(parts.journal.folder())?.difference(&claimed) {
        slot_without_record(parts, name, &mut found.problems)?;
    }
    the_key(parts, &mut found.problems);
    Ok(found)
}

/// One session's row, against its slot.
fn record(parts: &Parts, session: &SessionKey, found: &mut Checked) -> Result<(), StoreError> {
    let (rows, _salvage) = (parts.rows.blocking_lock(), parts.salvage.blocking_lock());
    // Revoked meanwhile.
    let Some(row) = rows.database.record(session.as_str())? else { return Ok(()) };
    let place = Place { kind: Kind::Record, session, generation: row.generation };
    if parts.sealer.open(place, &row.sealed).is_none() {
        found.problems.push(format!(
            "Session {session}: its record does not open; it is damaged, or sealed under another key."
        ));
        return Ok(());
    }
    found.sessions += 1;
    let (_, problem) = parts.journal.contents(session, rows.database.answer(session)?)?.weigh(row.generation);
    found.problems.extend(problem.map(|problem| format!("Session {session}: {problem}.")));
    Ok(())
}

fn slot_without_record(parts: &Parts, name: &str, problems: &mut Vec<String>) -> Result<(), StoreError> {
    let (rows, _salvage) = (parts.rows.blocking_lock(), parts.salvage.blocking_lock());
    let Some(owner) = parts.journal.owner(name) else {
        // Unless it is gone by now, with its session.
        if parts.journal.folder().join(name).exists() {
            problems.push(format!("The journal slot {name} does not say whose it is."));
        }
        return Ok(());
    };
    if rows.database.record(owner.as_str())?.is_some() {
        return Ok(());
    }
    let contents = parts.journal.contents(&owner, rows.database.answer(&owner)?)?;
    if let Some(what) = contents.without_row() {
        problems.push(format!("Session {owner} has no record, but the journal knows of {what}."));
    }
    Ok(())
}

/// Whose the files are, and who can read them.
fn files(parts: &Parts, problems: &mut Vec<String>) -> Result<(), StoreError> {
    let folder = parts.path.parent().unwrap_or(&parts.path);
    let slots = known_slots(parts.journal.folder())?;
    let slots = slots.iter().map(|name| parts.journal.folder().join(name));
    let others = [
        folder.to_owned(),
        parts.path.clone(),
        with(&parts.path, "-wal"),
        parts.key_path.clone(),
        parts.journal.folder().to_owned(),
    ];
    for path in others.into_iter().chain(slots) {
        problems.extend(exposure(&path));
    }
    Ok(())
}

fn exposure(path: &Path) -> Option<String> {
    match platform::is_only_ours(path) {
        Ok(true) => None,
        Ok(false) => Some(format!(
            "{} is another user's, a link, or open to others; make it this user's and take the others' rights away.",
            path.display()
        )),
        // Slots come and go with their sessions, and the log with what is in it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("{} cannot be looked at: {error}.", path.display())),
    }
}

/// Whether the next start would find the key.
fn the_key(parts: &Parts, problems: &mut Vec<String>) {
    let path = parts.key_path.display();
    if rekey::is_unfinished(&parts.key_path) {
        problems.push(
            "A change of the sealing key is not finished; `fourinsightctl store rekey` takes it up again."
                .to_owned(),
        );
        return;
    }
    let keys = parts.lock.keys();
    let key = keys.needed_at(&parts.key_path, key::LATER);
    match key.and_then(|key| key.map(|key| parts.sealer.seals_under(&key)).transpose()) {
        Ok(Some(true)) => {}
        Ok(Some(false)) => problems.push(format!(
            "The key in {path} is not the one that the running daemon seals with; put the right one back, or run \
             `fourinsightctl store rekey` before the daemon stops."
        )),
        Ok(None) if parts.lock.is_empty() => {}
        Ok(None) => problems.push(format!(
            "The sealing key {path} is gone; put it back, or run `fourinsightctl store backup --passphrase-file` \
             before the daemon stops."
        )),
        Err(error) => problems.push(format!("The sealing key cannot be read: {error}.")),
    }
}
