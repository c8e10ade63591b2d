//! What a journal slot says about its session, weighed against the session's row.

use std::fmt;

use zeroize::Zeroizing;

/// Where a session's last rotation stands.
#[derive(Clone, PartialEq, Eq)]
pub enum Slot {
    /// Nothing is pending: the row is the newest there is.
    Settled,
    /// A request was announced and no answer to it was kept: the server may or may not have acted on it.
    Intent {
        /// The generation that the answer would have made: the row's plus one.
        generation: u64,
        /// What [`intend`](super::Store::intend) was given; empty when the slot is damaged, so that nobody knows
        /// whether a request was sent.
        intent: Vec<u8>,
    },
    /// A raw answer is there that has not made it into the row.
    Answer {
        /// The generation that the answer makes: the row's plus one, or more where the row was rolled back.
        generation: u64,
        /// The raw answer.
        raw: Zeroizing<Vec<u8>>,
    },
    /// The slot knows of a newer row: the one at hand was rolled back. It must not be used in silence, and the
    /// next record of this session takes a generation above this one.
    Ahead {
        /// The generation that the row should have.
        generation: u64,
    },
}

/// Lengths only: an answer holds tokens.
impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settled => f.write_str("Settled"),
            Self::Intent { generation, intent } => {
                write!(f, "Intent {{ generation: {generation}, intent: {} bytes }}", intent.len())
            }
            Self::Answer { generation, raw } => {
                write!(f, "Answer {{ generation: {generation}, raw: {} bytes }}", raw.len())
            }
            Self::Ahead { generation } => write!(f, "Ahead {{ generation: {generation} }}"),
        }
    }
}

/// What stands in a slot.
#[derive(Default)]
pub(super) struct Contents {
    /// The newest generation known to be safe in the database.
    pub(super) settled: Entry,
    /// The last request announced.
    pub(super) intent: Entry,
    /// The last answer kept.
    pub(super) answer: Entry,
}

/// One entry of a slot.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) enum Entry {
    #[default]
    Absent,
    Damaged,
    Sound {
        generation: u64,
        body: Zeroizing<Vec<u8>>,
    },
    /// Kept in the database because it was too long, and not there.
    Gone {
        generation: u64,
    },
}

impl Contents {
    /// A slot of which nothing can be read.
    pub(super) fn damaged() -> Self {
        Self { settled: Entry::Damaged, intent: Entry::Damaged, answer: Entry::Damaged }
    }

    /// What the slot means for a row of this generation, and what a person should hear about it.
    ///
    /// Entries at or below the row's generation are leftovers of a rotation that was stored. Where damage leaves
    /// a doubt, it is resolved towards "a request may have been sent".
    pub(super) fn weigh(self, row: u64) -> (Slot, Option<&'static str>) {
        let announced = self.intent.generation();
        // Nobody announces a rotation from a row that was not there.
        let known = self.settled.generation().max(announced.saturating_sub(1));
        let answered = self.answer.generation();
        if answered > row && answered >= known {
            let rolled_back = known > row || answered > row.saturating_add(1);
            let slot = Slot::Answer { generation: answered, raw: self.answer.into_body() };
            return (slot, rolled_back.then_some(ROLLED_BACK_BUT_ANSWERED));
        }
        if known > row {
            return (Slot::Ahead { generation: known }, Some(ROLLED_BACK));
        }
        let answer_lost = match self.answer {
            Entry::Damaged => Some(ANSWER_DAMAGED),
            Entry::Gone { generation } if generation > row => Some(ANSWER_GONE),
            Entry::Absent | Entry::Sound { .. } | Entry::Gone { .. } => None,
        };
        if announced > row {
            let intent = self.intent.into_body().to_vec();
            return (Slot::Intent { generation: announced, intent }, answer_lost);
        }
        if answer_lost.is_some() || self.intent == Entry::Damaged {
            let slot = Slot::Intent { generation: row.saturating_add(1), intent: Vec::new() };
            return (slot, Some(IN_DOUBT));
        }
        (Slot::Settled, (self.settled == Entry::Damaged).then_some(MEMORY_DAMAGED))
    }

    /// What a slot without a row stands for, told to a person; nothing when it is blank.
    pub(super) fn without_row(&self) -> Option<&'static str> {
        if self.answer.generation() > 0 || matches!(self.answer, Entry::Gone { .. }) {
            Some("an answer of the authorization server that was never stored")
        } else if self.intent.generation() > 0 {
            Some("a request for tokens that was never answered")
        } else if self.settled.generation() > 0 {
            Some("a record that was stored and is gone")
        } else if [&self.answer, &self.intent, &self.settled].contains(&&Entry::Damaged) {
            Some("something that cannot be read")
        } else {
            None
        }
    }
}

impl Entry {
    /// Zero, which no record has, unless the entry is sound.
    fn generation(&self) -> u64 {
        match self {
            Self::Sound { generation, .. } => *generation,
            Self::Absent | Self::Damaged | Self::Gone { .. } => 0,
        }
    }

    fn into_body(self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Sound { body, .. } => body,
            Self::Absent | Self::Damaged | Self::Gone { .. } => Zeroizing::default(),
        }
    }
}

const ROLLED_BACK: &str = "its record in the database is older than the last one stored: the database was rolled \
                           back or restored; sign in again";
const ROLLED_BACK_BUT_ANSWERED: &str = "its record in the database is older than the last one stored; the \
                                        journal holds a newer answer of the authorization server";
const ANSWER_DAMAGED: &str = "the answer to its last refresh is damaged in the journal";
const ANSWER_GONE: &str =
    "the answer to its last refresh was kept in the database, being long, and is gone from there";
const IN_DOUBT: &str =
    "its journal slot is damaged, so a refresh may have been under way; the stored record is used";
const MEMORY_DAMAGED: &str =
    "its journal slot no longer says which record was the last one; the stored one is used";

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(generation: u64) -> Entry {
        Entry::Sound { generation, body: Zeroizing::new(vec![9]) }
    }

    fn weigh(settled: Entry, intent: Entry, answer: Entry) -> (Slot, bool) {
        let (slot, problem) = Contents { settled, intent, answer }.weigh(5);
        (slot, problem.is_some())
    }

    fn intent(generation: u64) -> Slot {
        Slot::Intent { generation, intent: vec![9] }
    }

    fn answer(generation: u64) -> Slot {
        Slot::Answer { generation, raw: Zeroizing::new(vec![9]) }
    }

    const IN_DOUBT: Slot = Slot::Intent { generation: 6, intent: Vec::new() };

    #[test]
    fn a_rotation_is_pending_until_the_row_has_its_generation() {
        use Entry::Absent;
        assert_eq!(weigh(Absent, Absent, Absent), (Slot::Settled, false));
        assert_eq!(weigh(sound(5), Absent, Absent), (Slot::Settled, false));
        assert_eq!(weigh(sound(4), sound(5), sound(5)), (Slot::Settled, false));
        assert_eq!(weigh(sound(5), sound(6), Absent), (intent(6), false));
        assert_eq!(weigh(sound(5), sound(6), sound(5)), (intent(6), false));
        assert_eq!(weigh(sound(5), sound(6), sound(6)), (answer(6), false));
    }

    #[test]
    fn a_row_that_was_rolled_back_shows() {
        use Entry::Absent;
        assert_eq!(weigh(sound(6), Absent, Absent), (Slot::Ahead { generation: 6 }, true));
        assert_eq!(weigh(sound(6), sound(6), Absent), (Slot::Ahead { generation: 6 }, true));
        assert_eq!(weigh(sound(4), sound(8), Absent), (Slot::Ahead { generation: 7 }, true));
        assert_eq!(weigh(sound(8), Absent, sound(7)), (Slot::Ahead { generation: 8 }, true));
    }

    #[test]
    fn the_newest_answer_wins_over_a_row_that_was_rolled_back() {
        assert_eq!(weigh(sound(7), sound(8), sound(8)), (answer(8), true));
        assert_eq!(weigh(sound(6), Entry::Absent, sound(6)), (answer(6), true));
    }

    #[test]
    fn damage_leaves_a_doubt_and_is_told() {
        use Entry::{Absent, Damaged};
        assert_eq!(weigh(Damaged, Damaged, Damaged), (IN_DOUBT, true));
        assert_eq!(weigh(sound(5), Damaged, Absent), (IN_DOUBT, true));
        assert_eq!(weigh(sound(5), Absent, Damaged), (IN_DOUBT, true));
        assert_eq!(weigh(sound(5), sound(6), Damaged), (intent(6), true));
        assert_eq!(weigh(sound(5), Damaged, sound(6)), (answer(6), false));
        assert_eq!(weigh(Damaged, Absent, Absent), (Slot::Settled, true));
        assert_eq!(weigh(sound(6), Damaged, Damaged), (Slot::Ahead { generation: 6 }, true));
    }

    #[test]
    fn a_long_answer_that_is_gone_is_told_until_its_record_is_stored() {
        use Entry::Absent;
        let gone = |generation| Entry::Gone { generation };
        assert_eq!(weigh(sound(5), sound(6), gone(6)), (intent(6), true));
        assert_eq!(weigh(sound(5), Absent, gone(6)), (IN_DOUBT, true));
        assert_eq!(weigh(sound(4), sound(5), gone(5)), (Slot::Settled, false));
        assert_eq!(weigh(sound(5), sound(6), gone(5)), (intent(6), false));
        assert!(Contents { answer: gone(6), ..Contents::default() }.without_row().is_some());
    }

    #[test]
    fn debug_shows_no_byte_of_an_answer() {
        let text = format!("{:?} {:?}", answer(6), intent(6));
        assert_eq!(text, "Answer { generation: 6, raw: 1 bytes } Intent { generation: 6, intent: 1 bytes }");
    }
}
