//! A small file system in memory in the place of the state folder, filled to the brim and freed again.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// The mounted file system. It is gone when dropped.
pub(super) struct Mount {
    place: PathBuf,
}

/// Whether this process may mount.
pub(super) fn is_possible() -> bool {
    let Ok(folder) = tempfile::tempdir() else { return false };
    Mount::new(folder.path(), "size=64k").is_ok()
}

impl Mount {
    /// Mounts it with these options over a folder, which is made if it is missing.
    pub(super) fn new(place: &Path, options: &str) -> Result<Self> {
        fs::create_dir_all(place)?;
        mount(&["-t", "tmpfs", "-o", &format!("mode=0700,{options}"), "tmpfs"], place)?;
        Ok(Self { place: place.to_owned() })
    }

    /// Mounts it anew with other options.
    pub(super) fn remount(&self, options: &str) -> Result<()> {
        mount(&["-o", &format!("remount,{options}")], &self.place)
    }

    /// Takes all the room that is left.
    pub(super) fn fill(&self) -> Result<()> {
        let mut filler = File::options().create(true).append(true).open(self.filler())?;
        // The last byte, not the last page.
        for size in [4096, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
        Ok(())
    }

    /// Takes all the files that can be made.
    pub(super) fn fill_with_files(&self) -> Result<()> {
        let folder = self.filler();
        fs::create_dir_all(&folder)?;
        let made = (0..100_000).take_while(|number| File::create(folder.join(number.to_string())).is_ok());
        ensure!(made.count() < 100_000, "there is no end of files");
        Ok(())
    }

    /// Gives all that back.
    pub(super) fn free(&self) -> Result<()> {
        let filler = self.filler();
        if filler.is_dir() {
            fs::remove_dir_all(filler)?;
        } else {
            fs::remove_file(filler)?;
        }
        Ok(())
    }

    fn filler(&self) -> PathBuf {
        self.place.join("filler")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Whoever still has a file open there keeps it until they close it.
        let _ = Command::new("umount").arg("-l").arg(&self.place).output();
    }
}

fn mount(arguments: &[&str], place: &Path) -> Result<()> {
    let output = Command::new("mount").args(arguments).arg(place).output().context("there is no mount")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
