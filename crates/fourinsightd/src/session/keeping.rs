//! What a backup takes from a session, and what it gives back.

use std::time::Duration;

use tokio::{sync::oneshot, time::timeout};

use super::{Command, Handle, record::Login, restoring::NotRestored, state::Phase};
use crate::store::BackedUp;

/// What is asked of a session for a backup.
pub(crate) enum Keeping {
    /// What it is now goes into a backup: once no renewal is under way, unless it is to be midway.
    BackUp { midway: bool, done: oneshot::Sender<Option<BackedUp>> },
    /// It is to be as it was in a backup, or only to say whether it may.
    Restore { restored: Box<Restored>, dry_run: bool, done: oneshot::Sender<Result<(), NotRestored>> },
}

/// What a backup knows of a session.
pub(crate) struct Restored {
    pub(crate) generation: u64,
    pub(crate) phase: Phase,
    pub(crate) login: Option<Login>,
}

impl Handle {
    /// What goes into a backup; `None` when nothing of the session is to be on a disk. A renewal is waited for, but not
    /// for longer than `wait`: then the session is taken as it is in the middle of it.
    pub(crate) async fn back_up(&self, wait: Duration) -> Option<BackedUp> {
        let ask = |midway| self.ask(move |done| Command::Keeping(Keeping::BackUp { midway, done }));
        match timeout(wait, ask(false)).await {
            Ok(answer) => answer?,
            Err(_) => ask(true).await?,
        }
    }

    /// Has the session be as a backup knows it, or says with `dry_run` whether it would; `None` when the daemon is
    /// stopping.
    pub(crate) async fn restore(&self, restored: Restored, dry_run: bool) -> Option<Result<(), NotRestored>> {
        let restored = Box::new(restored);
        self.ask(|done| Command::Keeping(Keeping::Restore { restored, dry_run, done })).await
    }
}
