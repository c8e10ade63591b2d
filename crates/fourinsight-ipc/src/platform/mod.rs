//! How the two ends reach each other on this platform, and how each knows whose process the other is.
//!
//! `unix.rs` and `windows.rs` hold the same names, so nothing outside this folder asks which platform it is on.

use std::{fs::File, io, path::PathBuf, time::Duration};

mod login_session;

pub use login_session::LoginSession;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::*;

/// How to start the daemon as a process of its own.
#[derive(Debug)]
pub struct DetachedSpawn {
    /// The program.
    pub program: PathBuf,
    /// Its arguments; never a secret, other users can see them.
    pub arguments: Vec<std::ffi::OsString>,
    /// What takes its standard error.
    pub log: File,
}

/// What became of a detached start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpawnOutcome {
    /// It reported that it is ready, by writing a line to its standard output.
    Ready,
    /// It ended without becoming ready, with this exit code if it had one.
    Exited(Option<i32>),
    /// It is still starting.
    StillStarting,
}

/// The server at the other end belongs to another user; nothing was sent to it.
#[derive(Debug, thiserror::Error)]
#[error("the server at {endpoint} belongs to another user; nothing was sent to it")]
pub struct NotTrusted {
    /// Where it listens.
    pub endpoint: String,
}

/// Waits at most `limit` for the first line of `output`; the reader thread ends with the process that writes it.
fn first_line(output: impl io::Read + Send + 'static, limit: Duration) -> FirstLine {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::BufRead::read_line(&mut io::BufReader::new(output), &mut line);
        // Nobody listens any more when the limit has passed; that is no error.
        let _ = sender.send(matches!(read, Ok(count) if count > 0));
    });
    match receiver.recv_timeout(limit) {
        Ok(true) => FirstLine::Written,
        Ok(false) => FirstLine::Closed,
        Err(_) => FirstLine::Nothing,
    }
}

enum FirstLine {
    Written,
    Closed,
    Nothing,
}
