//! Records that cannot be read: each is copied to a file of its own as soon as it is noticed, so that the login that
//! takes its place in the database destroys nothing.
//!
//! The row stays where it is until then, because it may be the key that is wrong, and be put right. The file outlasts
//! the row by seven days at most.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use fourinsight_ipc::{
    SessionKey,
    message::Quarantined,
    platform::{private_file, private_folder, sync_folder},
};
use serde::{Deserialize, Serialize};

use super::{
    Parts, Store, blocking,
    database::Row,
    error::{StoreError, file},
    journal::digest,
    salvage::{self, unix_seconds},
};

/// How long what was set aside is kept, in seconds: seven days.
const KEPT_SECONDS: i64 = 7 * 24 * 3600;

mod reseal;

impl Store {
    /// Copies a session's record aside that opens and yet says nothing, so that a new login destroys nothing.
    pub async fn set_aside(&self, key: &SessionKey, reason: String) -> Result<(), StoreError> {
        let key = key.clone();
        self.run(move |parts, rows| match rows.database.record(key.as_str())? {
            Some(row) => parts.quarantine.keep(&row, &reason),
            None => Ok(()),
        })
        .await
    }

    /// What was set aside and is still there: records that cannot be read, and damaged databases.
    pub async fn quarantined(&self) -> Vec<Quarantined> {
        let parts = Arc::clone(&self.parts);
        let found = blocking(move || Ok(everything_kept(&parts).into_iter().map(Kept::told).collect()));
        found.await.unwrap_or_default()
    }

    /// Removes what was set aside more than seven days before this time, in Unix seconds. A record that nothing has
    /// replaced yet stays.
    pub async fn forget_quarantined(&self, unix_now: i64) -> Result<(), StoreError> {
        if !self.parts.sealer.has_key() {
            // Nobody knows yet what its record says, or there is none.
            return Ok(());
        }
        self.run(move |parts, rows| {
            for kept in everything_kept(parts) {
                let is_old = unix_now.saturating_sub(kept.since) > KEPT_SECONDS;
                let row = kept.session.as_ref().map(|session| rows.database.record(session.as_str())).transpose()?;
                let is_all_there_is = row.flatten().is_some_and(|row| kept.path.ends_with(name(&row)));
                if !is_old || is_all_there_is {
                    continue;
                }
                tracing::warn!(path = %kept.path.display(), reason = kept.reason, "removing what was set aside more than seven days ago");
                match &kept.session {
                    Some(_) => parts.quarantine.remove(&kept.path)?,
                    None => salvage::remove_kept(&kept.path)?,
                }
            }
            Ok(())
        })
        .await
    }
}

/// The folder of such files.
pub(super) struct Quarantine {
    folder: PathBuf,
}

/// What is in one.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) session: Option<SessionKey>,
    pub(super) reason: String,
    /// In Unix seconds.
    pub(super) since: i64,
    pub(super) path: PathBuf,
}

impl Kept {
    fn told(self) -> Quarantined {
        let Self { session, reason, since, path } = self;
        Quarantined { session, since, reason, kept_as: path.display().to_string() }
    }
}

/// A row as it was found, and why it is here.
#[derive(Serialize, Deserialize)]
struct Content {
    session: String,
    generation: u64,
    reason: String,
    /// The sealed record, in Base64.
    record: String,
}

impl Quarantine {
    /// The folder is made when it is needed.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps a row, durably. One that is there already stays as it is.
    pub(super) fn keep(&self, row: &Row, reason: &str) -> Result<(), StoreError> {
        let path = self.folder.join(name(row));
        if path.try_exists().map_err(file("look at", &path))? {
            return Ok(());
        }
        private_folder(&self.folder).map_err(file("create", &self.folder))?;
        self.write(row, reason, None)
    }

    /// Forgets a row that can be read after all.
    pub(super) fn release(&self, row: &Row) -> Result<(), StoreError> {
        self.remove(&self.folder.join(name(row)))
    }

    /// Forgets all rows of a session.
    pub(super) fn forget(&self, session: &SessionKey) -> Result<(), StoreError> {
        let begins = beginning(session.as_str());
        for path in self.files() {
            if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&begins)) {
                self.remove(&path)?;
            }
        }
        Ok(())
    }

    /// Everything that is kept.
    pub(super) fn kept(&self) -> Vec<Kept> {
        self.files().into_iter().filter_map(kept).collect()
    }

    /// Removes a file, for good.
    pub(super) fn remove(&self, path: &Path) -> Result<(), StoreError> {
        match fs::remove_file(path) {
            Ok(()) => sync_folder(&self.folder).map_err(file("sync", &self.folder)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(file("remove", path)(error)),
        }
    }

    /// `since` is when it was first kept, unless that is now.
    fn write(&self, row: &Row, reason: &str, since: Option<SystemTime>) -> Result<(), StoreError> {
        let path = self.folder.join(name(row));
        let content = Content {
            session: row.session.clone(),
            generation: row.generation,
            reason: reason.to_owned(),
            record: BASE64_STANDARD.encode(&row.sealed),
        };
        let text = serde_json::to_vec(&content).expect("it holds nothing that JSON cannot");
        let aside = path.with_extension("new");
        let write = || {
            let mut opened = private_file(&aside)?;
            opened.set_len(0)?;
            opened.write_all(&text)?;
            since.map_or(Ok(()), |since| opened.set_modified(since))?;
            opened.sync_all()?;
            fs::rename(&aside, &path)?;
            sync_folder(&self.folder)
        };
        write().map_err(file("write", &path))
    }

    fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut files: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        files
    }
}

fn everything_kept(parts: &Parts) -> Vec<Kept> {
    let databases = salvage::kept(&parts.path).into_iter().map(|(path, since)| Kept {
        session: None,
        reason: "the database was damaged; what could be read of it was taken over".to_owned(),
        since,
        path,
    });
    parts.quarantine.kept().into_iter().chain(databases).collect()
}

/// What a file says; nothing when it has just gone.
fn kept(path: PathBuf) -> Option<Kept> {
    let since = unix_seconds(fs::symlink_metadata(&path).ok()?.modified().ok()?);
    let (session, reason) = match content(&path) {
        Some(Content { session, reason, .. }) => (SessionKey::new(&session).ok(), reason),
        None => (None, "the file cannot be read".to_owned()),
    };
    Some(Kept { session, reason, since, path })
}

fn content(path: &Path) -> Option<Content> {
    let mut text = Vec::new();
    private_file(path).and_then(|mut opened| opened.read_to_end(&mut text)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// A digest of the session, and one of the record.
fn name(row: &Row) -> String {
    format!("{}{}.json", beginning(&row.session), &digest(&row.sealed)[..16])
}

fn beginning(session: &str) -> String {
    format!("{}-", &digest(session.as_bytes())[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(session: &str, text: &[u8]) -> Row {
        Row { session: session.to_owned(), generation: 4, sealed: text.to_vec() }
    }

    #[test]
    fn a_row_is_kept_once_named_and_released() {
        let folder = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::new(folder.path().join("quarantine"));
        let (a, b) = (SessionKey::new("a").unwrap(), SessionKey::new("b").unwrap());
        assert!(quarantine.kept().is_empty());
        for _ in 0..2 {
            quarantine.keep(&row("a", b"one"), "it does not open").unwrap();
        }
        quarantine.keep(&row("a", b"two"), "it is of a newer version").unwrap();
        quarantine.keep(&row("b", b"one"), "it does not open").unwrap();
        let kept = quarantine.kept();
        assert_eq!(kept.len(), 3);
        assert!(kept.iter().all(|kept| kept.since > 1_700_000_000 && kept.session.is_some()), "{kept:?}");
        let text = fs::read_to_string(&kept.iter().find(|it| it.session == Some(b.clone())).unwrap().path);
        assert!(text.unwrap().contains(&BASE64_STANDARD.encode(b"one")));
        quarantine.release(&row("a", b"one")).unwrap();
        quarantine.release(&row("a", b"unknown")).unwrap();
        assert_eq!(quarantine.kept().len(), 2);
        quarantine.forget(&a).unwrap();
        let kept = quarantine.kept();
        assert_eq!((kept.len(), kept[0].session.as_ref()), (1, Some(&b)));
    }

    #[test]
    fn a_file_that_says_nothing_is_still_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.json"), "{").unwrap();
        fs::write(folder.path().join("half.new"), "{").unwrap();
        let kept = Quarantine::new(folder.path().to_owned()).kept();
        assert_eq!((kept.len(), &kept[0].session), (1, &None));
    }
}
