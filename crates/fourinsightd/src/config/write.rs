//! Writes the configuration file: whole or not at all, and never over what somebody else has written meanwhile.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
};

use fourinsight_ipc::{message::NewProfile, platform};
use toml_edit::Table;

use super::{Config, ConfigFile, NotAdded, new_profile};

/// How often the file may change under our hands before that is called trouble.
const MOST_CHANGES: u32 = 5;

impl ConfigFile {
    /// Adds a profile to the file, and reads it again. Of several at once each sees what the one before has written.
    pub fn add_profile(&self, new: &NewProfile) -> Result<Arc<Config>, NotAdded> {
        self.write(|text| new_profile::add(&self.path, text, new))
    }

    /// The configuration as it would be with the profile, which is not written.
    pub(crate) fn with_profile(&self, new: &NewProfile) -> Result<Config, NotAdded> {
        let before = read(&self.path).map_err(|error| unwritable(&error))?.unwrap_or_default();
        let text = new_profile::add(&self.path, text_of(&before)?, new)?;
        Config::parse(&self.path, &text)
            .map_err(|error| NotAdded::new(error.what, "correct the configuration"))
    }

    /// Adds a profile whose table is ready.
    pub(crate) fn add_table(&self, name: &str, table: &Table) -> Result<Arc<Config>, NotAdded> {
        self.write(|text| new_profile::add_table(&self.path, text, name, false, || Ok(table.clone())))
    }

    /// Whether [`add_table`](Self::add_table) would add it, as the file is now.
    pub(crate) fn would_add_table(&self, name: &str, table: &Table) -> Result<(), NotAdded> {
        let before = read(&self.path).map_err(|error| unwritable(&error))?.unwrap_or_default();
        let text = text_of(&before)?;
        new_profile::add_table(&self.path, text, name, false, || Ok(table.clone())).map(drop)
    }

    fn write(&self, change: impl Fn(&str) -> Result<String, NotAdded>) -> Result<Arc<Config>, NotAdded> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let target = followed(&self.path).map_err(|error| unwritable(&error))?;
        for _ in 0..MOST_CHANGES {
            let before = read(&target).map_err(|error| unwritable(&error))?;
            let after = change(text_of(before.as_deref().unwrap_or_default())?)?;
            if replace(&target, before.as_deref(), after.as_bytes()).map_err(|error| unwritable(&error))? {
                return self.reload().map_err(|error| NotAdded::new(error.what, "correct the configuration"));
            }
        }
        Err(NotAdded::new("the file is being changed by somebody else", "try again"))
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, NotAdded> {
    std::str::from_utf8(bytes)
        .map_err(|_| NotAdded::new("the configuration is not UTF-8 text", "save it as UTF-8"))
}

fn unwritable(error: &io::Error) -> NotAdded {
    NotAdded::new(
        format!("the configuration file cannot be written: {}", error.kind()),
        "make it and its folder writable, or add the profile by hand",
    )
}

/// The file that a path leads to in the end, which need not exist.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            // It is no link, or not there.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts the new content in the place of the old one, if that is still there. A new file is its owner's alone; an
/// existing one keeps its permissions.
fn replace(path: &Path, before: Option<&[u8]>, after: &[u8]) -> io::Result<bool> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = folder.join(format!(".{}.{}", name(path), std::process::id()));
    let written = write_beside(&beside, path, before.is_some(), after)
        .and_then(|()| Ok(read(path)?.as_deref() == before))
        .and_then(|unchanged| if unchanged { fs::rename(&beside, path).map(|()| true) } else { Ok(false) });
    match written {
        Ok(true) => platform::sync_folder(folder).map(|()| true),
        other => {
            // What is left of it is of no use, and that it was left is no news.
            let _ = fs::remove_file(&beside);
            other
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn write_beside(beside: &Path, path: &Path, exists: bool, content: &[u8]) -> io::Result<()> {
    let mut file = platform::private_file(beside)?;
    file.set_len(0)?;
    io::Write::write_all(&mut file, content)?;
    if exists {
        file.set_permissions(fs::metadata(path)?.permissions())?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn new(name: &str) -> NewProfile {
        NewProfile { name: name.to_owned(), preset: "4insight".to_owned(), ..NewProfile::default() }
    }

    #[test]
    fn a_first_profile_makes_the_folder_and_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/config.toml");
        let file = ConfigFile::open(&path).unwrap();
        let config = file.add_profile(&new("work")).unwrap();
        assert_eq!((config.profiles.len(), config.default_profile.as_deref()), (1, Some("work")));
        assert_eq!(file.current().profiles.len(), 1);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn of_many_writers_at_once_none_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let file = ConfigFile::open(folder.path().join("config.toml")).unwrap();
        thread::scope(|scope| {
            for at in 0..16 {
                let file = &file;
                scope.spawn(move || file.add_profile(&new(&format!("p{at}"))).unwrap());
            }
        });
        assert_eq!(file.reload().unwrap().profiles.len(), 16);
        assert_eq!(
            file.current().default_profile.as_deref(),
            fs::read_to_string(file.path()).unwrap().split('"').nth(1)
        );
    }

    #[test]
    fn what_somebody_else_writes_meanwhile_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, "# theirs").unwrap();
        assert!(!replace(&path, Some(b"# ours"), b"x").unwrap() && !replace(&path, None, b"x").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"# theirs");
        assert!(replace(&path, Some(b"# theirs"), b"x").unwrap());
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read_dir(folder.path()).unwrap().count()),
            (b"x".to_vec(), 1)
        );
    }

    #[test]
    fn a_file_with_an_error_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let file = ConfigFile::open(&path).unwrap();
        for bad in [&b"[profiles.x]\nisuer = 1"[..], b"\xff"] {
            fs::write(&path, bad).unwrap();
            assert!(file.add_profile(&new("work")).is_err());
            assert_eq!(fs::read(&path).unwrap(), bad);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_link_is_followed_and_the_mode_is_kept() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("dotfiles.toml"), folder.path().join("config.toml"));
        symlink("dotfiles.toml", &link).unwrap();
        let file = ConfigFile::open(&link).unwrap();
        let mode = || fs::metadata(&real).unwrap().permissions().mode() & 0o777;
        file.add_profile(&new("one")).unwrap();
        assert_eq!(mode(), 0o600, "a new file is private");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        file.add_profile(&new("two")).unwrap();
        assert_eq!((mode(), file.current().profiles.len()), (0o640, 2));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        symlink("loop", folder.path().join("loop")).unwrap();
        assert!(followed(&folder.path().join("loop")).is_err());
    }
}
