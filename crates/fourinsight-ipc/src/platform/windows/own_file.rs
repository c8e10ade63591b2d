//! Files that this user's other programs wrote. Who owns one says little here: an administrator's files belong to a
//! group. What may be read is what the folder's access list lets this user read.

use std::{fs::File, io, path::Path};

/// Opens a file for reading; refuses anything that is no file.
pub fn open_own_file(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    Ok(file)
}

/// Nothing to do: a file in a user's own folders inherits their access list.
pub fn tighten_file(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Whether it is there and no link: a file in a user's own folders inherits their access list.
pub fn is_only_ours(path: &Path) -> io::Result<bool> {
    Ok(!path.symlink_metadata()?.is_symlink())
}
