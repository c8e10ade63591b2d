//! The listening socket: bound where nothing else serves, bound again should its path vanish, removed at the end.

use std::{
    io,
    path::{Path, PathBuf},
};

use fourinsight_ipc::{
    Endpoint,
    platform::{self, Listener},
};

use crate::sys::{self, FileIdentity};

/// The daemon's listening socket.
pub(crate) struct Socket {
    listener: Listener,
    /// Absent for a socket that a service manager has opened and looks after.
    bound: Option<Bound>,
}

struct Bound {
    endpoint: Endpoint,
    identity: Option<FileIdentity>,
}

/// Why the socket cannot be bound.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    #[error("another daemon serves {0}")]
    Served(Endpoint),
    #[error("{} is there and is no socket; move it away, or choose another path with --socket", .0.display())]
    InTheWay(PathBuf),
    #[error("cannot listen on {endpoint}: {error}")]
    Io { endpoint: Endpoint, error: io::Error },
}

impl Socket {
    /// Binds the endpoint. The caller holds the lock of its state folder; a socket that answers all the same
    /// belongs to a daemon on another state.
    pub(crate) fn bind(endpoint: &Endpoint) -> Result<Self, BindError> {
        let failed = |error| BindError::Io { endpoint: endpoint.clone(), error };
        if let Some(folder) = sys::socket_folder(endpoint) {
            platform::private_folder(&folder).map_err(failed)?;
        }
        if sys::is_something_else(endpoint.as_path()) {
            return Err(BindError::InTheWay(endpoint.as_path().to_owned()));
        }
        if platform::connect(endpoint).is_ok() {
            return Err(BindError::Served(endpoint.clone()));
        }
        sys::remove_socket(endpoint.as_path()).map_err(failed)?;
        let listener = platform::listen(endpoint).map_err(failed)?;
        let identity = sys::file_identity(endpoint.as_path());
        Ok(Self { listener, bound: Some(Bound { endpoint: endpoint.clone(), identity }) })
    }

    /// Takes the socket that a service manager handed over, if it handed one over.
    pub(crate) fn handed_over() -> io::Result<Option<(Self, Endpoint)>> {
        let Some((listener, path)) = sys::handed_over_socket()? else { return Ok(None) };
        let endpoint = Endpoint::new(path).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Some((Self { listener, bound: None }, endpoint)))
    }

    pub(crate) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Binds again when the path has vanished or leads elsewhere: a cleaned runtime folder must not cut everyone
    /// off. Connections that are open stay open.
    pub(crate) fn bind_again_if_gone(&mut self) {
        let Some(bound) = &self.bound else { return };
        if bound.identity.is_none() || sys::file_identity(bound.endpoint.as_path()) == bound.identity {
            return;
        }
        match Self::bind(&bound.endpoint) {
            Ok(socket) => {
                tracing::warn!(socket = %bound.endpoint, "the socket had vanished; it is bound again");
                *self = socket;
            }
            Err(error) => tracing::error!(%error, "the socket has vanished and cannot be bound again"),
        }
    }

    /// Stops listening and removes the socket, if it is still ours.
    pub(crate) fn close(self) {
        let Some(Bound { endpoint, identity }) = self.bound else { return };
        if identity.is_some() && sys::file_identity(endpoint.as_path()) == identity {
            remove(endpoint.as_path());
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = sys::remove_socket(path) {
        tracing::warn!(%error, "the socket could not be removed");
    }
}

#[cfg(test)]
mod tests;
