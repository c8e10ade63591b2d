//! The Windows side. The named pipe has no folder, no file to remove and no identity of its own: the first instance
//! of its name is what keeps a second daemon away.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use fourinsight_ipc::{
    Endpoint,
    platform::{self, Listener},
};
use tokio::{
    signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown},
    sync::watch,
};
use windows_sys::Win32::System::{
    Diagnostics::Debug::{SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SetErrorMode},
    SystemInformation::GetTickCount64,
    Threading::{CreateEventW, INFINITE, WaitForSingleObject},
};

/// Whether nobody else can write to what this describes. What a user installs is in their profile's folder, which the
/// system lets nobody else into; there are no mode bits to ask.
pub(crate) fn is_ours_alone(_metadata: &std::fs::Metadata) -> bool {
    true
}

/// Time since the machine started, suspend included.
pub(crate) fn boot_time() -> Duration {
    #[expect(unsafe_code, reason = "a system call without arguments")]
    // SAFETY: it reads a counter and touches nothing of ours.
    Duration::from_millis(unsafe { GetTickCount64() })
}

/// Names this start of the machine: nothing does here.
pub(crate) fn boot_id() -> Option<String> {
    None
}

/// Makes this process keep its secrets: no crash report is offered, so none takes its memory along. Files are
/// private by the access list that the user's own folder hands down.
#[expect(clippy::unnecessary_wraps, reason = "the Unix side can fail")]
pub(crate) fn harden() -> io::Result<()> {
    #[expect(unsafe_code, reason = "sets a flag of this process")]
    // SAFETY: it changes how this process reports errors, and nothing else.
    unsafe {
        SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
    }
    Ok(())
}

/// Windows has no such limit to raise; this many handles are never a problem.
pub(crate) fn raise_open_files() -> u64 {
    8192
}

/// The heap of Windows gives memory back by itself.
pub(crate) fn give_back_memory() {}

/// What the daemon is asked to do from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signalled {
    /// Stop cleanly.
    Stop,
    /// Read the configuration again.
    Reload,
}

/// Listens from now on for console events, and for the event by which a client asks a daemon without a console to
/// stop. Ctrl-Break re-reads the configuration; all others stop.
pub(crate) struct Signals {
    interrupt: CtrlC,
    reload: CtrlBreak,
    close: CtrlClose,
    logoff: CtrlLogoff,
    shutdown: CtrlShutdown,
    asked: watch::Receiver<bool>,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
        Ok(Self {
            interrupt: ctrl_c()?,
            reload: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
            asked: stop_event()?,
        })
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Signalled {
        tokio::select! {
            _ = self.interrupt.recv() => Signalled::Stop,
            _ = self.reload.recv() => Signalled::Reload,
            _ = self.close.recv() => Signalled::Stop,
            _ = self.logoff.recv() => Signalled::Stop,
            _ = self.shutdown.recv() => Signalled::Stop,
            _ = self.asked.changed() => Signalled::Stop,
        }
    }
}

/// Turns true when the event named after this process is set.
fn stop_event() -> io::Result<watch::Receiver<bool>> {
    let name = platform::stop_event(std::process::id());
    let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
    #[expect(unsafe_code, reason = "events are only offered as a system call")]
    // SAFETY: the name ends with a zero, and the default security keeps other users away.
    let event = unsafe { CreateEventW(std::ptr::null(), 1, 0, name.as_ptr()) };
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    let (sender, receiver) = watch::channel(false);
    let event = event as usize;
    std::thread::spawn(move || {
        #[expect(unsafe_code, reason = "waits on a handle that this thread keeps for the process's life")]
        // SAFETY: the event was created above and is never closed.
        unsafe {
            WaitForSingleObject(event as _, INFINITE);
        }
        sender.send_replace(true);
        // The sender stays, so that the receiver changes once and no more.
        std::mem::forget(sender);
    });
    Ok(receiver)
}

/// Tells whoever started the daemon that it is ready, by a line.
pub(crate) fn report_ready(endpoint: &Endpoint) {
    // Nobody may be reading; that is no error.
    let _ = writeln!(io::stdout(), "fourinsightd is ready on {endpoint}").and_then(|()| io::stdout().flush());
}

/// Nobody needs to be told.
pub(crate) fn report_stopping() {}

/// There is no journal here.
pub(crate) fn journal() -> Option<tracing_subscriber::layer::Identity> {
    None
}

/// Whether standard error is a terminal.
pub(crate) fn logs_to_terminal() -> bool {
    io::stderr().is_terminal()
}

/// There is no systemd here.
pub(crate) fn unit_state_dir() -> Option<PathBuf> {
    None
}

/// A pipe has no folder.
pub(crate) fn socket_folder(_endpoint: &Endpoint) -> Option<PathBuf> {
    None
}

/// Which socket a path leads to: a pipe has no such thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity;

pub(crate) fn file_identity(_path: &Path) -> Option<FileIdentity> {
    None
}

/// Nothing else can have a pipe's name.
pub(crate) fn is_something_else(_path: &Path) -> bool {
    false
}

/// A pipe goes with its last instance.
#[expect(clippy::unnecessary_wraps, reason = "the Unix side can fail")]
pub(crate) fn remove_socket(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Nothing hands over a pipe.
#[expect(clippy::unnecessary_wraps, reason = "the Unix side can fail")]
pub(crate) fn handed_over_socket() -> io::Result<Option<(Listener, PathBuf)>> {
    Ok(None)
}
