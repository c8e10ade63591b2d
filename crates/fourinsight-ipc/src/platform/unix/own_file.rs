//! Files that this user's other programs wrote.

use std::{
    fs::{File, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use nix::{fcntl::OFlag, unistd::geteuid};

/// Opens a file for reading that this user owns; refuses anything that is no file, and waits for nobody to write it.
pub fn open_own_file(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    if metadata.uid() != geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    Ok(file)
}

/// Lets only the file's owner read it.
pub fn tighten_file(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o600))
}

/// Whether a file or folder is this user's, and closed to everyone else; a symbolic link is neither.
pub fn is_only_ours(path: &Path) -> io::Result<bool> {
    let metadata = path.symlink_metadata()?;
    let is_closed_to_others = metadata.mode().trailing_zeros() >= 6;
    Ok(!metadata.is_symlink() && metadata.uid() == geteuid().as_raw() && is_closed_to_others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_is_opened_and_it_can_be_tightened() {
        let folder = tempfile::tempdir().unwrap();
        let error = open_own_file(folder.path()).unwrap_err();
        assert_eq!(error.to_string(), "it is no file");
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(
            open_own_file(&fifo).unwrap_err().to_string(),
            "it is no file",
            "and nobody is waited for"
        );
        let path = folder.path().join("token");
        std::fs::write(&path, "x").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let file = open_own_file(&path).unwrap();
        tighten_file(&file).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn another_users_file_is_refused() {
        let hosts = Path::new("/etc/hosts");
        let owner = hosts.metadata().unwrap().uid();
        let opened = open_own_file(hosts);
        assert_eq!(opened.is_ok(), owner == geteuid().as_raw());
    }

    #[test]
    fn what_others_may_open_and_what_is_a_link_is_not_only_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert_eq!(is_only_ours(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(&path, "").unwrap();
        for (mode, ours) in [(0o600, true), (0o700, true), (0o604, false), (0o640, false)] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_only_ours(&path).unwrap(), ours, "{mode:o}");
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(!is_only_ours(&link).unwrap());
    }
}
