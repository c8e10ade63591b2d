//! One daemon on one state folder: a lock that the operating system releases, however the daemon ends.

use std::{
    fs::{File, TryLockError},
    io::{self, Seek, Write},
};

use fourinsight_ipc::{Endpoint, Locations, location::Lock, platform};

/// Holds the state folder for this daemon. The file is never removed: who finds it unlocked takes it over.
#[derive(Debug)]
pub(crate) struct Instance(File);

impl Instance {
    /// Takes the state folder, creating it where needed; `None` when another daemon has it.
    pub(crate) fn take(locations: &Locations) -> io::Result<Option<Self>> {
        platform::private_folder(&locations.state_dir)?;
        let file = platform::private_file(&locations.lock_file())?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Records where the daemon listens, for clients that are told nothing.
    pub(crate) fn record(&mut self, endpoint: &Endpoint) -> io::Result<()> {
        let lock = Lock { pid: std::process::id(), socket: endpoint.clone() };
        self.write(&serde_json::to_vec(&lock)?)
    }

    /// Records that nobody listens any more.
    pub(crate) fn release(mut self) {
        if let Err(error) = self.write(b"") {
            tracing::debug!(%error, "the lock file could not be emptied");
        }
    }

    fn write(&mut self, content: &[u8]) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        self.0.write_all(content)
    }
}

#[cfg(test)]
mod tests;
