//! A session's part in backups.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Task;
use crate::{
    session::{
        event::Event,
        keeping::{Keeping, Restored},
        record,
        restoring::NotRestored,
        state::Phase,
    },
    store::BackedUp,
};

/// Where a session goes that is to be backed up once no renewal is under way.
pub(super) type Waiting = oneshot::Sender<Option<BackedUp>>;

impl Task {
    pub(super) async fn keep(&mut self, keeping: Keeping) {
        match keeping {
            Keeping::BackUp { midway: false, done } if self.work.is_some() => self.backups.push(done),
            Keeping::BackUp { done, .. } => drop(done.send(self.backed_up())),
            Keeping::Restore { restored, dry_run, done } => {
                // A caller that has gone away needs no answer.
                let _ = done.send(self.restore(*restored, dry_run).await);
            }
        }
    }

    /// Answers those who wait for the end of a renewal.
    pub(super) fn release_backups(&mut self) {
        if self.work.is_none() {
            for done in std::mem::take(&mut self.backups) {
                drop(done.send(self.backed_up()));
            }
        }
    }

    /// The session as memory has it, which may be newer than what the disk could take.
    fn backed_up(&self) -> Option<BackedUp> {
        let is_there = !matches!(self.state.phase, Phase::SignedOut | Phase::Revoking(_));
        (is_there && !self.in_memory()).then(|| BackedUp {
            key: self.key.clone(),
            generation: self.state.generation,
            midway: self.work.is_some(),
            record: record::encode(&self.state.phase, self.login.as_deref(), &self.environment.clock),
        })
    }

    async fn restore(&mut self, restored: Restored, dry_run: bool) -> Result<(), NotRestored> {
        let Restored { generation, phase, login } = restored;
        self.state.may_restore(generation)?;
        if dry_run {
            return Ok(());
        }
        if matches!(phase, Phase::Opening(_)) {
            self.opener = login.as_ref().map(|login| Arc::new(login.opener()));
        }
        let login = login.map(|login| login.sharing(&self.environment.registrations));
        self.login = login.map(Arc::new);
        tracing::info!(session = %self.named(), "restored from a backup");
        self.handle(Event::Restore { phase: Box::new(phase), generation }).await;
        Ok(())
    }
}
