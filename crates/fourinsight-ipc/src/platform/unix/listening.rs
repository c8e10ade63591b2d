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

/// The process that opened a connection.
#[cfg(not(target_os = "macos"))]
fn peer_process(socket: &impl AsFd) -> io::Result<u32> {
    let credentials = nix::sys::socket::getsockopt(socket, nix::sys::socket::sockopt::PeerCredentials)?;
    u32::try_from(credentials.pid()).map_err(io::Error::other)
}

/// The process that opened a connection.
#[cfg(target_os = "macos")]
fn peer_process(socket: &impl AsFd) -> io::Result<u32> {
    let process = nix::sys::socket::getsockopt(socket, nix::sys::socket::sockopt::LocalPeerPid)?;
    u32::try_from(process).map_err(io::Error::other)
}
