//! A slot's file, byte by byte.

use super::*;

fn journal(folder: &Path) -> Journal {
    Journal::new(folder.to_owned(), Arc::new(Sealer::new(&[7; 32])))
}

/// A slot in the middle of the rotation from generation 4 to 5, settled at 4.
fn mid_rotation(folder: &Path) -> (Journal, SessionKey, Vec<u8>) {
    let (journal, session) = (journal(folder), SessionKey::default());
    journal.settle(&session, 4).unwrap();
    journal.intend(&session, 5, b"intent").unwrap();
    assert!(matches!(journal.salvage(&session, 5, b"answer").unwrap(), Salvaged::Written(_)));
    let bytes = fs::read(journal.path(&session)).unwrap();
    assert_eq!(bytes.len(), SLOT);
    (journal, session, bytes)
}

#[test]
fn no_flipped_byte_makes_a_slot_say_something_else_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, session, sound) = mid_rotation(folder.path());
    let (right, told) = journal.read(&session).unwrap().weigh(4);
    assert!(matches!(right, crate::store::Slot::Answer { generation: 5, .. }) && told.is_none());
    let mut bytes = sound.clone();
    for at in 0..sound.len() {
        bytes[at] ^= 0x10;
        let contents = journal.parse(&session, &bytes);
        let settled_damaged = contents.settled == Entry::Damaged;
        let (slot, told) = contents.weigh(4);
        // While the answer opens, damage to the entries that led to it changes nothing.
        assert!(slot == right || told.is_some(), "byte {at}: {slot:?}");
        let in_settled = (SETTLED_AT..SETTLED_AT + ENTRY_HEAD + OVERHEAD).contains(&at);
        assert!(!in_settled || settled_damaged, "byte {at}");
        bytes[at] ^= 0x10;
    }
}

#[test]
fn a_slot_cut_short_is_in_doubt_and_the_next_rotation_makes_it_anew() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (journal, session, sound) = mid_rotation(folder.path());
    let path = journal.path(&session);
    assert_eq!(sound.len(), SLOT);
    let slot = File::options().write(true).open(&path).unwrap();
    for length in (0..SLOT).rev() {
        slot.set_len(length as u64).unwrap();
        let (slot, told) = journal.read(&session).unwrap().weigh(4);
        assert!(matches!(slot, crate::store::Slot::Intent { generation: 5, intent } if intent.is_empty()));
        assert!(told.is_some(), "length {length}");
    }
    journal.intend(&session, 5, b"anew").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), SLOT as u64);
    let (slot, told) = journal.read(&session).unwrap().weigh(4);
    assert!(matches!(slot, crate::store::Slot::Intent { intent, .. } if intent == b"anew"));
    assert!(told.is_none());
}

#[test]
fn settling_wipes_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, session, before) = mid_rotation(folder.path());
    journal.settle(&session, 5).unwrap();
    let after = fs::read(journal.path(&session)).unwrap();
    assert!(before[ANSWER_AT..].iter().any(|byte| *byte != 0));
    assert!(after[INTENT_AT..].iter().all(|byte| *byte == 0));
    assert_eq!(journal.read(&session).unwrap().weigh(5), (crate::store::Slot::Settled, None));
}

#[test]
fn a_slot_names_its_owner_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, session, bytes) = mid_rotation(folder.path());
    assert_eq!(journal.owner(&slot_name(&session)), Some(session));
    let other = slot_name(&SessionKey::new("other").unwrap());
    fs::write(folder.path().join(&other), bytes).unwrap();
    assert_eq!(journal.owner(&other), None);
    assert_eq!(slot_names(folder.path()).unwrap().len(), 2);
}

#[test]
fn a_rotation_takes_no_more_room_than_was_reserved() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, session, _) = mid_rotation(folder.path());
    let longest = vec![b'x'; ANSWER_LIMIT - OVERHEAD];
    assert!(matches!(journal.salvage(&session, 5, &longest).unwrap(), Salvaged::Written(_)));
    assert_eq!(fs::metadata(journal.path(&session)).unwrap().len(), SLOT as u64);
    let Entry::Sound { body, .. } = journal.read(&session).unwrap().answer else { panic!("not sound") };
    assert_eq!(*body, longest);
    let longer = vec![b'x'; ANSWER_LIMIT - OVERHEAD + 1];
    assert!(matches!(journal.salvage(&session, 5, &longer).unwrap(), Salvaged::Oversized));
}
