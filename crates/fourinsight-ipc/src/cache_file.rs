//! Another tool's cache: read as whoever runs the program, and put away once the daemon has taken it over, renamed so
//! that its tool does not find it, and explained.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

use crate::platform;

/// What the name of a cache begins with that has been taken over; fourinsight.api reads only what begins with `token`.
pub const TAKEN_OVER: &str = "taken-over.";

/// The longest cache that is read.
const LONGEST: u64 = 1024 * 1024;

/// How many caches of one name may lie beside each other.
const MOST: u32 = 1000;

/// How a cache was put away.
#[derive(Debug)]
pub enum Retired {
    /// It has another name now.
    To {
        /// Where it is now.
        path: PathBuf,
        /// What explains it.
        note: PathBuf,
    },
    /// Somebody has written it since it was read, so it is left alone.
    Changed,
}

/// Reads a file, if it is one of this user's and no longer than any cache. What is wrong with it otherwise is an error
/// of the kind [`io::ErrorKind::InvalidInput`] or [`io::ErrorKind::PermissionDenied`] with words of its own, but for what
/// the system says.
pub fn read(path: &Path) -> io::Result<SecretString> {
    let unusable = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
    let file = platform::open_own_file(path)?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    if length > LONGEST {
        return Err(unusable("it is longer than 1 MiB"));
    }
    // Sized before it is filled: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1));
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(unusable("it is longer than 1 MiB"));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(SecretString::from(text)),
        Err(_) => Err(unusable("it is no text: it may be encrypted, or another program's")),
    }
}

/// Renames the file whose content was taken over, and leaves a note beside it.
pub fn retire(path: &Path, content: &SecretString, session: &str) -> io::Result<Retired> {
    match Explained::new(path, content, session)? {
        Some(explained) => explained.rename(content),
        None => Ok(Retired::Changed),
    }
}

/// A file that has its note already, and its old name still.
struct Explained {
    path: PathBuf,
    retired: PathBuf,
    note: PathBuf,
}

impl Explained {
    /// Leaves the note; `None` where the file holds something else by now.
    fn new(path: &Path, content: &SecretString, session: &str) -> io::Result<Option<Self>> {
        // Of a link the file is renamed that it leads to.
        let path = fs::canonicalize(path)?;
        if !holds(&path, content) {
            return Ok(None);
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let retired = free_name(folder, name).ok_or(io::ErrorKind::AlreadyExists)?;
        let note = note_of(&retired);
        platform::tighten_file(&platform::open_own_file(&path)?)?;
        let explained = Self { path, retired, note };
        explained.write_note(session).inspect_err(|_| explained.forget_note())?;
        Ok(Some(explained))
    }

    fn write_note(&self, session: &str) -> io::Result<()> {
        let mut file = platform::private_file(&self.note)?;
        file.write_all(explain(&self.path, &self.retired, session).as_bytes())?;
        file.sync_all()
    }

    /// Renames the file; gives it its old name back where somebody has written it in the last moment.
    fn rename(self, content: &SecretString) -> io::Result<Retired> {
        fs::rename(&self.path, &self.retired).inspect_err(|_| self.forget_note())?;
        let outcome = if holds(&self.retired, content) {
            Retired::To { path: self.retired.clone(), note: self.note.clone() }
        } else {
            self.give_back()?;
            self.forget_note();
            Retired::Changed
        };
        if let Some(folder) = self.path.parent() {
            platform::sync_folder(folder)?;
        }
        Ok(outcome)
    }

    /// Never over a file that has come into its place meanwhile, which is newer still.
    fn give_back(&self) -> io::Result<()> {
        match fs::hard_link(&self.retired, &self.path) {
            Ok(()) => fs::remove_file(&self.retired),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // Not every file system has links.
            Err(_) => fs::rename(&self.retired, &self.path),
        }
    }

    fn forget_note(&self) {
        // What it says is not so; should it stay, the file that it names is not there.
        let _ = fs::remove_file(&self.note);
    }
}

fn holds(path: &Path, content: &SecretString) -> bool {
    read(path).is_ok_and(|now| now.expose_secret() == content.expose_secret())
}

/// A name that no file has, nor its note.
fn free_name(folder: &Path, name: &OsStr) -> Option<PathBuf> {
    let taken = |path: &Path| path.symlink_metadata().is_ok() || note_of(path).symlink_metadata().is_ok();
    let named = |count: u32| {
        let mut new = OsString::from(TAKEN_OVER);
        if count > 1 {
            new.push(format!("{count}."));
        }
        new.push(name);
        folder.join(new)
    };
    (1..=MOST).map(named).find(|path| !taken(path))
}

fn note_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".README.txt");
    path.with_file_name(name)
}

fn explain(path: &Path, retired: &Path, session: &str) -> String {
    format!(
        "The login in this file now belongs to fourinsightd, the local token broker.\n\
         \n\
         It was taken over as the session {session}:\n\
         \n\
         \x20 was  {}\n\
         \x20 is   {}\n\
         \n\
         Programs get its access token with `fourinsightctl token {session}`, or through the\n\
         daemon's client libraries.\n\
         \n\
         To go back, sign in with the other tool again: it finds no login any more and asks.\n\
         Putting this file back does not help where the server gives a new refresh token at\n\
         each use, since the one in here is spent then; using it again may end the login.\n\
         `fourinsightctl revoke {session}` signs the session out.\n\
         \n\
         Once nothing needs it any more, delete this note and the file beside it.\n",
        path.display(),
        retired.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn a_cache_is_renamed_and_explained_and_an_earlier_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.work");
        for expected in ["taken-over.token.work", "taken-over.2.token.work", "taken-over.3.token.work"] {
            fs::write(&path, "s3cr3t").unwrap();
            let Retired::To { path: retired, note } = retire(&path, &content("s3cr3t"), "work").unwrap()
            else {
                panic!("it has not changed")
            };
            assert_eq!(retired.file_name().unwrap(), expected);
            assert!(!path.exists());
            assert_eq!(fs::read_to_string(&retired).unwrap(), "s3cr3t");
            let said = fs::read_to_string(note).unwrap();
            assert!(
                said.contains("token.work") && said.contains("revoke work") && !said.contains("s3cr3t"),
                "{said}"
            );
        }
    }

    #[test]
    fn one_that_was_written_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "newer").unwrap();
        assert!(matches!(retire(&path, &content("older"), "default").unwrap(), Retired::Changed));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer");
    }

    #[test]
    fn one_that_is_written_in_the_last_moment_gets_its_name_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let explained = || {
            fs::write(&path, "older").unwrap();
            Explained::new(&path, &content("older"), "default").unwrap().unwrap()
        };
        let ready = explained();
        fs::write(&path, "newer").unwrap();
        assert!(matches!(ready.rename(&content("older")).unwrap(), Retired::Changed));
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no note says otherwise");

        let ready = explained();
        fs::remove_file(&path).unwrap();
        assert!(ready.rename(&content("older")).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "there was nothing to rename");

        // A tool that writes a new file in place of the old one.
        let ready = explained();
        fs::rename(&path, &ready.retired).unwrap();
        fs::write(&path, "newest").unwrap();
        ready.give_back().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "newest");
        assert_eq!(fs::read_to_string(&ready.retired).unwrap(), "older");
    }
}
