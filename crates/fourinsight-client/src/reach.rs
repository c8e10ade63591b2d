//! The way to the daemon: where it may listen, whether it is ours, and patience while it starts.

use std::{
    io,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fourinsight_ipc::{
    Endpoint, LocationOptions, Locations,
    platform::{self, NotTrusted, Stream},
};

use crate::{Error, StartFailure, deadline::Deadline, start};

/// How long a daemon that was there a moment ago may be away: as long as a service manager needs to restart it.
const RESTART: Duration = Duration::from_secs(2);
/// How long a daemon that reported to be ready may take to be found, and how long a lost start is tried again.
const SETTLE: Duration = Duration::from_secs(10);
/// How long a daemon that another process is starting may take before a start is tried again.
const WINNER: Duration = Duration::from_secs(1);
/// How often to look meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Never met: locations always lead to one endpoint at least.
const NOWHERE: Error = Error::Protocol("there is no endpoint to try");

/// Finds the daemon.
pub(crate) struct Reach {
    target: Target,
    /// The daemon was there when it was last looked for: should it be away now, it may be restarting.
    reached: AtomicBool,
}

/// What the caller said about where the daemon is.
#[derive(Debug)]
pub(crate) enum Target {
    /// At one endpoint.
    Endpoint(Endpoint),
    /// Where these locations lead.
    Locations(Locations),
}

impl Reach {
    /// Looks where it is told to.
    pub(crate) fn new(target: Target) -> Self {
        Self { target, reached: AtomicBool::new(false) }
    }

    /// Where it looks.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Connects to the first endpoint at which a server of this user listens.
    pub(crate) fn connect(&self) -> Result<Stream, Error> {
        let mut problem = None;
        for endpoint in self.endpoints()? {
            let attempt = match platform::connect(&endpoint) {
                Ok(stream) => check(&endpoint, platform::peer_is_this_user(&stream)).map(|()| stream),
                Err(error) => Err(refused(&endpoint, error)),
            };
            match attempt {
                Ok(stream) => return Ok(self.found(stream)),
                Err(error) => problem = Some(graver(problem, error)),
            }
        }
        Err(problem.unwrap_or(NOWHERE))
    }

    /// The same for one that is not there at once: waits for a restart to end, then starts it if it is to.
    ///
    /// `starting` is held meanwhile, so that the threads of one process start one daemon.
    pub(crate) fn connect_patiently<'a>(
        &self,
        start: bool,
        starting: impl FnOnce() -> MutexGuard<'a, ()>,
    ) -> Result<Stream, Error> {
        let patience = if self.reached.load(Ordering::Relaxed) { RESTART } else { Duration::ZERO };
        let absent = match self.connect_within(patience) {
            Err(absent @ Error::NotRunning { .. }) => absent,
            other => return other,
        };
        self.reached.store(false, Ordering::Relaxed);
        if !start {
            return Err(absent);
        }
        let _starting = starting();
        match self.connect() {
            Err(Error::NotRunning { .. }) => {}
            other => return other,
        }
        let locations = self.locations()?;
        let deadline = Deadline::after(SETTLE);
        loop {
            let exit_code = start::start(&locations)?;
            // One that lost to a daemon which is stopping leaves nobody behind: then it is started again.
            let patience = if exit_code.is_some() { WINNER } else { SETTLE };
            match self.connect_within(patience) {
                Err(Error::NotRunning { .. }) if exit_code.is_some() && deadline.remaining().is_some() => {}
                Err(Error::NotRunning { .. }) => {
                    return Err(Error::StartFailed {
                        failure: StartFailure::NotReady,
                        exit_code,
                        log_file: locations.log_file(),
                    });
                }
                other => return other,
            }
        }
    }

    fn connect_within(&self, limit: Duration) -> Result<Stream, Error> {
        let deadline = Deadline::after(limit);
        loop {
            match self.connect() {
                Err(Error::NotRunning { .. }) if deadline.remaining().is_some() => pause(LOOK_AGAIN),
                other => return other,
            }
        }
    }

    fn found<S>(&self, stream: S) -> S {
        self.reached.store(true, Ordering::Relaxed);
        stream
    }

    fn endpoints(&self) -> Result<Vec<Endpoint>, Error> {
        match &self.target {
            Target::Endpoint(endpoint) => Ok(vec![endpoint.clone()]),
            Target::Locations(locations) => Ok(locations.endpoints_to_try()?),
        }
    }

    /// What a daemon started for this client is told: for a bare endpoint the user's own state, served there.
    fn locations(&self) -> Result<Locations, Error> {
        match &self.target {
            Target::Locations(locations) => Ok(locations.clone()),
            Target::Endpoint(endpoint) => Ok(Locations::resolve(LocationOptions {
                socket: Some(endpoint.as_path().to_owned()),
                ..LocationOptions::default()
            })?),
        }
    }
}

#[cfg(feature = "tokio")]
impl Reach {
    /// [`connect`](Self::connect), asynchronously.
    pub(crate) async fn connect_async(&self) -> Result<platform::AsyncStream, Error> {
        let mut problem = None;
        for endpoint in self.endpoints()? {
            let attempt = match platform::connect_async(&endpoint).await {
                Ok(stream) => check(&endpoint, platform::async_peer_is_this_user(&stream)).map(|()| stream),
                Err(error) => Err(refused(&endpoint, error)),
            };
            match attempt {
                Ok(stream) => return Ok(self.found(stream)),
                Err(error) => problem = Some(graver(problem, error)),
            }
        }
        Err(problem.unwrap_or(NOWHERE))
    }
}

fn refused(endpoint: &Endpoint, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            Error::NotRunning { endpoint: endpoint.clone() }
        }
        _ => Error::Io(error),
    }
}

fn check(endpoint: &Endpoint, is_this_user: io::Result<bool>) -> Result<(), Error> {
    if is_this_user? { Ok(()) } else { Err(NotTrusted { endpoint: endpoint.to_string() }.into()) }
}

/// Of the problems met at several endpoints, the one to report: that nobody is there says least.
fn graver(earlier: Option<Error>, later: Error) -> Error {
    match earlier {
        None | Some(Error::NotRunning { .. }) => later,
        Some(earlier) => earlier,
    }
}

/// Lets a little time pass before looking again: nothing tells this process of a daemon that another one starts.
///
/// It waits on a lock of its own. Parking the thread instead could swallow a wake-up meant for the caller.
fn pause(length: Duration) {
    let nobody_signals = Condvar::new();
    let mutex = Mutex::new(());
    let guard = mutex.lock().unwrap_or_else(PoisonError::into_inner);
    drop(nobody_signals.wait_timeout(guard, length));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_nobody_is_there_is_reported_only_when_nothing_worse_was_met() {
        let nobody = || Error::NotRunning { endpoint: Endpoint::new("/x").unwrap() };
        let strange = || Error::from(NotTrusted { endpoint: "/y".into() });
        assert!(matches!(graver(None, nobody()), Error::NotRunning { .. }));
        assert!(matches!(graver(Some(nobody()), strange()), Error::NotTrusted(_)));
        assert!(matches!(graver(Some(strange()), nobody()), Error::NotTrusted(_)));
    }

    #[test]
    fn a_missing_socket_is_a_daemon_that_does_not_run_and_a_closed_door_is_not() {
        let endpoint = Endpoint::new("/x").unwrap();
        assert!(matches!(refused(&endpoint, io::ErrorKind::NotFound.into()), Error::NotRunning { .. }));
        assert!(matches!(
            refused(&endpoint, io::ErrorKind::ConnectionRefused.into()),
            Error::NotRunning { .. }
        ));
        assert!(matches!(refused(&endpoint, io::ErrorKind::PermissionDenied.into()), Error::Io(_)));
    }
}
