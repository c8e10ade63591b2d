//! The rotation journal: one preallocated slot file per session, overwritten in place.
//!
//! A slot exists whole or not at all: it is written aside, synced and renamed, so from then on no step of a
//! rotation needs room on the disk. Each entry has a place of its own, so a write torn by a power cut damages
//! only what was being written:
//!
//! | offset | block 0 | | block 1 | blocks 2 to 7 |
//! |---|---|---|---|---|
//! | | 0: magic, version, session key | 512: settled | 4096: intent | 8192: answer |
//!
//! An answer that is too long for its slot is kept in the database; its entry is empty then, so that its loss shows.
//!
//! An entry is a generation (8 bytes), a length (4 bytes), both big-endian, and that many sealed bytes. A head of
//! zeros is no entry. Wiping overwrites an entry's first block, the nonce included; without it the rest never
//! opens again.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use fourinsight_ipc::{
    SessionKey,
    platform::{private_file, private_folder, sync_folder},
};

use super::{
    database::Row,
    error::{StoreError, file},
    seal::{Kind, OVERHEAD, Place, Sealer},
    slot::{Contents, Entry},
};
use crate::fault;

mod names;
mod reseal;

pub(super) use names::{digest, known_slots, slot_name, slot_names};

const BLOCK: usize = 4096;
const SLOT: usize = 8 * BLOCK;
const SETTLED_AT: usize = 512;
const INTENT_AT: usize = BLOCK;
const ANSWER_AT: usize = 2 * BLOCK;

const MAGIC: [u8; 8] = *b"4insslot";
const VERSION: u16 = 1;
const ENTRY_HEAD: usize = 12;
/// The longest intent.
const INTENT_LIMIT: usize = BLOCK - ENTRY_HEAD - OVERHEAD;
/// The longest answer that fits, sealed.
const ANSWER_LIMIT: usize = SLOT - ANSWER_AT - ENTRY_HEAD;

/// The slots of one store. Every method blocks; none needs a lock, for a session has one writer.
pub(super) struct Journal {
    folder: PathBuf,
    sealer: Arc<Sealer>,
    /// A slot was made or removed, and the disk did not confirm it.
    unsynced: AtomicBool,
}

/// An answer on its way to the disk.
pub(super) enum Salvaged {
    /// In the slot: a process that dies loses it no more, and [`Journal::sync`] keeps it over a power cut.
    Written(File),
    /// Too long for the slot: it is to be kept elsewhere.
    Oversized,
}

impl Journal {
    /// The folder must exist: [`slot_names`] sees to it.
    pub(super) fn new(folder: PathBuf, sealer: Arc<Sealer>) -> Self {
        Self { folder, sealer, unsynced: AtomicBool::new(false) }
    }

    /// Where the slots are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a session's slot holds.
    pub(super) fn read(&self, session: &SessionKey) -> Result<Contents, StoreError> {
        let path = self.path(session);
        match read_slot(&path) {
            Ok(bytes) => Ok(self.parse(session, &bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Contents::default()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Contents::damaged()),
            Err(error) => Err(file("read", &path)(error)),
        }
    }

    /// Whether a session has a slot.
    pub(super) fn has_slot(&self, session: &SessionKey) -> bool {
        self.path(session).exists()
    }

    /// The same with the answer that was too long for the slot, if there is one. Where the slot says that there is, it
    /// must be there.
    pub(super) fn contents(
        &self,
        session: &SessionKey,
        oversized: Option<Row>,
    ) -> Result<Contents, StoreError> {
        let mut contents = self.read(session)?;
        let oversized =
            oversized.map(|row| (row.generation, self.open_oversized(session, row.generation, &row.sealed)));
        contents.answer = match (contents.answer, oversized) {
            (Entry::Sound { generation, body }, oversized) if body.is_empty() => match oversized {
                Some((kept, answer)) if kept == generation => answer,
                _ => Entry::Gone { generation },
            },
            (Entry::Absent, Some((_, answer))) | (answer, _) => answer,
        };
        Ok(contents)
    }

    /// Whose slot a file is, by its own words.
    pub(super) fn owner(&self, name: &str) -> Option<SessionKey> {
        let bytes = read_slot(&self.folder.join(name)).ok()?;
        let length = usize::from(*bytes.get(MAGIC.len() + 2)?);
        let text = bytes.get(MAGIC.len() + 3..)?.get(..length)?;
        let session = SessionKey::new(str::from_utf8(text).ok()?).ok()?;
        (slot_name(&session) == name).then_some(session)
    }

    /// Reserves the slot and announces a request; durable when it returns.
    pub(super) fn intend(
        &self,
        session: &SessionKey,
        generation: u64,
        intent: &[u8],
    ) -> Result<(), StoreError> {
        if intent.len() > INTENT_LIMIT {
            return Err(StoreError::IntentTooLong { limit: INTENT_LIMIT });
        }
        let sealed = self.sealer.seal(Place { kind: Kind::Intent, session, generation }, intent)?;
        self.write(session, |slot| {
            fault::point("reserved");
            // An answer to an earlier try must not pass for an answer to this one.
            write_at(slot, ANSWER_AT, &[0; BLOCK])?;
            write_at(slot, INTENT_AT, &entry(generation, &sealed))?;
            slot.sync_data()
        })
        .map(drop)
    }

    /// Seals an answer, for wherever it is kept.
    pub(super) fn seal_answer(
        &self,
        session: &SessionKey,
        generation: u64,
        raw: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        self.sealer.seal(Place { kind: Kind::Answer, session, generation }, raw)
    }

    /// Seals an answer and writes it into the slot, without waiting for the disk.
    pub(super) fn salvage(
        &self,
        session: &SessionKey,
        generation: u64,
        raw: &[u8],
    ) -> Result<Salvaged, StoreError> {
        if raw.len() + OVERHEAD > ANSWER_LIMIT {
            return Ok(Salvaged::Oversized);
        }
        let sealed = self.seal_answer(session, generation, raw)?;
        let slot = self.write(session, |slot| write_at(slot, ANSWER_AT, &entry(generation, &sealed)))?;
        Ok(Salvaged::Written(slot))
    }

    /// Makes a written answer outlast a power cut.
    pub(super) fn sync(&self, slot: &File, session: &SessionKey) -> Result<(), StoreError> {
        slot.sync_data().map_err(file("sync", &self.path(session)))
    }

    /// Notes that the answer is kept elsewhere, so that its loss shows; durable when it returns. No answer is empty.
    pub(super) fn note_oversized(&self, session: &SessionKey, generation: u64) -> Result<(), StoreError> {
        let note = self.seal_answer(session, generation, &[])?;
        let slot = self.write(session, |slot| write_at(slot, ANSWER_AT, &entry(generation, &note)))?;
        self.sync(&slot, session)
    }

    /// Opens an answer that was kept elsewhere.
    pub(super) fn open_oversized(&self, session: &SessionKey, generation: u64, sealed: &[u8]) -> Entry {
        self.open(Place { kind: Kind::Answer, session, generation }, sealed)
    }

    /// Marks the generation as safe in the database and wipes what led to it.
    pub(super) fn settle(&self, session: &SessionKey, generation: u64) -> Result<(), StoreError> {
        let sealed = self.sealer.seal(Place { kind: Kind::Settled, session, generation }, &[])?;
        self.write(session, |slot| {
            write_at(slot, SETTLED_AT, &entry(generation, &sealed))?;
            write_at(slot, INTENT_AT, &[0; 2 * BLOCK])?;
            slot.sync_data()
        })
        .map(drop)
    }

    /// Removes a session's slot.
    pub(super) fn delete(&self, session: &SessionKey) -> Result<(), StoreError> {
        let path = self.path(session);
        match fs::remove_file(&path) {
            Ok(()) => self.unsynced.store(true, Ordering::Relaxed),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(file("remove", &path)(error)),
        }
        self.sync_folder()
    }

    /// Makes slots that were made and removed outlast a power cut. What an earlier call could not do, this one does.
    fn sync_folder(&self) -> Result<(), StoreError> {
        if self.unsynced.load(Ordering::Relaxed) {
            sync_folder(&self.folder).map_err(file("sync", &self.folder))?;
            self.unsynced.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    fn path(&self, session: &SessionKey) -> PathBuf {
        self.folder.join(slot_name(session))
    }

    fn parse(&self, session: &SessionKey, bytes: &[u8]) -> Contents {
        let header = header(session);
        if !bytes.starts_with(&header) {
            return Contents::damaged();
        }
        let entry = |kind, area: &[u8]| match area.split_first_chunk::<ENTRY_HEAD>() {
            None | Some(([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], _)) => Entry::Absent,
            Some(([g0, g1, g2, g3, g4, g5, g6, g7, length @ ..], rest)) => {
                let generation = u64::from_be_bytes([*g0, *g1, *g2, *g3, *g4, *g5, *g6, *g7]);
                let sealed = rest.get(..u32::from_be_bytes(*length) as usize).unwrap_or_default();
                self.open(Place { kind, session, generation }, sealed)
            }
        };
        Contents {
            settled: entry(Kind::Settled, &bytes[SETTLED_AT..INTENT_AT]),
            intent: entry(Kind::Intent, &bytes[INTENT_AT..ANSWER_AT]),
            answer: entry(Kind::Answer, &bytes[ANSWER_AT..]),
        }
    }

    fn open(&self, place: Place<'_>, sealed: &[u8]) -> Entry {
        match self.sealer.open(place, sealed) {
            Some(body) => Entry::Sound { generation: place.generation, body },
            None => Entry::Damaged,
        }
    }

    /// Opens the slot, makes a new one where there is none of use, and writes to it.
    fn write(
        &self,
        session: &SessionKey,
        entries: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<File, StoreError> {
        let path = self.path(session);
        let mut slot = match open_sound(&path, &header(session)).map_err(file("read", &path))? {
            Some(slot) => slot,
            None => self.reserve(session, &path)?,
        };
        self.sync_folder()?;
        entries(&mut slot).map_err(file("write", &path))?;
        Ok(slot)
    }

    /// Takes all the room a slot will ever need. Real zeros: a hole would reserve nothing.
    fn reserve(&self, session: &SessionKey, path: &Path) -> Result<File, StoreError> {
        let mut image = header(session);
        image.resize(SLOT, 0);
        self.put_whole(path, &image)
    }

    /// Puts a whole slot in its place: it is there as it was before, or as it is now.
    fn put_whole(&self, path: &Path, image: &[u8]) -> Result<File, StoreError> {
        let aside = path.with_extension("new");
        let fill = || {
            // Somebody may have taken the folder away.
            private_folder(&self.folder)?;
            let mut slot = private_file(&aside)?;
            slot.set_len(0)?;
            slot.write_all(image)?;
            slot.sync_all()?;
            fs::rename(&aside, path)?;
            self.unsynced.store(true, Ordering::Relaxed);
            Ok(slot)
        };
        fill().map_err(|error| {
            // Gives the room back; should this fail too, the next start removes it.
            let _ = fs::remove_file(&aside);
            file("reserve", path)(error)
        })
    }
}

fn header(session: &SessionKey) -> Vec<u8> {
    let key = session.as_str().as_bytes();
    let length = u8::try_from(key.len()).expect("a session key has at most 128 bytes");
    let mut header = MAGIC.to_vec();
    header.extend(VERSION.to_be_bytes());
    header.push(length);
    header.extend(key);
    header
}

fn entry(generation: u64, sealed: &[u8]) -> Vec<u8> {
    let length = u32::try_from(sealed.len()).expect("an entry is shorter than a slot");
    let mut entry = Vec::with_capacity(ENTRY_HEAD + sealed.len());
    entry.extend(generation.to_be_bytes());
    entry.extend(length.to_be_bytes());
    entry.extend(sealed);
    entry
}

fn write_at(slot: &mut File, offset: usize, bytes: &[u8]) -> io::Result<()> {
    slot.seek(SeekFrom::Start(offset as u64))?;
    slot.write_all(bytes)
}

/// The slot, if it is there, whole, and the session's own.
fn open_sound(path: &Path, header: &[u8]) -> io::Result<Option<File>> {
    if !path.try_exists()? {
        return Ok(None);
    }
    let mut slot = private_file(path)?;
    let mut start = vec![0; header.len()];
    let is_whole = slot.metadata()?.len() == SLOT as u64 && slot.read_exact(&mut start).is_ok();
    Ok((is_whole && start == header).then_some(slot))
}

/// Reads a slot up to the head of its answer, and the answer only if there is one.
fn read_slot(path: &Path) -> io::Result<Vec<u8>> {
    path.symlink_metadata()?;
    let mut slot = private_file(path)?;
    if slot.metadata()?.len() != SLOT as u64 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = vec![0; ANSWER_AT + ENTRY_HEAD];
    slot.read_exact(&mut bytes)?;
    if bytes[ANSWER_AT..] != [0; ENTRY_HEAD] {
        slot.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
