//! The real programs in a home of their own: built once, started with nothing of this process's environment,
//! watched through what they print, and gone when the test ends.

mod command;
mod daemon;
mod home;
mod programs;
mod terminal;

pub use command::{DeviceLogin, Login, Output};
pub use daemon::{Daemon, Start};
pub use home::Home;
pub use programs::Programs;
pub use programs::forget_this_package;
pub use terminal::{Screen, Terminal};

use std::{process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};

/// Longer than any program here takes, even on a machine with other work to do.
pub const TIME_LIMIT: Duration = Duration::from_mins(2);

/// Sends a signal, such as `TERM`, to a process.
pub fn signal(process: u32, name: &str) -> Result<()> {
    // The shell's own `kill` is everywhere, where the program is not.
    let output = Command::new("sh")
        .args(["-c", "kill -s \"$0\" \"$1\"", name, &process.to_string()])
        .output()
        .context("no shell to send a signal with")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "process {process} took no signal: {}", complaint.trim());
    Ok(())
}
