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
    key, rekey,
    roots::Roots,
    seal::{Kind, Place, Sealer},
    slot::{Contents, Entry},
};

const DATABASE: &str = "broker.db";
const KEY: &str = "broker.key";
const JOURNAL: &str = "journal";

pub(super) fn load(state_dir: &Path) -> Result<Opened, StoreError> {
    private_folder(state_dir).map_err(file("create", state_dir))?;
    let mut database = Database::open(&state_dir.join(DATABASE))?;
    let (mut records, mut answers) = (database.records()?, database.answers()?);
    database.forget_pages()?;
    let journal = state_dir.join(JOURNAL);
    let slots = slot_names(&journal)?;

    let key_path = state_dir.join(KEY);
    let anything_sealed = !(records.is_empty() && answers.is_empty() && slots.is_empty());
    let sealer = Arc::new(Sealer::new(&*key::load_or_create(&key_path, anything_sealed)?));
    let journal = Journal::new(journal, Arc::clone(&sealer));
    let mut problems = Vec::new();
    match rekey::begun(&sealer, &key_path) {
        Ok(false) => {}
        Ok(true) => {
            // What could not be moved yet opens under the key before.
            let finished = rekey::finish(&mut database, &journal, &sealer, &key_path);
            problems.extend(finished.err().map(unfinished));
            (records, answers) = (database.records()?, database.answers()?);
        }
        Err(error) => problems.push(unfinished(error)),
    }

    let mut reading = Reading {
        answers: answers.into_iter().map(|row| (row.session.clone(), row)).collect(),
        sealer: &sealer,
        journal: &journal,
        slots,
        sessions: Vec::with_capacity(records.len()),
        problems,
        unreadable: HashSet::new(),
        leftover_slots: HashSet::new(),
    };
    for row in &records {
        reading.record(row)?;
    }
    reading.suspect_the_key(&key_path);
    reading.orphans()?;
    let Reading { sessions, problems, unreadable, leftover_slots, .. } = reading;

    let parts = Parts {
        path: database.path().to_owned(),
        roots: Roots::of(database.path()),
        key_home: format!("file {}", key_path.display()),
        sealer,
        journal,
        rows: Arc::new(Mutex::new(Rows { database, unreadable, leftover_slots })),
        salvage: Arc::default(),
        key_path,
        rekeying: Arc::default(),
        #[cfg(test)]
        full: false.into(),
    };
    Ok(Opened { store: Store { parts: Arc::new(parts) }, sessions, problems })
}

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
