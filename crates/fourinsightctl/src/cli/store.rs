//! `store`: what can be typed to look the daemon's store over, seal it anew, and back it up.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Check the daemon's store, change its key, back it up and restore it
///
/// The store is where the daemon keeps sessions over a restart: one sealed record
/// for each. All of these ask the daemon, which goes on serving meanwhile; they
/// start it when it is not running.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = NOTES, disable_help_subcommand = true)]
pub(crate) struct Store {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: StoreAction,
}

/// What `store` does.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreAction {
    Check(StoreCheck),
    Rekey(StoreRekey),
    Backup(StoreBackup),
    Restore(StoreRestore),
}

/// Look the store over, and say what is wrong
///
/// Has the database checked, every record opened and compared with its journal
/// slot, and looks at the sealing key and at who can read the files. What they
/// hold stays as it is. It exits 1 when something is wrong.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = CHECK_NOTES)]
pub(crate) struct StoreCheck {}

/// Seal the store under a new key
///
/// Makes a new key, seals every record under it and destroys the old one: it leaves
/// its keyring, or its file is overwritten. Should the keyring be locked by then,
/// that is said, and done when the daemon starts next. Sessions stay signed in and
/// are served meanwhile; a crash half way loses nothing. Backups that were made
/// without a passphrase do not open afterwards, nor does what could not be opened
/// before: damaged records and databases that are kept aside.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = REKEY_NOTES)]
pub(crate) struct StoreRekey {
    /// Where the new key is to live; where the old one does when left out
    #[arg(long, value_name = "HOME", value_enum)]
    pub(crate) to: Option<Home>,
}

/// Where a sealing key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Home {
    /// In the operating system's keyring
    Keyring,
    /// In a credential that systemd hands to the daemon
    Credential,
    /// In a file that only you can read
    File,
}

/// Write all sessions into one sealed file
///
/// The file holds every stored session, refresh tokens included, sealed under a
/// passphrase, or under the store's own key: then only this store can restore it,
/// and only until its key changes. Only you can read the file.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = BACKUP_NOTES)]
pub(crate) struct StoreBackup {
    /// The file to write; - for standard output
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What the backup is sealed under.
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    /// Replace FILE if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

/// Add the sessions of a backup that are missing here
///
/// A session that somebody is signed in to stays as it is, and so does one of which
/// something later is known here: a server that replaces refresh tokens takes an
/// old one as stolen, and ends the login. A restored session is served at once;
/// should its server have replaced its refresh token since the backup was made, it
/// asks for a login when that token is first used.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = RESTORE_NOTES)]
pub(crate) struct StoreRestore {
    /// The backup; - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What the backup is sealed under.
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    /// Only say what would be restored
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Where the passphrase of a backup comes from: never from the command line, which others can see.
#[derive(Args, Debug, Default)]
pub(crate) struct Passphrase {
    /// Read the passphrase from the first line of this file; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Ask for the passphrase on the terminal
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) passphrase: bool,
}

const NOTES: &str = "\
Examples:
  fourinsightctl store check
  fourinsightctl store backup --passphrase sessions.backup
  fourinsightctl store restore sessions.backup";

const CHECK_NOTES: &str = "\
Examples:
  fourinsightctl store check
  fourinsightctl store check --json";

const REKEY_NOTES: &str = "\
Examples:
  fourinsightctl store rekey
  fourinsightctl store rekey --to keyring";

const BACKUP_NOTES: &str = "\
Examples:
  fourinsightctl store backup --passphrase sessions.backup
  fourinsightctl store backup --passphrase-file ~/.backup-passphrase \\
    sessions.backup
  fourinsightctl store backup - > sessions.backup";

const RESTORE_NOTES: &str = "\
A backup that is sealed under a passphrase has it asked for on a terminal.

Examples:
  fourinsightctl store restore --dry-run sessions.backup
  fourinsightctl store restore sessions.backup";
