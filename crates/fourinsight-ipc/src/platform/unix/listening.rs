//! The asynchronous half: listening, and connections at either end.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use interprocess::local_socket::{
    GenericFilePath, ListenerOptions, ToFsName, tokio as local, traits::tokio::Listener as _,
    traits::tokio::Stream as _,
};
use interprocess::os::unix::{
    local_socket::ListenerOptionsExt, uds_local_socket::tokio::Listener as UnixListener,
};

use crate::Endpoint;

/// A listening socket.
pub use local::Listener;
/// An asynchronous connection, at either end.
pub use local::Stream as AsyncStream;

/// How many connections may wait to be accepted: a burst of a thousand clients must not meet a refusal.
const BACKLOG: i32 = 4096;

/// Binds the endpoint as a socket that only its owner can open. The folder must exist and be private.
pub fn listen(endpoint: &Endpoint) -> io::Result<Listener> {
    let options =
        ListenerOptions::new().name(endpoint.as_path().to_fs_name::<GenericFilePath>()?).reclaim_name(false);
    let options = if cfg!(target_os = "linux") { options.mode(0o600) } else { options };
    let listener = options.create_tokio()?;
    deepen(&listener)?;
    Ok(listener)
}

/// Takes a listening socket that a service manager has opened.
pub fn listen_on(socket: OwnedFd) -> io::Result<Listener> {
    let socket = std::os::unix::net::UnixListener::from(socket);
    socket.set_nonblocking(true)?;
    let listener: Listener = UnixListener::try_from(OwnedFd::from(socket))
        .map_err(|error| io::Error::other(format!("the socket handed over cannot be used: {error}")))?
        .into();
    deepen(&listener)?;
    Ok(listener)
}

/// Accepts the next connection.
pub async fn accept(listener: &Listener) -> io::Result<AsyncStream> {
    listener.accept().await
}

/// Opens an asynchronous connection.
pub async fn connect_async(endpoint: &Endpoint) -> io::Result<AsyncStream> {
    AsyncStream::connect(endpoint.as_path().to_fs_name::<GenericFilePath>()?).await
}

/// Whether the process at the other end of an asynchronous connection runs as this user.
pub fn async_peer_is_this_user(stream: &AsyncStream) -> io::Result<bool> {
    let AsyncStream::UdSocket(stream) = stream;
    super::peer_is_this_user(stream.inner())
}

/// Whose login session [`login_session`](super::login_session) is to be asked for: the process at the other end.
pub fn async_caller(stream: &AsyncStream) -> io::Result<u32> {
    let AsyncStream::UdSocket(stream) = stream;
    peer_process(stream.inner())
}

fn deepen(listener: &Listener) -> io::Result<()> {
    let Listener::UdSocket(socket) = listener;
    // Calling listen(2) again only changes the length of the queue.
    nix::sys::socket::listen(&socket.as_fd(), nix::sys::socket::Backlog::new(BACKLOG)?)?;
    Ok(())
}

/// The process that opened a connection, if it is there still. It may have ended while the connection waited to be
/// accepted, and left it to others: then its id may be another process's by now.
#[cfg(not(target_os = "macos"))]
fn peer_process(socket: &impl AsFd) -> io::Result<u32> {
    use nix::{
        errno::Errno,
        poll::{PollFd, PollFlags, PollTimeout, poll},
        sys::socket::{getsockopt, sockopt},
    };

    let credentials = getsockopt(socket, sockopt::PeerCredentials)?;
    match getsockopt(socket, sockopt::PeerPidfd) {
        Ok(process) => {
            // It becomes readable when the process ends.
            let mut asked = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
            if poll(&mut asked, PollTimeout::ZERO)? > 0 {
                return Err(Errno::ESRCH.into());
            }
        }
        // Linux before 6.5 has no such descriptors.
        Err(Errno::ENOPROTOOPT) => {}
        Err(error) => return Err(error.into()),
    }
    u32::try_from(credentials.pid()).map_err(io::Error::other)
}

/// The process that opened a connection.
#[cfg(target_os = "macos")]
fn peer_process(socket: &impl AsFd) -> io::Result<u32> {
    let process = nix::sys::socket::getsockopt(socket, nix::sys::socket::sockopt::LocalPeerPid)?;
    u32::try_from(process).map_err(io::Error::other)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        os::unix::{
            net::{UnixListener, UnixStream},
            process::CommandExt,
        },
        path::PathBuf,
        process::{Child, Command, Stdio},
    };

    use super::*;

    /// A process that has connected, and ends when its input does.
    #[expect(unsafe_code, reason = "another process must be the one that connects")]
    fn connected(path: PathBuf) -> Child {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped());
        // SAFETY: between fork and exec only socket(2), connect(2) and close(2) are called.
        unsafe {
            command.pre_exec(move || UnixStream::connect(&path).map(drop));
        }
        command.spawn().expect("cat can be run")
    }

    #[test]
    fn a_process_that_has_ended_before_its_connection_was_accepted_is_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let mut child = connected(path);
        let (stream, _) = listener.accept().unwrap();
        assert_eq!(peer_process(&stream).unwrap(), child.id());
        drop(child.stdin.take());
        child.wait().unwrap();
        match peer_process(&stream) {
            Err(error) => assert_eq!(error.raw_os_error(), Some(nix::errno::Errno::ESRCH as i32)),
            Ok(_) => assert!(
                nix::sys::socket::getsockopt(&stream, nix::sys::socket::sockopt::PeerPidfd).is_err(),
                "only a kernel without such descriptors cannot tell"
            ),
        }
    }
}
