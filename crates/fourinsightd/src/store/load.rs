//! Opening the store: finds the files, reads everything once, and says what is wrong.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use fourinsight_ipc::{SessionKey, platform::private_folder};
use tokio::sync::Mutex;

use super::{
    Loaded, Opened, Parts, Rows, Store,
    database::{Database, Row},
    error::{StoreError, file},
    journal::{Journal, slot_name, slot_names},
    key::{self, KeyHomes, Keys},
    lock::Lock,
    seal::{Kind, Place, Sealer},
    slot::{Contents, Entry},
};

const DATABASE: &str = "broker.db";
const KEY: &str = "broker.key";
const JOURNAL: &str = "journal";

/// Opens the files. Without its key the store stays shut, and says only which sessions it holds.
pub(super) fn load(state_dir: &Path, homes: KeyHomes) -> Result<Opened, StoreError> {
    private_folder(state_dir).map_err(file("create", state_dir))?;
    let database = Database::open(&state_dir.join(DATABASE))?;
    let names = database.names()?;
    let slots = slot_names(&state_dir.join(JOURNAL))?;
    let anything_sealed = !(names.is_empty() && database.answers()?.is_empty() && slots.is_empty());
    let waiting = names.iter().filter_map(|row| SessionKey::new(&row.session).ok()).collect();

    let keys = Keys::new(state_dir.join(KEY), homes);
    let found = keys.find(anything_sealed, key::AT_START)?;
    let sealer = Arc::new(Sealer::shut());
    let parts = Arc::new(Parts {
        path: database.path().to_owned(),
        journal: Journal::new(state_dir.join(JOURNAL), Arc::clone(&sealer)),
        lock: Lock::new(keys, sealer, anything_sealed, waiting),
        rows: Arc::new(Mutex::new(Rows {
            database,
            unreadable: HashSet::new(),
            leftover_slots: HashSet::new(),
        })),
        salvage: Arc::default(),
        #[cfg(test)]
        full: false.into(),
    });
    let store = Store { parts: Arc::clone(&parts) };
    if parts.lock.learn(found).is_none() {
        return Ok(Opened { store, sessions: Vec::new(), problems: Vec::new() });
    }
    let mut rows = parts.rows.try_lock().expect("nobody else has the store yet");
    read(store, &parts, &mut rows)
}

/// Reads everything, now that the key is there.
pub(super) fn read(store: Store, parts: &Parts, rows: &mut Rows) -> Result<Opened, StoreError> {
    let (records, answers) = (rows.database.records()?, rows.database.answers()?);
    rows.database.forget_pages()?;
    let mut reading = Reading {
        answers: answers.into_iter().map(|row| (row.session.clone(), row)).collect(),
        sealer: parts.lock.sealer(),
        journal: &parts.journal,
        slots: parts.journal.slots()?,
        sessions: Vec::with_capacity(records.len()),
        problems: Vec::new(),
        unreadable: HashSet::new(),
        leftover_slots: HashSet::new(),
    };
    for row in &records {
        reading.record(row)?;
    }
    reading.suspect_the_key(parts.lock.key_path());
    reading.orphans()?;
    let Reading { sessions, problems, unreadable, leftover_slots, .. } = reading;
    (rows.unreadable, rows.leftover_slots) = (unreadable, leftover_slots);
    Ok(Opened { store, sessions, problems })
}

struct Reading<'a> {
    sealer: &'a Sealer,
    journal: &'a Journal,
    /// Slots and oversized answers that no row has claimed yet.
    slots: BTreeSet<String>,
    answers: HashMap<String, Row>,
    sessions: Vec<Loaded>,
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
        let has_slot = self.slots.remove(&slot_name(&key));
        let answer = self.answers.remove(&row.session);
        let generation = row.generation;
        let Some(record) =
            self.sealer.open(Place { kind: Kind::Record, session: &key, generation }, &row.sealed)
        else {
            self.problems.push(format!(
                "session \"{key}\": its record does not open: it is damaged, or sealed under another key; it is \
                 left as it is until a new login replaces it"
            ));
            self.leftover_slots.insert(key.clone());
            self.unreadable.insert(key);
            return Ok(());
        };
        let contents = self.contents(&key, has_slot, answer)?;
        let (slot, problem) = contents.weigh(generation);
        if let Some(problem) = problem {
            self.problems.push(format!("session \"{key}\": {problem}"));
        }
        self.sessions.push(Loaded { key, generation, record, slot });
        Ok(())
    }

    /// What is in the slot, with the answer that was too long for it.
    fn contents(
        &self,
        key: &SessionKey,
        has_slot: bool,
        answer: Option<Row>,
    ) -> Result<Contents, StoreError> {
        let mut contents = if has_slot { self.journal.read(key)? } else { Contents::default() };
        if let Some(row) = answer
            && contents.answer == Entry::Absent
        {
            contents.answer = self.journal.open_oversized(key, row.generation, &row.sealed);
        }
        Ok(contents)
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
        let mut unclaimed = HashSet::new();
        for name in std::mem::take(&mut self.slots) {
            match self.journal.owner(&name) {
                Some(owner) => {
                    unclaimed.insert(owner.clone());
                    owners.insert(owner);
                }
                None => self.problems.push(format!(
                    "{JOURNAL}/{name} belongs to no stored session and cannot be read; it is left as it is"
                )),
            }
        }
        for owner in owners {
            let answer = self.answers.remove(owner.as_str());
            let contents = self.contents(&owner, unclaimed.contains(&owner), answer)?;
            if let Some(what) = contents.without_row() {
                self.problems.push(format!(
                    "session \"{owner}\" has no record, but the journal knows of {what}; it is left as it is \
                     until a new login replaces it"
                ));
            }
            self.leftover_slots.insert(owner);
        }
        Ok(())
    }
}
