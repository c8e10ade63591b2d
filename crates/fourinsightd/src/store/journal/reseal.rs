//! Slots under another key: what opens in them is sealed anew, the rest stays as it is.

use std::io::ErrorKind;

use fourinsight_ipc::SessionKey;

use super::{
    ANSWER_AT, ENTRY_HEAD, Entry, INTENT_AT, Journal, Kind, Place, SETTLED_AT, SLOT, StoreError, entry, file,
    header, read_slot,
};

impl Journal {
    /// The same for a slot of this name; one that does not say whose it is stays as it is.
    pub(in crate::store) fn reseal_named(&self, name: &str) -> Result<(), StoreError> {
        self.owner(name).map_or(Ok(()), |owner| self.reseal(&owner))
    }

    /// Seals a session's slot under the present key. The slot is made anew beside the old one and takes its place
    /// whole: an answer in it may be the only one there is.
    pub(in crate::store) fn reseal(&self, session: &SessionKey) -> Result<(), StoreError> {
        let path = self.path(session);
        let mut image = match read_slot(&path) {
            Ok(image) => image,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => {
                return Ok(());
            }
            Err(error) => return Err(file("read", &path)(error)),
        };
        if !image.starts_with(&header(session)) {
            return Ok(());
        }
        let contents = self.parse(session, &image);
        image.resize(SLOT, 0);
        for (kind, at, found) in [
            (Kind::Settled, SETTLED_AT, contents.settled),
            (Kind::Intent, INTENT_AT, contents.intent),
            (Kind::Answer, ANSWER_AT, contents.answer),
        ] {
            let Entry::Sound { generation, body } = found else { continue };
            let sealed = self.sealer.seal(Place { kind, session, generation }, &body)?;
            let bytes = entry(generation, &sealed);
            debug_assert!(bytes.len() <= SLOT - at && bytes.len() > ENTRY_HEAD);
            // Sealed texts of one plain text are of one length.
            image[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        self.put_whole(&path, &image).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, sync::Arc};

    use super::*;
    use crate::store::{
        journal::Salvaged,
        seal::Sealer,
        slot::{Contents, Slot},
    };

    fn read(folder: &Path, key: u8, session: &SessionKey) -> Contents {
        Journal::new(folder.to_owned(), Arc::new(Sealer::new(&[key; 32]))).read(session).unwrap()
    }

    #[test]
    fn every_entry_of_a_slot_moves_to_the_new_key() {
        let folder = tempfile::tempdir().unwrap();
        let sealer = Arc::new(Sealer::new(&[7; 32]));
        let journal = Journal::new(folder.path().to_owned(), Arc::clone(&sealer));
        let session = SessionKey::default();
        journal.settle(&session, 4).unwrap();
        journal.intend(&session, 5, b"intent").unwrap();
        assert!(matches!(journal.salvage(&session, 5, &vec![9; 20_000]).unwrap(), Salvaged::Written(_)));
        sealer.change(&[8; 32]);
        journal.reseal(&session).unwrap();
        let moved = read(folder.path(), 8, &session);
        assert!(matches!(&moved.settled, Entry::Sound { generation: 4, .. }));
        assert!(matches!(&moved.intent, Entry::Sound { body, .. } if **body == *b"intent"));
        let (slot, told) = moved.weigh(4);
        assert!(matches!(slot, Slot::Answer { generation: 5, raw } if *raw == vec![9; 20_000]));
        assert!(told.is_none());
        assert!(read(folder.path(), 7, &session).answer == Entry::Damaged);
    }

    #[test]
    fn what_does_not_open_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let sealer = Arc::new(Sealer::new(&[7; 32]));
        let journal = Journal::new(folder.path().to_owned(), Arc::clone(&sealer));
        let session = SessionKey::default();
        journal.reseal(&session).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no slot is made of none");
        journal.settle(&session, 4).unwrap();
        journal.intend(&session, 5, b"intent").unwrap();
        let path = journal.path(&session);
        let mut bytes = fs::read(&path).unwrap();
        bytes[INTENT_AT + ENTRY_HEAD + 3] ^= 1;
        fs::write(&path, &bytes).unwrap();
        sealer.change(&[8; 32]);
        journal.reseal(&session).unwrap();
        let after = fs::read(&path).unwrap();
        assert_eq!(after[INTENT_AT..], bytes[INTENT_AT..]);
        assert_ne!(after[..INTENT_AT], bytes[..INTENT_AT]);
    }
}
