//! The end of a login session. Its leading process is watched where the system offers that, so that the end is known
//! at once; the shared ticker looks as well, for everything else that can end one.

use fourinsight_ipc::platform::{self, LoginSession};
use tokio::sync::watch;

/// Completes when a login session has ended.
pub(crate) async fn logged_out(session: LoginSession, mut ticks: watch::Receiver<()>) {
    // Watched before it is looked at: a process id that is another's by then belongs to a login session that is over.
    let ended = this::ended(session.leader());
    tokio::pin!(ended);
    while !platform::is_over(&session) {
        tokio::select! {
            () = &mut ended => return,
            ticked = ticks.changed() => if ticked.is_err() {
                // The daemon is stopping.
                std::future::pending::<()>().await;
            },
        }
    }
}

/// Linux: a descriptor for the process, which becomes readable when it ends.
#[cfg(target_os = "linux")]
mod this {
    use std::{
        io,
        os::fd::{FromRawFd, OwnedFd},
    };

    use nix::{errno::Errno, libc};
    use tokio::io::{Interest, unix::AsyncFd};

    /// Completes when this process ends; never where that cannot be watched.
    pub(super) fn ended(process: Option<u32>) -> impl Future<Output = ()> + Send {
        let watched = process.map(watch);
        async move {
            match watched {
                Some(Ok(process)) if process.readable().await.is_ok() => {}
                Some(Err(error)) if error.raw_os_error() == Some(libc::ESRCH) => {}
                _ => std::future::pending().await,
            }
        }
    }

    fn watch(process: u32) -> io::Result<AsyncFd<OwnedFd>> {
        let process = libc::pid_t::try_from(process).map_err(io::Error::other)?;
        #[expect(unsafe_code, reason = "neither the C library nor nix has a name for this call")]
        // SAFETY: it takes two numbers; what it returns is a new descriptor, nobody else's.
        let descriptor = unsafe {
            let opened = libc::syscall(libc::SYS_pidfd_open, process, 0);
            OwnedFd::from_raw_fd(i32::try_from(Errno::result(opened)?).map_err(io::Error::other)?)
        };
        #[expect(unsafe_code, reason = "tokio watches a bare descriptor only on such a promise")]
        // SAFETY: the descriptor is owned, and lives as long as the `AsyncFd` that it is moved into.
        let watched = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
        Ok(watched?)
    }
}

/// macOS: the kernel's queue of events tells of the end of a process.
#[cfg(target_os = "macos")]
mod this {
    use std::{io, os::fd::OwnedFd};

    use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
    use tokio::io::{Interest, unix::AsyncFd};

    /// Completes when this process ends; never where that cannot be watched.
    pub(super) fn ended(process: Option<u32>) -> impl Future<Output = ()> + Send {
        let watched = process.map(watch);
        async move {
            match watched {
                Some(Ok(queue)) if queue.readable().await.is_ok() => {}
                _ => std::future::pending().await,
            }
        }
    }

    fn watch(process: u32) -> io::Result<AsyncFd<OwnedFd>> {
        let queue = Kqueue::new()?;
        let flags = EvFlags::EV_ADD | EvFlags::EV_ONESHOT;
        let ends = FilterFlag::NOTE_EXIT;
        let event = KEvent::new(process as usize, EventFilter::EVFILT_PROC, flags, ends, 0, 0);
        queue.kevent(&[event], &mut [], None)?;
        #[expect(unsafe_code, reason = "tokio watches a bare descriptor only on such a promise")]
        // SAFETY: the descriptor is owned, and lives as long as the `AsyncFd` that it is moved into.
        let watched = unsafe { AsyncFd::register_with_interest(queue.into(), Interest::READABLE) };
        Ok(watched?)
    }
}

/// Windows: only the ticker looks.
#[cfg(windows)]
mod this {
    /// Never completes.
    pub(super) fn ended(_process: Option<u32>) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a terminal whose leader has ended, or is another process by now.
    fn gone() -> LoginSession {
        LoginSession::Terminal { leader: std::process::id(), since: 0 }
    }

    #[tokio::test]
    async fn one_that_is_over_already_is_told_at_once() {
        let (_ticker, ticks) = watch::channel(());
        logged_out(gone(), ticks).await;
    }
}
