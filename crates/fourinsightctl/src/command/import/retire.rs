//! Puts a cache away that has been taken over: renamed so that its tool does not find it, and explained.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use fourinsight_client::SecretString;
use fourinsight_ipc::platform;
use secrecy::ExposeSecret;

use super::source::{self, TAKEN_OVER};

/// How many caches of one name may lie beside each other.
const MOST: u32 = 1000;

/// How a cache was put away.
#[derive(Debug)]
pub(super) enum Retired {
    /// It has another name now.
    To { path: PathBuf, note: PathBuf },
    /// Somebody has written it since it was read, so it is left alone.
    Changed,
}

/// Renames the file whose content was taken over, and leaves a note beside it.
pub(super) fn retire(path: &Path, content: &SecretString, session: &str) -> io::Result<Retired> {
    // Of a link the file is renamed that it leads to.
    let path = fs::canonicalize(path)?;
    let is_same = source::read(&path).is_ok_and(|now| now.expose_secret() == content.expose_secret());
    if !is_same {
        return Ok(Retired::Changed);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let retired = free_name(folder, name).ok_or(io::ErrorKind::AlreadyExists)?;
    let note = note_of(&retired);
    platform::tighten_file(&platform::open_own_file(&path)?)?;
    let mut file = platform::private_file(&note)?;
    file.write_all(explain(&path, &retired, session).as_bytes())?;
    file.sync_all()?;
    fs::rename(&path, &retired)?;
    platform::sync_folder(folder)?;
    Ok(Retired::To { path: retired, note })
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
         It was taken over with `fourinsightctl import` as the session {session}:\n\
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
}
