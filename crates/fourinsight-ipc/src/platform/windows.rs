//! Named pipes, users by their SID, and processes without a console.
//!
//! What Unix does with modes is done here with access lists: a pipe's names its user alone, and files and folders
//! inherit that of the profile folder, which keeps other users out.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    os::windows::{
        ffi::OsStrExt,
        fs::OpenOptionsExt,
        io::{AsHandle, BorrowedHandle},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use windows_sys::Win32::{
    Storage::FileSystem::FILE_FLAG_OPEN_REPARSE_POINT,
    System::{
        Pipes::PIPE_SERVER_END,
        Threading::{CREATE_NEW_PROCESS_GROUP, DETACHED_PROCESS},
    },
};

use super::{DetachedSpawn, FirstLine, SpawnOutcome, first_line};
use crate::{Endpoint, location::LocationError};

mod desktop;
mod own_file;
mod pipe;
mod process;
mod terminal;
mod user;

pub use desktop::{is_over, login_session};
pub use own_file::{is_only_ours, open_own_file, tighten_file};
pub use pipe::Stream;
pub use process::{has_ended, stop_event, terminate};
pub use terminal::HiddenInput;
use user::Sid;

/// The longest name of a pipe, in characters.
const LONGEST_NAME: usize = 256;
/// What the name of a pipe on this machine begins with.
const LOCAL_PIPE: &str = r"\\.\pipe\";

/// The state folder below a home folder: the place that the replaced system documents.
pub fn default_state_dir(home: &Path) -> PathBuf {
    home.join(r".fourinsight\api")
}

/// The pipe's default name: one for each user, since pipes of all users share one folder.
pub fn default_endpoint_path(_state_dir: &Path) -> PathBuf {
    // Without a readable token nothing can be served or trusted either, and that is where it is reported.
    let user = Sid::of_this_user().and_then(|sid| sid.text()).unwrap_or_else(|_| "unknown-user".to_owned());
    PathBuf::from(format!("{LOCAL_PIPE}fourinsight-{user}"))
}

/// Refuses a pipe name that does not fit.
pub(crate) fn check_endpoint(path: &Path) -> Result<(), LocationError> {
    let length = path.as_os_str().encode_wide().count();
    if length > LONGEST_NAME {
        return Err(LocationError::TooLong { path: path.to_owned(), length, limit: LONGEST_NAME });
    }
    Ok(())
}

/// Opens a blocking connection.
pub fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
    on_this_machine(endpoint)?;
    Stream::open(endpoint.as_path())
}

/// Limits how long one read or one write on a blocking connection may wait.
pub fn set_timeout(stream: &Stream, limit: Duration) -> io::Result<()> {
    stream.set_timeout(limit)
}

/// Whether the process at the other end runs as this user. Asked of the kernel, so before a byte is exchanged.
pub fn peer_is_this_user(pipe: &impl AsHandle) -> io::Result<bool> {
    Ok(peer(pipe.as_handle())? == Sid::of_this_user()?)
}

/// The user at the other end. A client asks who owns the pipe, which only its owner can decide; a server asks whose
/// process the client is.
fn peer(pipe: BorrowedHandle<'_>) -> io::Result<Sid> {
    if pipe::flags(pipe)? & PIPE_SERVER_END == 0 {
        Sid::of_owner(pipe)
    } else {
        Sid::of_process(pipe::client_process(pipe)?)
    }
}

/// A pipe's name may also lead to another machine, where nobody is to be greeted with this user's name.
fn on_this_machine(endpoint: &Endpoint) -> io::Result<()> {
    let name = endpoint.as_path().as_os_str().to_string_lossy();
    if name.get(..LOCAL_PIPE.len()).is_some_and(|start| start.eq_ignore_ascii_case(LOCAL_PIPE)) {
        return Ok(());
    }
    let text = format!("{endpoint} is no pipe of this machine; its name begins with {LOCAL_PIPE}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// Creates a folder. It inherits the access list of the profile folder that it lies in.
///
/// Refuses anything that is no folder, a link or junction included.
pub fn private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    if fs::symlink_metadata(path)?.is_dir() {
        return Ok(());
    }
    let text = format!("{} is not a folder; move it away or choose another", path.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

/// Opens a file for reading and writing; follows no link. It inherits the access list of its folder.
pub fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    let text = format!("{} is not a plain file; move it away", path.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

/// Makes the creation, renaming or removal of a folder's entries outlast a power cut.
///
/// NTFS journals its folders and offers no way to sync one.
pub fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Starts a program without a console or standard input, in a process group of its own, and waits at most `limit` for
/// its first line on standard output.
pub fn spawn_detached(spawn: DetachedSpawn, limit: Duration) -> io::Result<SpawnOutcome> {
    let mut command = Command::new(&spawn.program);
    command
        .args(&spawn.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(spawn.log)
        .creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
    // A process keeps its working folder from being removed: it is to be one that nobody removes.
    if let Some(windows) = std::env::var_os("SystemRoot") {
        command.current_dir(windows);
    }
    let mut child = command.spawn()?;
    let Some(output) = child.stdout.take() else { return Ok(SpawnOutcome::StillStarting) };
    match first_line(output, limit) {
        FirstLine::Written => Ok(SpawnOutcome::Ready),
        FirstLine::Closed => Ok(SpawnOutcome::Exited(child.wait()?.code())),
        FirstLine::Nothing => Ok(SpawnOutcome::StillStarting),
    }
}

/// Text as the system takes it: UTF-16, ended by a zero.
fn wide(text: &OsStr) -> Vec<u16> {
    text.encode_wide().chain([0]).collect()
}

#[cfg(feature = "tokio")]
pub use listening::*;

#[cfg(feature = "tokio")]
mod listening {
    use std::{io, os::windows::io::AsHandle};

    use interprocess::{
        local_socket::{
            GenericFilePath, ListenerOptions, ToFsName, tokio as local, traits::tokio::Listener as _,
            traits::tokio::Stream as _,
        },
        os::windows::local_socket::ListenerOptionsExt,
    };

    use super::{Sid, desktop, on_this_machine, peer, user};
    use crate::Endpoint;

    /// A listening pipe.
    pub use local::Listener;
    /// An asynchronous connection, at either end.
    pub use local::Stream as AsyncStream;

    /// Creates the pipe, which only its owner can open, and refuses a name that somebody already serves.
    ///
    /// The access list holds for every instance; access over the network is denied twice, by it and by the pipe's mode.
    pub fn listen(endpoint: &Endpoint) -> io::Result<Listener> {
        on_this_machine(endpoint)?;
        ListenerOptions::new()
            .name(endpoint.as_path().to_fs_name::<GenericFilePath>()?)
            .security_descriptor(user::for_this_user_alone()?)
            .create_tokio()
    }

    /// Accepts the next connection.
    pub async fn accept(listener: &Listener) -> io::Result<AsyncStream> {
        listener.accept().await
    }

    /// Opens an asynchronous connection.
    pub async fn connect_async(endpoint: &Endpoint) -> io::Result<AsyncStream> {
        on_this_machine(endpoint)?;
        AsyncStream::connect(endpoint.as_path().to_fs_name::<GenericFilePath>()?).await
    }

    /// Whether the process at the other end of an asynchronous connection runs as this user.
    pub fn async_peer_is_this_user(stream: &AsyncStream) -> io::Result<bool> {
        let AsyncStream::NamedPipe(pipe) = stream;
        Ok(peer(pipe.inner().as_handle())? == Sid::of_this_user()?)
    }

    /// Whose login session [`login_session`](super::login_session) is to be asked for: the one of the process at the
    /// other end.
    pub fn async_caller(stream: &AsyncStream) -> io::Result<u32> {
        let AsyncStream::NamedPipe(pipe) = stream;
        desktop::client_session(pipe.inner().as_handle())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_pipe_is_on_this_machine_and_names_its_user() {
        let name = default_endpoint_path(Path::new("anywhere"));
        let user = Sid::of_this_user().unwrap().text().unwrap();
        assert!(user.starts_with("S-1-"), "{user}");
        assert!(name.to_string_lossy().ends_with(&user));
        on_this_machine(&Endpoint::new(name).unwrap()).unwrap();
    }

    #[test]
    fn another_machine_is_never_called() {
        for name in [r"\\server\pipe\fourinsight", r"\\.\mailslot\x", r"C:\pipe", ""] {
            let error = connect(&Endpoint::new(name).unwrap()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
        }
    }

    #[test]
    fn a_pipe_that_nobody_serves_is_not_found() {
        let name = format!("{LOCAL_PIPE}fourinsight-nobody-{}", std::process::id());
        let error = connect(&Endpoint::new(name).unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_name_over_the_limit_is_refused_with_the_limit() {
        let error = Endpoint::new(format!("{LOCAL_PIPE}{}", "x".repeat(300))).unwrap_err();
        assert!(error.to_string().contains("256"), "{error}");
    }

    #[test]
    fn a_folder_and_a_file_are_created_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a").join("b");
        private_folder(&inner).unwrap();
        private_folder(&inner).unwrap();
        let path = inner.join("file");
        fs::write(&path, "kept").unwrap();
        private_file(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        assert!(private_folder(&path).is_err());
    }

    #[test]
    fn a_detached_start_reports_readiness_or_the_exit_code() {
        let run = |script: &str| {
            let folder = tempfile::tempdir().unwrap();
            let log = File::create(folder.path().join("log")).unwrap();
            let arguments = vec!["/c".into(), script.into()];
            let spawn = DetachedSpawn { program: "cmd.exe".into(), arguments, log };
            spawn_detached(spawn, Duration::from_secs(20)).unwrap()
        };
        assert_eq!(run("echo ready"), SpawnOutcome::Ready);
        assert_eq!(run("exit 75"), SpawnOutcome::Exited(Some(75)));
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn both_ends_of_a_pipe_are_this_user_and_a_read_that_waits_too_long_fails() {
        use std::io::{Read, Write};

        let name = format!("{LOCAL_PIPE}fourinsight-test-{}", std::process::id());
        let endpoint = Endpoint::new(name).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(async { listen(&endpoint) }).unwrap();
        let served = runtime.spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut stream = accept(&listener).await.unwrap();
            assert!(async_peer_is_this_user(&stream).unwrap());
            let mut question = [0; 4];
            stream.read_exact(&mut question).await.unwrap();
            stream.write_all(&question).await.unwrap();
            // Stays open until the client leaves.
            let _ = stream.read(&mut question).await;
        });
        let mut stream = connect(&endpoint).unwrap();
        assert!(peer_is_this_user(&stream).unwrap());
        set_timeout(&stream, Duration::from_secs(20)).unwrap();
        stream.write_all(b"ping").unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"ping");
        set_timeout(&stream, Duration::from_millis(50)).unwrap();
        assert_eq!(stream.read(&mut answer).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(stream);
        runtime.block_on(served).unwrap();
    }
}
