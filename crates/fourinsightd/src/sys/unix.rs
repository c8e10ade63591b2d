//! The Unix side.

use std::{
    ffi::OsStr,
    fs,
    io::{self, IsTerminal, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use fourinsight_ipc::{Endpoint, platform::Listener};
use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    signal::{SigHandler, Signal, signal},
    stat::{Mode, umask},
};
use tokio::signal::unix::{SignalKind, signal as on_signal};

mod memory;
pub(crate) use memory::give_back_memory;

/// Time since the machine started, suspend included.
pub(crate) fn boot_time() -> Duration {
    nix::time::clock_gettime(BOOT_CLOCK).map(Duration::from).unwrap_or_default()
}

/// Names this start of the machine.
#[cfg(target_os = "linux")]
pub(crate) fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// Names this start of the machine: nothing does here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn boot_id() -> Option<String> {
    None
}

/// The clock that counts suspend.
#[cfg(target_os = "linux")]
const BOOT_CLOCK: nix::time::ClockId = nix::time::ClockId::CLOCK_BOOTTIME;
/// The clock that counts suspend: here the monotonic one does.
#[cfg(not(target_os = "linux"))]
const BOOT_CLOCK: nix::time::ClockId = nix::time::ClockId::CLOCK_MONOTONIC;

/// Whether this user or root owns what this describes, and nobody else can write to it. A group counts as somebody
/// else unless it is the one that is named after the user and holds nobody beside.
pub(crate) fn is_ours_alone(metadata: &fs::Metadata) -> bool {
    let us = nix::unistd::geteuid().as_raw();
    let own_group = metadata.gid() == us && metadata.uid() == us;
    let others = if own_group { 0o002 } else { 0o022 };
    (metadata.uid() == us || metadata.uid() == 0) && metadata.mode() & others == 0
}

/// Makes this process keep its secrets: files are private, no core is dumped, no other process of the user may
/// read its memory, and a full file-size limit is an error rather than the end.
pub(crate) fn harden() -> io::Result<()> {
    umask(Mode::from_bits_truncate(0o077));
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false)?;
    #[expect(unsafe_code, reason = "ignoring a signal installs no handler that could be unsafe")]
    // SAFETY: `SigIgn` runs no code of ours.
    unsafe {
        signal(Signal::SIGXFSZ, SigHandler::SigIgn)?;
    }
    Ok(())
}

/// Raises the limit of open files as far as this process may, and returns it.
pub(crate) fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    let wanted = hard.min(OPEN_FILES).max(soft);
    match setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) {
        Ok(()) => wanted,
        Err(_) => soft,
    }
}

/// Enough for every connection, every journal slot that is open for a moment, and every request to a server.
const OPEN_FILES: u64 = 8192;

/// What the daemon is asked to do from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signalled {
    /// Stop cleanly.
    Stop,
    /// Read the configuration again.
    Reload,
}

/// Listens for signals from now on.
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: on_signal(SignalKind::terminate())?,
            interrupt: on_signal(SignalKind::interrupt())?,
            hangup: on_signal(SignalKind::hangup())?,
        })
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Signalled {
        tokio::select! {
            _ = self.terminate.recv() => Signalled::Stop,
            _ = self.interrupt.recv() => Signalled::Stop,
            _ = self.hangup.recv() => Signalled::Reload,
        }
    }
}

/// Tells whoever started the daemon that it is ready: a service manager by its protocol, a client by a line.
pub(crate) fn report_ready(endpoint: &Endpoint) {
    #[cfg(target_os = "linux")]
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::warn!(%error, "the service manager could not be told that the daemon is ready");
    }
    // Nobody may be reading; that is no error.
    let _ = writeln!(io::stdout(), "fourinsightd is ready on {endpoint}").and_then(|()| io::stdout().flush());
}

/// Tells the service manager that the daemon is stopping.
pub(crate) fn report_stopping() {
    #[cfg(target_os = "linux")]
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
}

/// The journal, when standard error leads to it: it takes the fields as they are.
#[cfg(target_os = "linux")]
pub(crate) fn journal() -> Option<tracing_journald::Layer> {
    let stream = std::env::var("JOURNAL_STREAM").ok()?;
    let (device, inode) = stream.split_once(':')?;
    let here = nix::sys::stat::fstat(io::stderr()).ok()?;
    let leads_there = (device.parse(), inode.parse()) == (Ok(here.st_dev), Ok(here.st_ino));
    tracing_journald::layer().ok().filter(|_| leads_there)
}

/// There is no journal here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn journal() -> Option<tracing_subscriber::layer::Identity> {
    None
}

/// Whether standard error is a terminal.
pub(crate) fn logs_to_terminal() -> bool {
    io::stderr().is_terminal()
}

/// The state folder that systemd made for a system unit. A user unit sets none, so that every way of starting the
/// daemon finds the same sessions.
pub(crate) fn unit_state_dir() -> Option<PathBuf> {
    of_system_unit(&std::env::var_os("STATE_DIRECTORY")?)
}

/// The first of the folders that a unit may name, if they are a system unit's.
fn of_system_unit(folders: &OsStr) -> Option<PathBuf> {
    let first = folders.as_bytes().split(|byte| *byte == b':').next()?;
    Some(PathBuf::from(OsStr::from_bytes(first))).filter(|path| path.starts_with("/var/lib"))
}

/// The folder that a socket's path needs.
#[expect(clippy::unnecessary_wraps, reason = "a named pipe has none")]
pub(crate) fn socket_folder(endpoint: &Endpoint) -> Option<PathBuf> {
    Some(endpoint.as_path().parent().unwrap_or(Path::new("/")).to_owned())
}

/// Which file, socket or folder a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
}

pub(crate) fn file_identity(path: &Path) -> Option<FileIdentity> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some(FileIdentity { device: metadata.dev(), inode: metadata.ino() })
}

/// Whether something that is no socket is at a path.
pub(crate) fn is_something_else(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.file_type().is_socket())
}

/// Removes a socket, if it is there.
pub(crate) fn remove_socket(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The listening socket that systemd has opened for this process, with its path.
#[cfg(target_os = "linux")]
pub(crate) fn handed_over_socket() -> io::Result<Option<(Listener, PathBuf)>> {
    use std::os::fd::{FromRawFd, OwnedFd};

    let mut descriptors = sd_notify::listen_fds()?;
    let Some(descriptor) = descriptors.next() else { return Ok(None) };
    if descriptors.next().is_some() {
        return Err(io::Error::other("the service manager handed over more than one socket; one is enough"));
    }
    #[expect(
        unsafe_code,
        reason = "the protocol hands the descriptor over to this process, which takes it once"
    )]
    // SAFETY: systemd's protocol makes this process the descriptor's owner, and nothing else here takes it.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let listening = std::os::unix::net::UnixListener::from(socket);
    let address = listening.local_addr()?;
    let path = address.as_pathname().map(Path::to_owned);
    let path = path.ok_or_else(|| io::Error::other("the socket handed over has no path"))?;
    Ok(Some((fourinsight_ipc::platform::listen_on(listening.into())?, path)))
}

/// launchd's way of handing over a socket is not used.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "systemd's way can fail")]
pub(crate) fn handed_over_socket() -> io::Result<Option<(Listener, PathBuf)>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_folder_of_systemd_counts_for_a_system_unit_only() {
        for (folders, taken) in [
            ("/var/lib/fourinsight", Some("/var/lib/fourinsight")),
            ("/var/lib/private/fourinsight:/var/lib/other", Some("/var/lib/private/fourinsight")),
            ("/home/ada/.local/state/fourinsight", None),
            ("/var/library", None),
            ("", None),
        ] {
            assert_eq!(of_system_unit(OsStr::new(folders)).as_deref(), taken.map(Path::new), "{folders}");
        }
    }
}
