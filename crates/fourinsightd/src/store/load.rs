//! Opening the store: finds the files, reads everything once, and says what is wrong.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use fourinsight_ipc::{SessionKey, platform::private_folder};
use tokio::sync::Mutex;

use super::{
    Damaged, Loaded, Opened, Parts, Rows, Store,
    database::{Database, Row},
    error::{StoreError, file},
    journal::{Journal, slot_name, slot_names},
    key::{self, KeyHomes, Keys},
    lock::Lock,
    quarantine::Quarantine,
    rekey,
    roots::Roots,
    salvage,
    seal::{Kind, Place, Sealer},
};

const DATABASE: &str = "broker.db";
const KEY: &str = "broker.key";
const JOURNAL: &str = "journal";
const QUARANTINE: &str = "quarantine";

/// Opens the files. Without its key the store stays shut, and says only which sessions it holds.
pub(super) fn load(state_dir: &Path, homes: KeyHomes) -> Result<Opened, StoreError> {
    private_folder(state_dir).map_err(file("create", state_dir))?;
    let (key_path, journal) = (state_dir.join(KEY), state_dir.join(JOURNAL));
    let keys = Keys::new(key_path.clone(), homes);
    let mut problems = Vec::new();
    let database = open(&state_dir.join(DATABASE), &keys, &journal, &mut problems)?;
    let names = database.names()?;
    let slots = slot_names(&journal)?;
    let anything_sealed = !(names.is_empty() && database.answers()?.is_empty() && slots.is_empty());

    let found = keys.find(anything_sealed, key::AT_START)?;
    let sealer = Arc::new(Sealer::shut());
    let parts = Arc::new(Parts {
        path: database.path().to_owned(),
        roots: Roots::of(database.path()),
        journal: Journal::new(journal, Arc::clone(&sealer)),
        quarantine: Quarantine::new(state_dir.join(QUARANTINE)),
        lock: Lock::new(keys, Arc::clone(&sealer), anything_sealed),
        sealer,
        rows: Arc::new(Mutex::new(Rows {
            database,
            unreadable: HashSet::new(),
            leftover_slots: HashSet::new(),
        })),
        salvage: Arc::default(),
        key_path,
        rekeying: Arc::default(),
        #[cfg(test)]
        full: false.into(),
    });
    let store = Store { parts: Arc::clone(&parts) };
    if parts.lock.learn(found).is_none() {
        let waiting = names.iter().filter_map(|name| SessionKey::new(name).ok()).collect();
        return Ok(Opened { store, sessions: Vec::new(), damaged: Vec::new(), sealed: waiting, problems });
    }
    let mut rows = parts.rows.try_lock().expect("nobody else has the store yet");
    let mut opened = read(store, &parts, &mut rows)?;
    problems.append(&mut opened.problems);
    Ok(Opened { problems, ..opened })
}

/// Reads everything, now that the key is there.
pub(super) fn read(store: Store, parts: &Parts, rows: &mut Rows) -> Result<Opened, StoreError> {
    let (sealer, journal) = (&*parts.sealer, &parts.journal);
    let mut problems = Vec::new();
    match rekey::begun(parts) {
        Ok(false) => {}
        Ok(true) => {
            // What could not be moved yet opens under the key before.
            let finished = rekey::finish(parts, &mut rows.database);
            problems.extend(finished.err().map(unfinished));
        }
        Err(error) => problems.push(unfinished(error)),
    }
    let (records, answers) = (rows.database.records()?, rows.database.answers()?);
    rows.database.forget_pages()?;
    let mut reading = Reading {
        answers: answers.into_iter().map(|row| (row.session.clone(), row)).collect(),
        sealer,
        journal,
        slots: slot_names(journal.folder())?,
        quarantine: &parts.quarantine,
        sessions: Vec::with_capacity(records.len()),
        damaged: Vec::new(),
        problems,
        unreadable: HashSet::new(),
        leftover_slots: HashSet::new(),
    };
    for row in &records {
        reading.record(row)?;
    }
    reading.suspect_the_key(&parts.key_path);
    reading.orphans()?;
    let Reading { sessions, damaged, problems, unreadable, leftover_slots, .. } = reading;
    (rows.unreadable, rows.leftover_slots) = (unreadable, leftover_slots);
    Ok(Opened { store, sessions, damaged, sealed: Vec::new(), problems })
}

/// Opens the database. A damaged one is kept aside, and a new one made of what can be read of it.
fn open(
    path: &Path,
    keys: &Keys,
    journal: &Path,
    problems: &mut Vec<String>,
) -> Result<Database, StoreError> {
    let mut tell = |what: &str, kept_as: &Path, and: &str| {
        problems.push(format!(
            "the store was damaged ({what}) and is kept as {}; {and}; check the disk",
            kept_as.display()
        ));
    };
    if let Some(kept_as) = salvage::finish(path)? {
        tell("as an earlier start found", &kept_as, "what could be read of it was taken over");
    }
    match Database::open(path) {
        Err(StoreError::Damaged { what, .. }) => {
            let slots = slot_names(journal)?;
            let sealer = Sealer::new(&*keys.needed(true, key::LATER)?);
            // In the middle of a change of the key, either opens what is sealed.
            rekey::begun_beside(&sealer, keys, &path.with_file_name(KEY))?;
            let has_slot = |session: &SessionKey| slots.contains(&slot_name(session));
            let rebuilt = salvage::rebuild(path, &sealer, has_slot)?;
            let and = format!("{} sessions were read from it and taken over", rebuilt.records);
            tell(&what, &rebuilt.kept_as, &and);
            Database::open(path)
        }
        opened => opened,
    }
}

pub(super) const DOES_NOT_OPEN: &str = "its record does not open: it is damaged, or sealed under another key; a copy is kept, and \
                             the record itself stays as it is until a new login replaces it";

#[expect(clippy::needless_pass_by_value, reason = "it ends here")]
fn unfinished(error: StoreError) -> String {
    format!("a change of the sealing key is not finished, and is taken up at the next start: {error}")
}

struct Reading<'a> {
    sealer: &'a Sealer,
    journal: &'a Journal,
    /// Slots and oversized answers that no row has claimed yet.
    slots: BTreeSet<String>,
    answers: HashMap<String, Row>,
    quarantine: &'a Quarantine,
    sessions: Vec<Loaded>,
    damaged: Vec<Damaged>,
    problems: Vec<String>,
    unreadable: HashSet<SessionKey>,
    leftover_slots: HashSet<SessionKey>,
}

impl Reading<'_> {
    fn record(&mut self, row: &Row) -> Result<(), StoreError> {
        let Ok(key) = SessionKey::new(&row.session) else {
            self.problems.push("a record whose session key is malformed is left as it is".to_owned());
            return Ok(());
        };
        self.slots.remove(&slot_name(&key));
        let answer = self.answers.remove(&row.session);
        let generation = row.generation;
        let Some(record) =
            self.sealer.open(Place { kind: Kind::Record, session: &key, generation }, &row.sealed)
        else {
            self.problems.push(format!("session \"{key}\": {DOES_NOT_OPEN}"));
            if let Err(error) = self.quarantine.keep(row, DOES_NOT_OPEN) {
                self.problems
                    .push(format!("session \"{key}\": its damaged record cannot be copied: {error}"));
            }
            self.damaged.push(Damaged { key: key.clone(), reason: DOES_NOT_OPEN.to_owned() });
            self.leftover_slots.insert(key.clone());
            self.unreadable.insert(key);
            return Ok(());
        };
        self.quarantine.release(row)?;
        let contents = self.journal.contents(&key, answer)?;
        let (slot, problem) = contents.weigh(generation);
        if let Some(problem) = problem {
            self.problems.push(format!("session \"{key}\": {problem}"));
        }
        self.sessions.push(Loaded { key, generation, record, slot });
        Ok(())
    }

    fn suspect_the_key(&mut self, key_path: &Path) {
        if self.sessions.is_empty() && !self.unreadable.is_empty() {
            let path = key_path.display();
            self.problems.push(format!("no record opens: {path} is probably not the key that sealed them"));
        }
    }

    /// Slots and answers without a row: named and kept.
    fn orphans(&mut self) -> Result<(), StoreError> {
        let mut owners: BTreeSet<SessionKey> =
            self.answers.keys().filter_map(|key| SessionKey::new(key).ok()).collect();
        for name in std::mem::take(&mut self.slots) {
            match self.journal.owner(&name) {
                Some(owner) => drop(owners.insert(owner)),
                None => self.problems.push(format!(
                    "{JOURNAL}/{name} belongs to no stored session and cannot be read; it is left as it is"
                )),
            }
        }
        for owner in owners {
            let answer = self.answers.remove(owner.as_str());
            let contents = self.journal.contents(&owner, answer)?;
            if let Some(what) = contents.without_row() {
                let reason = format!("the store has no record of it, but the journal knows of {what}");
                self.problems.push(format!(
                    "session \"{owner}\": {reason}; it is left as it is until a new login replaces it"
                ));
                self.damaged.push(Damaged { key: owner.clone(), reason });
            }
            self.leftover_slots.insert(owner);
        }
        Ok(())
    }
}
