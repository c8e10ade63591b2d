//! The file of a backup: whole or not there, its owner's alone, and never in the place of another by accident.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use fourinsight_ipc::platform;

use crate::{
    cli::Passphrase,
    failure::{Exit, Failure},
    output,
    render::clean,
};

/// The longest backup that the daemon takes.
const LONGEST: u64 = 47 * 1024 * 1024;

/// What stands for standard input and standard output.
const STANDARD_STREAM: &str = "-";

/// Where a backup goes.
pub(super) struct Target<'a> {
    path: &'a Path,
    force: bool,
}

impl<'a> Target<'a> {
    /// Refuses a file that exists, unless it is to be replaced.
    pub(super) fn new(path: &'a Path, force: bool) -> Result<Self, Failure> {
        let target = Self { path, force };
        if !target.is_stdout() && !force && path.symlink_metadata().is_ok() {
            return Err(target.exists());
        }
        Ok(target)
    }

    pub(super) fn is_stdout(&self) -> bool {
        self.path.as_os_str() == STANDARD_STREAM
    }

    /// The file for people.
    pub(super) fn shown(&self) -> String {
        if self.is_stdout() { "standard output".to_owned() } else { shown(self.path) }
    }

    /// Writes the whole of it.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        if self.is_stdout() {
            return output::to_stdout(bytes);
        }
        let aside = self.path.with_added_extension("new");
        self.write_aside(&aside, bytes).map_err(|error| {
            // Should this fail too, the next backup overwrites it.
            drop(fs::remove_file(&aside));
            if error.kind() == ErrorKind::AlreadyExists {
                return self.exists();
            }
            let what = format!("{} cannot be written: {error}", shown(self.path));
            Failure::new(Exit::Failure, what, "name a file in a folder of yours that has room")
        })
    }

    fn write_aside(&self, aside: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = platform::private_file(aside)?;
        file.set_len(0)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        if self.force {
            fs::rename(aside, self.path)?;
        } else {
            // Linking, unlike renaming, replaces nothing; some file systems cannot.
            match fs::hard_link(aside, self.path) {
                Ok(()) => fs::remove_file(aside)?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
                Err(_) if self.path.symlink_metadata().is_ok() => return Err(ErrorKind::AlreadyExists.into()),
                Err(_) => fs::rename(aside, self.path)?,
            }
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        platform::sync_folder(folder.unwrap_or(Path::new(".")))
    }

    fn exists(&self) -> Failure {
        let what = format!("{} exists", shown(self.path));
        Failure::new(Exit::Usage, what, "name another file, or replace it with --force")
    }
}

/// Reads a backup.
pub(super) fn read(path: &PathBuf, passphrase: &Passphrase) -> Result<Vec<u8>, Failure> {
    let from_stdin = path.as_os_str() == STANDARD_STREAM;
    if from_stdin && passphrase.passphrase_file.as_ref() == Some(path) {
        let what = "standard input cannot hold both the backup and the passphrase";
        return Err(Failure::new(Exit::Usage, what, "name a file for one of them"));
    }
    let name = if from_stdin { "standard input".to_owned() } else { shown(path) };
    let failed = |what: String| Failure::new(Exit::Failure, what, "name the file that `store backup` wrote");
    let mut bytes = Vec::new();
    let read = if from_stdin {
        io::stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| failed(format!("{name} cannot be read: {error}")))?;
    if bytes.len() as u64 > LONGEST {
        return Err(failed(format!("{name} is longer than any backup")));
    }
    Ok(bytes)
}

/// A path for people: whoever named the file may have put anything into its name.
fn shown(path: &Path) -> String {
    clean(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_written_whole_and_replaces_nothing_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.backup");
        Target::new(&path, false).unwrap().write(b"one").unwrap();
        assert!(platform::is_only_ours(&path).unwrap());
        let refused = Target::new(&path, false).err().unwrap();
        assert_eq!(refused.exit, Exit::Usage);
        // It appears after the first look.
        let late = Target { path: &path, force: false }.write(b"two").unwrap_err();
        assert_eq!(late, refused);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        Target::new(&path, true).unwrap().write(b"two").unwrap();
        assert_eq!(read(&path, &Passphrase::default()).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left aside");
    }

    #[test]
    fn what_cannot_be_written_or_read_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/x.backup");
        let failure = Target::new(&path, false).unwrap().write(b"one").unwrap_err();
        assert!(failure.to_string().contains("cannot be written"), "{failure}");
        let failure = read(&path, &Passphrase::default()).unwrap_err();
        assert!(failure.to_string().contains("cannot be read"), "{failure}");
    }
}
