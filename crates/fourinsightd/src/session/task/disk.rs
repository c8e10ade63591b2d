//! What of a session is on the disk, and what is not to be.

use fourinsight_ipc::message::{KeptBy, Lifetime};

use super::{Environment, Task};
use crate::{
    fault,
    session::{event::Event, record, rotation, state::Phase},
    store::StoreError,
};

impl Task {
    /// Whether nothing of the session is to be on the disk.
    pub(super) fn in_memory(&self) -> bool {
        !self.lifetime().is_stored()
    }

    /// How long the session lasts.
    pub(super) fn lifetime(&self) -> Lifetime {
        self.login.as_ref().map_or(self.environment.lifetime, |login| login.lifetime)
    }

    /// Has the disk hold what the session is now.
    pub(super) async fn persist(&mut self) -> Event {
        if self.in_memory() {
            return self.wipe().await;
        }
        self.set_interrupted_aside().await;
        let Environment { store, clock, .. } = &*self.environment;
        let generation = self.state.generation;
        let record = record::encode(&self.state.phase, self.login.as_deref(), clock);
        match store.compare_and_put(&self.key, self.stored, generation, record).await {
            Ok(()) => {
                fault::point("record_put");
                (self.stored, self.attempted) = (Some(generation), None);
                tracing::trace!(session = %self.named(), generation, "the record is durable");
                Event::Persisted
            }
            Err(error) => {
                // The store has one writer, us: what it holds instead can only be our own last attempt.
                if matches!(error, StoreError::Conflict) {
                    std::mem::swap(&mut self.stored, &mut self.attempted);
                } else {
                    self.attempted = Some(generation);
                }
                tracing::error!(session = %self.named(), generation, %error, "the record cannot be written; it is kept in memory");
                Event::PersistFailed
            }
        }
    }

    /// Where the newest refresh token is kept.
    pub(super) fn kept_by(&self) -> KeptBy {
        let generation = Some(self.state.generation);
        if self.in_memory() {
            KeptBy::Nothing
        } else if self.stored == generation {
            KeptBy::Record
        } else if self.journalled == generation {
            KeptBy::Journal
        } else {
            KeptBy::Memory
        }
    }

    /// Keeps a copy of the record whose refresh token the server no longer takes after an interrupted renewal: should
    /// the server's people be able to say what became of it, nothing is missing.
    async fn set_interrupted_aside(&mut self) {
        let Phase::LoginRequired { failure, .. } = &self.state.phase else { return };
        if !rotation::is_interruption(failure)
            || self.stored.is_none_or(|stored| stored >= self.state.generation)
        {
            return;
        }
        let copied = self.environment.store.set_aside(&self.key, failure.description.clone()).await;
        if let Err(error) = copied {
            tracing::warn!(session = %self.named(), %error, "the record before the interruption is not copied");
        }
    }

    /// Closes the journal slot of a redemption whose outcome is on the disk.
    pub(super) async fn settle(&mut self) {
        if let Err(error) = self.environment.store.settle(&self.key, self.state.generation).await {
            tracing::debug!(session = %self.named(), %error, "the journal slot cannot be settled yet");
        }
    }

    /// Deletes the record. Returns whether the disk took that.
    pub(super) async fn forget(&mut self) -> bool {
        if self.in_memory() && self.holds_nothing() {
            self.login = None;
            return true;
        }
        if let Err(error) = self.environment.store.delete(&self.key).await {
            tracing::error!(session = %self.named(), %error, "the record cannot be deleted; that is tried every second");
            return false;
        }
        fault::point("forgotten");
        (self.stored, self.attempted) = (None, None);
        self.login = None;
        true
    }

    /// A redemption that began for a stored login writes its journal slot, even when it ends for one that is not to
    /// be on the disk.
    pub(super) async fn wipe_stale_slot(&mut self) {
        let journalled = self.redeeming.as_ref().is_some_and(|login| login.lifetime.is_stored());
        if journalled && self.in_memory() {
            self.attempted = Some(self.state.generation);
            self.wipe().await;
        }
    }

    /// Deletes what the disk holds of the login before this one.
    async fn wipe(&mut self) -> Event {
        if self.holds_nothing() {
            return Event::Persisted;
        }
        match self.environment.store.delete(&self.key).await {
            Ok(()) => {
                (self.stored, self.attempted) = (None, None);
                Event::Persisted
            }
            Err(error) => {
                tracing::error!(session = %self.named(), %error, "what the disk holds of the login before cannot be deleted");
                Event::PersistFailed
            }
        }
    }

    /// Whether the disk holds nothing that this task has written or found there.
    fn holds_nothing(&self) -> bool {
        self.stored.is_none() && self.attempted.is_none()
    }
}
