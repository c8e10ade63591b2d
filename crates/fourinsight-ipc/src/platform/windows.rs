//! Named pipes, user SIDs and detached processes.

use std::{io, path::Path};

/// Makes the creation, renaming or removal of a folder's entries outlast a power cut.
///
/// NTFS journals its folders and offers no way to sync one.
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every platform")]
pub fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}
