//! Rebuilding a damaged database: the damaged files are kept aside, and what opens of their rows begins a new one.
//!
//! The new database is made under another name and takes the place of the damaged one only when it is whole and
//! synced; a start that finds it finishes the exchange. Nothing of the damaged files is ever written to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use fourinsight_ipc::{
    SessionKey,
    platform::{private_file, sync_folder},
};

use super::{
    Parts, Rows,
    carve::{Candidate, carve},
    database::{Database, Row},
    error::{StoreError, file},
    seal::{Kind, Place, Sealer},
};

/// Has the database work again after a failure: opens it anew, and rebuilds it where its files turn out to be damaged.
pub(super) fn mend(parts: &Parts, rows: &mut Rows) -> Result<(), StoreError> {
    let mended = match rows.database.mend() {
        Err(StoreError::Damaged { what, .. }) => {
            let rebuilt = rebuild(&parts.path, &parts.sealer, |session| parts.journal.has_slot(session))?;
            tracing::error!(what, kept_as = %rebuilt.kept_as.display(), records = rebuilt.records, "the store was damaged while in use and has been rebuilt");
            rows.database.mend()
        }
        mended => mended,
    };
    if mended? {
        parts.roots.moved(&parts.path);
    }
    Ok(())
}

/// What a damaged database is kept as begins with its own name and this; the time in Unix seconds follows.
const KEPT: &str = ".damaged-";

/// A database that took the place of a damaged one.
#[derive(Debug)]
pub(super) struct Rebuilt {
    /// Where the damaged one is.
    pub(super) kept_as: PathBuf,
    /// How many records were read from it.
    pub(super) records: usize,
}

/// Makes a new database of what can be read of the one at `path`, which nobody has open.
///
/// `has_slot` tells of the sessions that have a journal slot. Without one, what an earlier row has left behind is
/// not taken for a row: a session that was deleted stays deleted.
pub(super) fn rebuild(
    path: &Path,
    sealer: &Sealer,
    has_slot: impl Fn(&SessionKey) -> bool,
) -> Result<Rebuilt, StoreError> {
    let found = carve(&read(path)?, &read(&with(path, "-wal"))?);
    let found = found.into_iter().filter(|it| it.live || has_slot(&it.session)).collect();
    let (records, answers) = choose(found, sealer);

    let making = with(path, ".rebuilding");
    for part in ["", "-wal", "-journal"] {
        remove(&with(&making, part))?;
    }
    let database = Database::open(&making)?;
    database.fill(&records, &answers)?;
    drop(database);
    rename(&making, &with(path, ".rebuilt"))?;
    let kept_as = finish(path)?.unwrap_or_else(|| path.to_owned());
    Ok(Rebuilt { kept_as, records: records.len() })
}

/// Puts a database that was rebuilt in the place of the damaged one, if there is such. Returns where that is now.
pub(super) fn finish(path: &Path) -> Result<Option<PathBuf>, StoreError> {
    let rebuilt = with(path, ".rebuilt");
    let made_at = match fs::symlink_metadata(&rebuilt) {
        Ok(metadata) => metadata.modified().map_err(file("look at", &rebuilt))?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file("look at", &rebuilt)(error)),
    };
    // The same name each time this is begun anew.
    let kept_as = with(path, &format!("{KEPT}{}", unix_seconds(made_at)));
    for part in ["-wal", "-journal", ""] {
        let damaged = with(path, part);
        if damaged.try_exists().map_err(file("look at", &damaged))? {
            // For how long it is kept counts from now, not from its last use.
            let opened = private_file(&damaged).map_err(file("open", &damaged))?;
            opened.set_modified(made_at).map_err(file("date", &damaged))?;
            rename(&damaged, &with(&kept_as, part))?;
        }
    }
    remove(&with(path, "-shm"))?;
    rename(&rebuilt, path)?;
    Ok(Some(kept_as))
}

/// The damaged databases that are kept beside the one at `path`, each with the time of its damage in Unix seconds.
pub(super) fn kept(path: &Path) -> Vec<(PathBuf, i64)> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let begins = format!("{name}{KEPT}");
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut kept: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| {
            let name = entry.file_name();
            let time = name.to_str().and_then(|name| name.strip_prefix(&begins));
            time.is_some_and(|time| time.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .filter_map(|entry| Some((entry.path(), unix_seconds(entry.metadata().ok()?.modified().ok()?))))
        .collect();
    kept.sort();
    kept
}

/// Removes a damaged database that was kept, with what belongs to it.
pub(super) fn remove_kept(kept: &Path) -> Result<(), StoreError> {
    for part in ["-wal", "-journal", ""] {
        remove(&with(kept, part))?;
    }
    Ok(())
}

/// A time of the file system as Unix seconds.
pub(super) fn unix_seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

/// The best row of each session: of the latest generation that opens, rather one that its page names, rather the one
/// that was written last. Where none opens, what is there is left for a person to hear of.
fn choose(mut found: Vec<Candidate>, sealer: &Sealer) -> (Vec<Row>, Vec<Row>) {
    found.sort_by_key(|it| std::cmp::Reverse((it.generation, it.live, it.logged)));
    let (mut records, mut answers) = (BTreeMap::new(), BTreeMap::new());
    let mut unopened = Vec::new();
    for candidate in found {
        let opens = |kind| {
            let place = Place { kind, session: &candidate.session, generation: candidate.generation };
            sealer.open(place, &candidate.sealed).is_some()
        };
        if opens(Kind::Record) {
            records.entry(candidate.session.clone()).or_insert(candidate);
        } else if opens(Kind::Answer) {
            answers.entry(candidate.session.clone()).or_insert(candidate);
        } else if candidate.live {
            unopened.push(candidate);
        }
    }
    let answered: BTreeSet<_> = answers.keys().cloned().collect();
    for candidate in unopened {
        if !answered.contains(&candidate.session) {
            records.entry(candidate.session.clone()).or_insert(candidate);
        }
    }
    let rows = |found: BTreeMap<_, Candidate>| found.into_values().map(Row::from).collect();
    (rows(records), rows(answers))
}

impl From<Candidate> for Row {
    fn from(found: Candidate) -> Self {
        Self { session: found.session.to_string(), generation: found.generation, sealed: found.sealed }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    if path.try_exists().map_err(file("look at", path))? {
        let opened = private_file(path).map_err(file("open", path));
        opened?.read_to_end(&mut bytes).map_err(file("read", path))?;
    }
    Ok(bytes)
}

/// Renames, for good.
fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(file("rename", from))?;
    let folder = to.parent().unwrap_or(to);
    sync_folder(folder).map_err(file("sync", folder))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The path with more at the end of its name.
pub(super) fn with(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_row_that_opens_wins_and_one_that_does_not_is_kept_for_want_of_a_better() {
        let under = Sealer::new(&[7; 32]);
        let candidate = |name: &str, generation, text: &[u8], sound: bool, live| {
            let session = SessionKey::new(name).unwrap();
            let place = Place { kind: Kind::Record, session: &session, generation };
            let mut sealed = under.seal(place, text).unwrap();
            sealed[20] ^= u8::from(!sound);
            Candidate { session, generation, sealed, live, logged: 0 }
        };
        let found = vec![
            candidate("a", 1, b"old", true, false),
            candidate("a", 2, b"new", true, true),
            candidate("a", 2, b"left behind", true, false),
            candidate("a", 3, b"damaged", false, true),
            candidate("b", 4, b"damaged", false, true),
            candidate("c", 5, b"damaged and left behind", false, false),
        ];
        let (records, answers) = choose(found, &under);
        let found: Vec<_> = records.iter().map(|row| (row.session.as_str(), row.generation)).collect();
        assert_eq!((found, answers.len()), (vec![("a", 2), ("b", 4)], 0));
        let a = SessionKey::new("a").unwrap();
        let place = Place { kind: Kind::Record, session: &a, generation: 2 };
        assert_eq!(**under.open(place, &records[0].sealed).unwrap(), *b"new");
    }
}
