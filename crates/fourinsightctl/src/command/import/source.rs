//! The files that are taken over: found, and read as whoever runs the program, never through the daemon.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use fourinsight_client::SecretString;
use fourinsight_ipc::{
    cache_file::{self, TAKEN_OVER},
    platform,
};

use crate::{
    failure::{Exit, Failure},
    render::clean,
};

/// How deep a session key with slashes in it may go.
const DEEPEST: usize = 4;

/// A file that is taken over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Where it is.
    pub(super) path: PathBuf,
    /// The session key that fourinsight.api knows it by, where it has one.
    pub(super) original_key: Option<String>,
}

impl Source {
    /// The file's path for people.
    pub(super) fn shown(&self) -> String {
        shown(&self.path)
    }
}

/// A path for people: whoever named the file may have put anything into its name.
pub(super) fn shown(path: &Path) -> String {
    clean(&path.to_string_lossy()).into_owned()
}

/// Where fourinsight.api keeps its files, whatever folder our own daemon uses.
pub(super) fn usual_folder() -> Result<PathBuf, Failure> {
    std::env::home_dir()
        .filter(|home| home.is_absolute())
        .map(|home| platform::default_state_dir(&home))
        .ok_or_else(|| {
            Failure::new(
                Exit::Failure,
                "the home folder of this user is not known",
                "name the folder with --folder",
            )
        })
}

/// The token files of fourinsight.api in a folder: `token`, and `token.KEY` for each key. It does not look at what a
/// key is made of, so one with a slash in it lies in a folder `token.…`.
pub(super) fn token_files(folder: &Path) -> Result<Vec<Source>, Failure> {
    let mut found = Vec::new();
    if let Err(error) = walk(folder, None, &mut found) {
        return Err(match error.kind() {
            io::ErrorKind::NotFound => no_files(folder),
            _ => Failure::new(
                Exit::Failure,
                format!("{} cannot be read: {error}", shown(folder)),
                "name the folder of fourinsight.api's token files with --folder",
            ),
        });
    }
    found.sort_by(|one: &Source, other| one.original_key.cmp(&other.original_key));
    if found.is_empty() { Err(no_files(folder)) } else { Ok(found) }
}

/// Reads a file, if it is one of this user's and no longer than any cache.
pub(super) fn read(path: &Path) -> Result<SecretString, Failure> {
    let failed = |what: &str| {
        Failure::new(
            Exit::Failure,
            format!("{} cannot be taken over: {what}", shown(path)),
            "it is untouched; name a token cache of your own",
        )
    };
    cache_file::read(path).map_err(|error| failed(&said(&error)))
}

fn walk(folder: &Path, key: Option<&str>, found: &mut Vec<Source>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(key) = key_of(&name, key) else { continue };
        let path = entry.path();
        // A link of one's own to a file elsewhere is one of the tool's files too. One to a folder is none: everything
        // in there would be taken for a token file, and it may lead back here.
        let is_folder = path.is_dir();
        let is_own_folder = is_folder && !entry.file_type()?.is_symlink();
        match key {
            Some(key) if is_own_folder && key.matches('/').count() < DEEPEST => {
                walk(&path, Some(&key), found)?;
            }
            _ if is_folder => {}
            original_key => found.push(Source { path, original_key }),
        }
    }
    Ok(())
}

/// The key that a name stands for below a key; `None` for a file that is none of the tool's.
#[expect(clippy::option_option, reason = "the file without a key is one too")]
fn key_of(name: &OsStr, above: Option<&str>) -> Option<Option<String>> {
    let name = name.to_str()?;
    match above {
        // What was taken over stays in the folder of its key.
        Some(_) if name.starts_with(TAKEN_OVER) => None,
        Some(above) => Some(Some(format!("{above}/{name}"))),
        None if name == "token" => Some(None),
        None => name.strip_prefix("token.").map(|key| Some(key.to_owned())),
    }
}

fn no_files(folder: &Path) -> Failure {
    Failure::new(
        Exit::Failure,
        format!("there is no token file of fourinsight.api in {}", shown(folder)),
        "name its folder with --folder, or sign in with `fourinsightctl login`",
    )
}

fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        // Ours have words of their own; the system's come with a number that says nothing to people.
        io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
            error.to_string()
        }
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_file_is_found_with_its_key_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| fs::write(folder.path().join(name), "{}").unwrap();
        for name in
            ["token", "token.work", "token.default", "token.a b", "tokens", "taken-over.token", "broker.db"]
        {
            write(name);
        }
        fs::create_dir_all(folder.path().join("token.ops")).unwrap();
        for name in ["token.ops/eu", "token.ops/taken-over.us", "token.ops/taken-over.us.README.txt"] {
            write(name);
        }
        let keys: Vec<_> =
            token_files(folder.path()).unwrap().into_iter().map(|source| source.original_key).collect();
        let named = |key: &str| Some(key.to_owned());
        assert_eq!(keys, [None, named("a b"), named("default"), named("ops/eu"), named("work")]);
    }

    #[test]
    #[cfg_attr(windows, ignore = "it makes a link by a program of unix")]
    fn a_link_to_a_folder_is_not_followed_and_one_to_a_file_is() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(folder.path().join("token"), "{}").unwrap();
        fs::write(elsewhere.path().join("id_rsa"), "{}").unwrap();
        let link = |target: &Path, name: &str| {
            let mut made = std::process::Command::new("ln");
            assert!(made.arg("-s").arg(target).arg(folder.path().join(name)).status().unwrap().success());
        };
        link(folder.path(), "token.again");
        link(elsewhere.path(), "token.elsewhere");
        link(&folder.path().join("token"), "token.file");
        let keys: Vec<_> =
            token_files(folder.path()).unwrap().into_iter().map(|source| source.original_key).collect();
        assert_eq!(keys, [None, Some("file".to_owned())]);
    }

    #[test]
    fn no_name_of_a_file_reaches_the_terminal_as_it_is() {
        let path = Path::new("/nowhere/token.\u{1b}]0;x\u{7}\nerror: y");
        for text in [read(path).unwrap_err().to_string(), shown(path)] {
            assert!(text.contains("token.") && !text.contains(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn a_folder_without_them_says_so() {
        let folder = tempfile::tempdir().unwrap();
        for folder in [folder.path().to_owned(), folder.path().join("none")] {
            let text = token_files(&folder).unwrap_err().to_string();
            assert!(text.contains("no token file") && text.contains("--folder"), "{text}");
        }
    }

    #[test]
    fn what_is_no_text_too_long_or_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        for (bytes, says) in [(b"\xff\xfec4nary".to_vec(), "no text"), (vec![b'x'; 1024 * 1024 + 1], "1 MiB")]
        {
            fs::write(&path, bytes).unwrap();
            let text = read(&path).unwrap_err().to_string();
            assert!(text.contains(says) && !text.contains("c4nary"), "{text}");
        }
        fs::write(&path, vec![b'x'; 1024 * 1024]).unwrap();
        assert!(read(&path).is_ok());
        assert!(read(folder.path()).unwrap_err().to_string().contains("cannot be taken over"));
        assert!(read(&folder.path().join("none")).unwrap_err().to_string().contains("no such file"));
    }
}
