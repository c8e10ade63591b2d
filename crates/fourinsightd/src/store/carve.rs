//! Finding rows in a damaged database without SQLite, which gives up at the first page that it cannot follow.
//!
//! Both tables have rows of one form: a text (the session key), an integer (the generation) and a blob (sealed). So
//! every place of every page is tried as the beginning of such a row (SQLite's file format, section 2). Whatever is
//! found wrongly does not open when it is unsealed, so nothing is guessed here that matters.

use std::collections::{HashMap, HashSet};

use fourinsight_ipc::SessionKey;

use super::seal::OVERHEAD;

const PAGE: usize = 4096;
/// The log begins with a header, and each of its pages with another.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The header of a database file stands before the first page's own.
const FILE_HEADER: usize = 100;
/// What marks a page of rows.
const LEAF: u8 = 0x0d;
/// The most of a row that stays on its page, and the least that does if the rest goes to overflow pages.
const MOST_LOCAL: usize = PAGE - 35;
const LEAST_LOCAL: usize = (PAGE - 12) * 32 / 255 - 23;
/// What an overflow page holds after the number of the next one.
const OVERFLOW: usize = PAGE - 4;
/// Longer than any record: what claims to be longer is no row.
const MOST_SEALED: usize = 64 << 20;

/// What looks like a row.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) session: SessionKey,
    pub(super) generation: u64,
    pub(super) sealed: Vec<u8>,
    /// Its page still names it as a row: it is not what an earlier row left behind.
    pub(super) live: bool,
    /// Zero in the database proper, else its place in the log: a later one is newer.
    pub(super) logged: usize,
}

/// Everything that looks like a row in a database file and its log.
pub(super) fn carve(database: &[u8], log: &[u8]) -> Vec<Candidate> {
    let pages: HashMap<u32, &[u8]> = (1..).zip(database.chunks(PAGE)).collect();
    let mut candidates = Vec::new();
    for (number, page) in &pages {
        search(page, *number == 1, 0, &pages, &mut candidates);
    }
    let mut newest = pages;
    let frames = log.get(LOG_HEADER..).unwrap_or_default().chunks(FRAME_HEADER + PAGE);
    let frames: Vec<_> = frames.filter_map(|frame| frame.split_first_chunk::<FRAME_HEADER>()).collect();
    for ([a, b, c, d, ..], page) in &frames {
        newest.insert(u32::from_be_bytes([*a, *b, *c, *d]), page);
    }
    for (at, (head, page)) in frames.iter().enumerate() {
        search(page, head.starts_with(&[0, 0, 0, 1]), at + 1, &newest, &mut candidates);
    }
    candidates
}

fn search(
    page: &[u8],
    is_first: bool,
    logged: usize,
    pages: &HashMap<u32, &[u8]>,
    candidates: &mut Vec<Candidate>,
) {
    let named = named_rows(page, if is_first { FILE_HEADER } else { 0 });
    for at in 0..page.len() {
        if let Some(mut found) = row(page, at, pages) {
            (found.live, found.logged) = (named.contains(&at), logged);
            candidates.push(found);
        }
    }
}

/// Where the rows begin that a page names as its own.
fn named_rows(page: &[u8], header: usize) -> HashSet<usize> {
    let number =
        |at: usize| page.get(at..)?.first_chunk().map(|bytes| usize::from(u16::from_be_bytes(*bytes)));
    if page.get(header) != Some(&LEAF) {
        return HashSet::new();
    }
    let count = number(header + 3).unwrap_or(0).min(PAGE / 2);
    let cells = (0..count).filter_map(|cell| number(header + 8 + 2 * cell));
    // Before the row stand its length and its number.
    cells.filter_map(|cell| varint(page, varint(page, cell)?.1)).map(|(_, at)| at).collect()
}

/// The row that begins here, if one does.
fn row(page: &[u8], at: usize, pages: &HashMap<u32, &[u8]>) -> Option<Candidate> {
    let header_length = usize::from(*page.get(at)?);
    if !(4..=9).contains(&header_length) {
        return None;
    }
    let (text, next) = varint(page, at + 1)?;
    let (integer, next) = varint(page, next)?;
    let (blob, next) = varint(page, next)?;
    let text = text.checked_sub(13).filter(|text| text % 2 == 0)? / 2;
    let blob = blob.checked_sub(12).filter(|blob| blob % 2 == 0)? / 2;
    let integer_length = match integer {
        1..=4 => integer,
        5 => 6,
        6 => 8,
        8 | 9 => 0,
        _ => return None,
    };
    let is_plausible =
        next == at + header_length && (1..=128).contains(&text) && (OVERHEAD..=MOST_SEALED).contains(&blob);
    if !is_plausible {
        return None;
    }
    let payload = payload(page, at, header_length + text + integer_length + blob, pages)?;
    let (text, rest) = payload.get(header_length..)?.split_at_checked(text)?;
    let (number, sealed) = rest.split_at_checked(integer_length)?;
    let generation = match integer {
        8 => 0,
        9 => 1,
        _ if number.first()? & 0x80 != 0 => return None,
        _ => number.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
    };
    let session = SessionKey::new(str::from_utf8(text).ok()?).ok()?;
    Some(Candidate { session, generation, sealed: sealed.to_vec(), live: false, logged: 0 })
}

/// All of a row, with what of it stands on overflow pages.
fn payload(page: &[u8], at: usize, length: usize, pages: &HashMap<u32, &[u8]>) -> Option<Vec<u8>> {
    if length <= MOST_LOCAL {
        return page.get(at..at + length).map(<[u8]>::to_vec);
    }
    let local = match LEAST_LOCAL + (length - LEAST_LOCAL) % OVERFLOW {
        fits if fits <= MOST_LOCAL => fits,
        _ => LEAST_LOCAL,
    };
    let mut payload = page.get(at..at + local)?.to_vec();
    let mut next = page.get(at + local..)?.first_chunk::<4>()?;
    while payload.len() < length {
        let (after, content) = pages.get(&u32::from_be_bytes(*next))?.split_first_chunk::<4>()?;
        payload.extend_from_slice(content.get(..content.len().min(length - payload.len()))?);
        if content.is_empty() {
            return None;
        }
        next = after;
    }
    Some(payload)
}

/// A number of SQLite's variable length, and where it ends; none here is longer than five bytes.
fn varint(page: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut value = 0;
    for (next, byte) in (at + 1..).zip(page.get(at..)?.iter().take(5)) {
        value = value << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, next));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use rusqlite::{Connection, params};

    use super::*;

    const LENGTHS: [usize; 9] = [OVERHEAD, 100, 4000, 4030, 4060, 4100, 16 << 10, 64 << 10, 300 << 10];

    /// A database with a row of each length, checkpointed or with all of them in the log only.
    fn database(folder: &Path, logged: bool) -> (Vec<u8>, Vec<u8>) {
        let path = folder.join("x.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE session (k TEXT PRIMARY KEY, g INTEGER, r BLOB) STRICT; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        for (at, length) in LENGTHS.into_iter().enumerate() {
            let (name, generation) = (format!("session {length}"), 1_i64 << (at * 6));
            let row = params![name, generation, vec![at as u8; length]];
            connection.execute("INSERT INTO session VALUES (?1, ?2, ?3)", row).unwrap();
        }
        if !logged {
            connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        }
        (fs::read(&path).unwrap(), fs::read(folder.join("x.db-wal")).unwrap())
    }

    fn found(candidates: &[Candidate], at: usize) -> bool {
        let name = format!("session {}", LENGTHS[at]);
        candidates.iter().any(|it| {
            it.live
                && (it.session.as_str(), it.generation, &it.sealed)
                    == (name.as_str(), 1 << (at * 6), &vec![at as u8; LENGTHS[at]])
        })
    }

    #[test]
    fn rows_of_every_length_are_found_in_the_database_and_in_the_log() {
        for logged in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let (database, log) = database(folder.path(), logged);
            assert_eq!(logged, !log.is_empty());
            let candidates = carve(&database, &log);
            let lost: Vec<_> = (0..LENGTHS.len()).filter(|at| !found(&candidates, *at)).collect();
            assert!(lost.is_empty(), "{lost:?} {logged}");
        }
    }

    #[test]
    fn a_page_that_is_lost_takes_only_its_own_rows_along() {
        let folder = tempfile::tempdir().unwrap();
        let (sound, _) = database(folder.path(), false);
        for page in 0..sound.len() / PAGE {
            let mut damaged = sound.clone();
            damaged[page * PAGE..(page + 1) * PAGE].fill(0xa5);
            let candidates = carve(&damaged, &[]);
            let lost = (0..LENGTHS.len()).filter(|at| !found(&candidates, *at)).count();
            assert!(lost <= 5, "page {page}: {lost}");
        }
    }

    #[test]
    fn noise_holds_no_rows_and_ends() {
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(40 * PAGE + 7)
        .collect();
        assert!(carve(&noise, &noise).len() < 4);
    }

    #[test]
    fn overflow_pages_that_form_a_ring_end_with_the_row() {
        let mut ring = vec![7; 2 * PAGE];
        // A text of one letter, the number one, a blob of 8192 bytes: 489 bytes are on the first page.
        ring[..7].copy_from_slice(&[6, 15, 9, 0x81, 0x80, 0x0c, b'a']);
        ring[489..493].copy_from_slice(&[0, 0, 0, 2]);
        ring[PAGE..PAGE + 4].copy_from_slice(&[0, 0, 0, 2]);
        let candidates = carve(&ring, &[]);
        assert_eq!((candidates.len(), candidates[0].sealed.len()), (1, 8192));
        assert!(!candidates[0].live);
    }
}
