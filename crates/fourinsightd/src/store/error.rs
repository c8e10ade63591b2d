//! What can go wrong in the store, in words that say what to do next.

use std::{
    io,
    path::{Path, PathBuf},
};

/// The store could not do what was asked; nothing was half done that [`Store::open`](super::Store::open) would
/// not find and name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The row is not the one that the caller knows: somebody else wrote in between.
    #[error("the session's record has changed meanwhile; read it again before writing")]
    Conflict,
    /// A file or folder could not be read or written.
    #[error("cannot {action} {path}: {source}; check that the disk has room and the folder is writable")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// SQLite failed.
    #[error("the store {path} failed: {source}; check that the disk has room and the file is undamaged")]
    Database {
        /// The database.
        path: PathBuf,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// The database's own structure is damaged.
    #[error(
        "the store {path} is damaged ({what}); check the disk, and start the daemon again: it keeps the damaged file \
         aside and takes over what can be read"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was noticed.
        what: String,
    },
    /// Another process has the database open.
    #[error("the store {path} is in use by another process; close the program that has it open")]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// A newer daemon has written the store.
    #[error(
        "the store {path} has schema version {found}, this daemon knows {known}; \
         nothing was changed: start the newer daemon; if there never was one, the file's header is damaged: put a \
         backup in its place, or move the store away"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// Sealed data is there, but the key that sealed it is not.
    #[error(
        "the store's key {path} is missing, and without it the stored sessions cannot be read; \
         put the file back, or move the store away and sign in again"
    )]
    KeyMissing {
        /// Where the key is expected.
        path: PathBuf,
    },
    /// The key file holds no key.
    #[error("{path} does not hold a key of 32 bytes; put the right file back")]
    KeyDamaged {
        /// The key file.
        path: PathBuf,
    },
    /// The key is out of reach for now: nothing can be sealed or opened.
    #[error("{why}")]
    Locked {
        /// What is wrong and what to do next.
        why: String,
    },
    /// An intent does not fit its place in a slot.
    #[error("an intent holds at most {limit} bytes; shorten it")]
    IntentTooLong {
        /// The longest intent.
        limit: usize,
    },
    /// The system gave no random numbers, or the text is beyond what one nonce can seal.
    #[error("sealing failed: the system has no random numbers; try again")]
    Sealing,
    /// The runtime is shutting down.
    #[error("the daemon is stopping; start it again")]
    Stopping,
}

/// Turns an I/O error into one that names the action and the file.
pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::File { action, path: path.to_owned(), source }
}
