//! Unix sockets, peer credentials and sessions of one's own.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::{
        fd::AsFd,
        unix::{
            fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
            net::UnixStream,
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use nix::unistd::{Uid, geteuid};

use super::{DetachedSpawn, FirstLine, SpawnOutcome, first_line};
use crate::{Endpoint, location::LocationError};

#[cfg(not(target_os = "macos"))]
mod linux;
#[cfg(feature = "tokio")]
mod listening;
#[cfg(target_os = "macos")]
mod macos;
mod own_file;
mod terminal;

#[cfg(not(target_os = "macos"))]
pub use linux::{is_over, login_session};
#[cfg(feature = "tokio")]
pub use listening::*;
#[cfg(target_os = "macos")]
pub use macos::{is_over, login_session};
pub use own_file::{is_only_ours, open_own_file, tighten_file};
pub use terminal::HiddenInput;

/// A blocking connection to the daemon.
pub type Stream = UnixStream;

/// The longest socket path: `sockaddr_un.sun_path` less its terminating zero.
const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The state folder below a home folder: the place that the replaced system documents.
pub fn default_state_dir(home: &Path) -> PathBuf {
    home.join(if cfg!(target_os = "macos") { ".config/.fourinsight/api" } else { ".fourinsight/api" })
}

/// The socket's default path: the runtime folder where the user has one, else `run/` in the state folder.
pub fn default_endpoint_path(state_dir: &Path) -> PathBuf {
    if cfg!(target_os = "macos") {
        return endpoint_path_in(state_dir, None, None);
    }
    let announced = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let conventional = PathBuf::from(format!("/run/user/{}", geteuid()));
    endpoint_path_in(state_dir, announced, Some(conventional))
}

/// In the runtime folder that is announced, else in the usual one if it is there and the user's own.
fn endpoint_path_in(state_dir: &Path, announced: Option<PathBuf>, usual: Option<PathBuf>) -> PathBuf {
    let runtime_dir =
        announced.filter(|path| path.is_absolute()).or_else(|| usual.filter(|path| is_private(path)));
    match runtime_dir {
        Some(folder) => folder.join("fourinsight/broker.sock"),
        None => state_dir.join("run/broker.sock"),
    }
}

/// Refuses a socket path that does not fit.
pub(crate) fn check_endpoint(path: &Path) -> Result<(), LocationError> {
    let length = path.as_os_str().len();
    if length > LONGEST_PATH {
        return Err(LocationError::TooLong { path: path.to_owned(), length, limit: LONGEST_PATH });
    }
    Ok(())
}

/// Opens a blocking connection.
pub fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
    UnixStream::connect(endpoint.as_path())
}

/// Limits how long one read or one write on a blocking connection may wait.
pub fn set_timeout(stream: &Stream, limit: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))
}

/// Whether the process at the other end runs as this user. Asked of the kernel, so before a byte is exchanged.
pub fn peer_is_this_user(socket: &impl AsFd) -> io::Result<bool> {
    Ok(peer_uid(socket)? == geteuid())
}

/// The user id of the process at the other end.
#[cfg(not(target_os = "macos"))]
fn peer_uid(socket: &impl AsFd) -> io::Result<Uid> {
    let credentials = nix::sys::socket::getsockopt(socket, nix::sys::socket::sockopt::PeerCredentials)?;
    Ok(Uid::from_raw(credentials.uid()))
}

/// The user id of the process at the other end.
#[cfg(target_os = "macos")]
fn peer_uid(socket: &impl AsFd) -> io::Result<Uid> {
    let credentials = nix::sys::socket::getsockopt(socket, nix::sys::socket::sockopt::LocalPeerCred)?;
    Ok(Uid::from_raw(credentials.uid()))
}

/// Creates a folder that only its owner can enter, or tightens one of ours that is wider.
///
/// Refuses a folder of another user and anything that is no folder, a symbolic link included; also one that others
/// share, for root owns `/tmp` and `/run`, and the machine does not work without them.
pub fn private_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() || metadata.uid() != geteuid().as_raw() {
        let text = format!("{} is not a folder of this user; move it away or choose another", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    if metadata.mode() & 0o777 != 0o700 {
        if is_shared(path, metadata.mode()) {
            let text = format!("{} is shared with others; choose a folder below it", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Whether a folder is there for everyone: its entries are protected from each other, or the system keeps its own
/// things in it.
fn is_shared(path: &Path, mode: u32) -> bool {
    mode & 0o1000 != 0 || SYSTEM_FOLDERS.iter().any(|folder| path == Path::new(folder))
}

/// Folders of the system in which a socket is easily, and wrongly, put.
const SYSTEM_FOLDERS: [&str; 12] =
    ["/", "/dev", "/etc", "/home", "/mnt", "/opt", "/run", "/run/user", "/srv", "/usr", "/var", "/var/lib"];

/// Opens a file for reading and writing that only its owner can read, whatever the umask; follows no symbolic link.
pub fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(path)?;
    if file.metadata()?.mode() & 0o777 != 0o600 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Makes the creation, renaming or removal of a folder's entries outlast a power cut.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Starts a program in a session of its own, in `/`, without standard input, and waits at most `limit` for its
/// first line on standard output.
pub fn spawn_detached(spawn: DetachedSpawn, limit: Duration) -> io::Result<SpawnOutcome> {
    let mut command = Command::new(&spawn.program);
    command
        .args(&spawn.arguments)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(spawn.log);
    #[expect(
        unsafe_code,
        reason = "setsid must run in the child; it is async-signal-safe and touches no memory"
    )]
    // SAFETY: between fork and exec only setsid(2) is called, which allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(io::Error::from));
    }
    let mut child = command.spawn()?;
    let Some(output) = child.stdout.take() else { return Ok(SpawnOutcome::StillStarting) };
    match first_line(output, limit) {
        FirstLine::Written => {
            // The daemon outlives us; a thread of ours reaps it should it end first.
            std::thread::spawn(move || child.wait());
            Ok(SpawnOutcome::Ready)
        }
        FirstLine::Closed => Ok(SpawnOutcome::Exited(child.wait()?.code())),
        FirstLine::Nothing => Ok(SpawnOutcome::StillStarting),
    }
}

/// Asks a process of this user to end in its own time: SIGTERM.
pub fn terminate(pid: u32) -> io::Result<()> {
    nix::sys::signal::kill(one_process(pid)?, nix::sys::signal::Signal::SIGTERM).map_err(io::Error::from)
}

/// Whether a process has ended, even if its parent has not yet taken note.
pub fn has_ended(pid: u32) -> bool {
    let Ok(process) = one_process(pid) else { return true };
    nix::sys::signal::kill(process, None) == Err(nix::errno::Errno::ESRCH) || is_zombie(pid)
}

/// A process id for kill(2), for which zero and negative numbers mean groups of processes.
fn one_process(pid: u32) -> io::Result<nix::unistd::Pid> {
    match i32::try_from(pid) {
        Ok(raw @ 1..) => Ok(nix::unistd::Pid::from_raw(raw)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not the id of a process")),
    }
}

/// Whether Linux shows the process as ended but not yet reaped; elsewhere there is no `/proc` to ask.
fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        // The name in parentheses may hold anything, so the state is looked for behind its end.
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
    })
}

fn is_private(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o777 == 0o700
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_created_private_and_a_wider_one_is_tightened() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        private_folder(&inner).unwrap();
        assert_eq!(fs::metadata(&inner).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&inner, Permissions::from_mode(0o755)).unwrap();
        private_folder(&inner).unwrap();
        assert_eq!(fs::metadata(&inner).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_others_share_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().join("tmp");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(private_folder(&shared).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::metadata(&shared).unwrap().mode() & 0o7777, 0o1777);
        assert!(is_shared(Path::new("/"), 0o755) && is_shared(Path::new("/run"), 0o755));
        assert!(!is_shared(Path::new("/run/fourinsight"), 0o755) && !is_shared(Path::new("/data"), 0o755));
    }

    #[test]
    fn a_link_in_place_of_a_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert_eq!(private_folder(&link).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_file_is_private_whatever_it_was_before_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "kept").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        private_file(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(private_file(&link).is_err());
    }

    #[test]
    fn the_socket_is_in_the_runtime_folder_or_else_in_the_state_folder() {
        let folder = tempfile::tempdir().unwrap();
        let usual = folder.path().join("usual");
        let place = |announced: Option<&str>| {
            endpoint_path_in(Path::new("/state"), announced.map(PathBuf::from), Some(usual.clone()))
        };
        let in_state = Path::new("/state/run/broker.sock");
        assert_eq!(place(Some("/run/x")), Path::new("/run/x/fourinsight/broker.sock"));
        for announced in [None, Some(""), Some("relative")] {
            assert_eq!(place(announced), in_state, "no usual folder: {announced:?}");
        }
        fs::create_dir(&usual).unwrap();
        fs::set_permissions(&usual, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(place(None), in_state, "others can enter the usual folder");
        fs::set_permissions(&usual, Permissions::from_mode(0o700)).unwrap();
        assert_eq!(place(None), usual.join("fourinsight/broker.sock"));
        assert_eq!(endpoint_path_in(Path::new("/state"), None, None), in_state);
    }

    #[test]
    fn a_path_over_the_limit_is_refused_with_the_limit() {
        let error = Endpoint::new(format!("/{}", "x".repeat(200))).unwrap_err();
        assert!(error.to_string().contains("107") || error.to_string().contains("103"), "{error}");
    }

    #[test]
    fn both_ends_of_a_pair_are_this_user() {
        let (one, other) = UnixStream::pair().unwrap();
        assert!(peer_is_this_user(&one).unwrap());
        assert!(peer_is_this_user(&other).unwrap());
    }

    #[test]
    fn a_detached_start_reports_readiness_or_the_exit_code() {
        let run = |script: &str| {
            let log = OpenOptions::new().write(true).open("/dev/null").unwrap();
            let arguments = vec!["-c".into(), script.into()];
            spawn_detached(
                DetachedSpawn { program: "/bin/sh".into(), arguments, log },
                Duration::from_secs(20),
            )
        };
        assert_eq!(run("echo ready").unwrap(), SpawnOutcome::Ready);
        assert_eq!(run("exit 75").unwrap(), SpawnOutcome::Exited(Some(75)));
    }

    #[test]
    fn a_process_is_asked_to_end_and_its_end_is_seen_before_it_is_reaped() {
        let mut child =
            Command::new("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        assert!(!has_ended(child.id()));
        terminate(child.id()).unwrap();
        // The end of its output is the sign that it is gone, or about to be.
        let mut rest = Vec::new();
        io::Read::read_to_end(&mut child.stdout.take().unwrap(), &mut rest).unwrap();
        if cfg!(target_os = "linux") {
            while !has_ended(child.id()) {
                std::thread::yield_now();
            }
        }
        child.wait().unwrap();
        assert!(has_ended(child.id()));
    }

    #[test]
    fn no_group_of_processes_is_ever_meant() {
        for pid in [0, u32::MAX] {
            assert_eq!(terminate(pid).unwrap_err().kind(), io::ErrorKind::InvalidInput);
            assert!(has_ended(pid));
        }
    }
}
