//! A database that somebody takes away, or replaces, while the daemon has it open. What it held can still be read through
//! the open connection: it is written anew where it belongs, and whatever is found there is kept aside, never opened.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use fourinsight_ipc::{
    SessionKey,
    platform::{private_folder, sync_folder},
};

use super::{
    Rows,
    database::Database,
    error::{StoreError, file},
    salvage::with,
};
use crate::sys::{FileIdentity, file_identity};

/// Which file the open database is.
pub(super) struct Roots(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The one that is open.
    open: Option<FileIdentity>,
    /// The one that was made in its place, and is still to be opened.
    planted: Option<FileIdentity>,
    /// What happened, for people.
    told: Option<String>,
}

impl Roots {
    /// The database at this path, which has just been opened.
    pub(super) fn of(path: &Path) -> Self {
        Self(Mutex::new(Known { open: file_identity(path), ..Known::default() }))
    }

    /// What happened, for people.
    pub(super) fn told(&self) -> Option<String> {
        self.known().told.clone()
    }

    /// The database has been opened anew, perhaps as another file.
    pub(super) fn moved(&self, path: &Path) {
        let mut known = self.known();
        (known.open, known.planted) = (file_identity(path), None);
    }

    /// Whether the path leads to something else than the open database.
    pub(super) fn are_gone(&self, path: &Path) -> bool {
        // Where files have no identity, one that is open cannot be taken away.
        let open = self.known().open;
        open.is_some() && file_identity(path) != open
    }

    /// Writes the database anew if it is not there any more.
    pub(super) fn replant(&self, path: &Path, rows: &mut Rows) -> Result<(), StoreError> {
        // What is closed has nothing to be written anew; whatever is there now is opened in its place.
        if rows.database.is_closed() || !self.are_gone(path) {
            return Ok(());
        }
        let planted = self.known().planted;
        if planted.is_none() || file_identity(path) != planted {
            let aside = plant(path, &rows.database)?;
            let mut known = self.known();
            known.planted = file_identity(path);
            let found = aside.map(|aside| format!(", what was in its place is kept as {}", aside.display()));
            let told = format!(
                "the store {} was taken away while the daemon was using it; it has been written anew{}",
                path.display(),
                found.unwrap_or_default()
            );
            tracing::error!("{told}");
            known.told = Some(told);
        }
        let database = Database::open(path)?;
        // The old one must not take the new one's log along: they have one name.
        rows.database.keep_log_on_close(true)?;
        rows.database = database;
        *self.known() = Known { open: file_identity(path), planted: None, told: self.told() };
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts a copy of the database where it belongs. Returns where that is kept which was found there.
///
/// The copy is made under another name, and takes the place when it is whole and synced.
fn plant(path: &Path, database: &Database) -> Result<Option<PathBuf>, StoreError> {
    let folder = path.parent().unwrap_or(path);
    private_folder(folder).map_err(file("create", folder))?;
    let making = with(path, ".anew");
    let made = copy(database, &making);
    let planted = made.and_then(|()| {
        let aside = put_aside(path)?;
        let log = with(path, "-wal");
        absent_is_well(fs::remove_file(&log)).map_err(file("remove", &log))?;
        fs::rename(&making, path).map_err(file("rename", &making))?;
        sync_folder(folder).map_err(file("sync", folder))?;
        Ok(aside)
    });
    if planted.is_err() {
        // Should this fail too, the next try begins with it.
        let _ = remove(&making);
    }
    planted
}

fn copy(database: &Database, to: &Path) -> Result<(), StoreError> {
    remove(to)?;
    let copy = Database::open(to)?;
    let key = |session: &str| SessionKey::new(session).ok();
    for row in database.records()? {
        if let Some(session) = key(&row.session) {
            copy.replace(&session, row.generation, &row.sealed)?;
        }
    }
    for row in database.answers()? {
        if let Some(session) = key(&row.session) {
            copy.keep_answer(&session, row.generation, &row.sealed)?;
        }
    }
    copy.checkpoint()
}

fn remove(making: &Path) -> Result<(), StoreError> {
    for path in [making.to_owned(), with(making, "-wal"), with(making, "-journal")] {
        absent_is_well(fs::remove_file(&path)).map_err(file("remove", &path))?;
    }
    Ok(())
}

/// Keeps what is at the path under the first name that is free.
fn put_aside(path: &Path) -> Result<Option<PathBuf>, StoreError> {
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let aside = (1..).map(|number: u32| with(path, &format!(".replaced-{number}")));
    let free = aside.into_iter().find(|aside| aside.symlink_metadata().is_err());
    if let Some(aside) = &free {
        absent_is_well(fs::rename(path, aside)).map_err(file("rename", path))?;
        let log = with(path, "-wal");
        absent_is_well(fs::rename(&log, with(aside, "-wal"))).map_err(file("rename", &log))?;
    }
    Ok(free)
}

fn absent_is_well(outcome: std::io::Result<()>) -> std::io::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
