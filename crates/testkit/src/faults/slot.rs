//! What a journal slot says, read from outside: which steps of a rotation had reached the disk when the daemon died.

use std::{fs, path::Path};

use anyhow::Result;
use fourinsight_ipc::SessionKey;
use ring::digest;
use rusqlite::{Connection, OptionalExtension as _};

/// Where the entries stand in a slot, and how long one is.
const SETTLED_AT: usize = 512;
const INTENT_AT: usize = 4096;
const ANSWER_AT: usize = 8192;
const SLOT: usize = 32 * 1024;

/// The generations of a slot's entries; zero where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// The newest that was safe in the database.
    pub(super) settled: u64,
    /// The one that was announced.
    pub(super) intent: u64,
    /// The one whose answer was kept.
    pub(super) answer: u64,
}

impl Slot {
    /// Reads the slot of a session; a session without one has an empty slot.
    pub(super) fn read(state_dir: &Path, session: &SessionKey) -> Self {
        let name = digest::digest(&digest::SHA256, session.as_str().as_bytes());
        let nibble = |bits: u8| char::from(b"0123456789abcdef"[usize::from(bits & 15)]);
        let name: String = name.as_ref().iter().flat_map(|byte| [nibble(byte >> 4), nibble(*byte)]).collect();
        fs::read(state_dir.join("journal").join(name))
            .map_or_else(|_| Self::default(), |bytes| Self::of(&bytes))
    }

    /// The same, with the answer that the database keeps because it is too long for a slot. No daemon may run.
    pub(super) fn read_with_database(state_dir: &Path, session: &SessionKey) -> Result<Self> {
        let slot = Self::read(state_dir, session);
        // In a copy: to open a database is to recover and to shorten its log, which is for the next daemon to do.
        let copy = tempfile::tempdir()?;
        for name in ["broker.db", "broker.db-wal"] {
            let file = state_dir.join(name);
            if file.exists() {
                fs::copy(&file, copy.path().join(name))?;
            }
        }
        let sql = "SELECT generation FROM oversized_answer WHERE session_key = ?1";
        let kept: Option<i64> = Connection::open(copy.path().join("broker.db"))?
            .query_row(sql, [session.as_str()], |row| row.get(0))
            .optional()?;
        Ok(Self { answer: kept.map(u64::try_from).transpose()?.unwrap_or(slot.answer), ..slot })
    }

    fn of(bytes: &[u8]) -> Self {
        let generation = |at: usize| {
            let head = bytes.get(at..at + 8).filter(|_| bytes.len() == SLOT)?;
            Some(u64::from_be_bytes(*head.first_chunk()?))
        };
        let generation = |at| generation(at).unwrap_or_default();
        Self { settled: generation(SETTLED_AT), intent: generation(INTENT_AT), answer: generation(ANSWER_AT) }
    }

    /// Whether a request had been announced and no answer to it was kept.
    pub(super) fn is_unanswered(self) -> bool {
        self.intent > 0 && self.answer != self.intent
    }

    /// Whether an answer was kept that is not settled.
    pub(super) fn is_answered(self) -> bool {
        self.intent > 0 && self.answer == self.intent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_apart() {
        let mut bytes = vec![0; SLOT];
        bytes[SETTLED_AT + 7] = 4;
        assert_eq!(Slot::of(&bytes), Slot { settled: 4, ..Slot::default() });
        bytes[INTENT_AT + 7] = 5;
        assert!(Slot::of(&bytes).is_unanswered() && !Slot::of(&bytes).is_answered());
        bytes[ANSWER_AT + 7] = 5;
        assert!(Slot::of(&bytes).is_answered() && !Slot::of(&bytes).is_unanswered());
        assert_eq!(Slot::of(&bytes[..SLOT - 1]), Slot::default());
    }

    #[test]
    fn a_session_without_a_slot_has_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Slot::read(folder.path(), &SessionKey::default()), Slot::default());
    }
}
