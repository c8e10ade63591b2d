//! All sessions into a backup, and those that are missing out of one.

use std::time::Duration;

use fourinsight_ipc::message::{KeptSession, RestoreResponse};

use super::Broker;
use crate::{
    session::{NotRestored, Restored, record},
    store::BackedUp,
};

/// How long a backup waits for renewals under way, all together.
const PATIENCE: Duration = Duration::from_secs(20);

impl Broker {
    /// Every session that is to be on a disk, with what a person should know of them.
    pub(crate) async fn back_up(&self) -> (Vec<BackedUp>, Vec<String>) {
        let clock = &self.environment.clock;
        let deadline = clock.now() + PATIENCE;
        let mut sessions = Vec::new();
        for session in self.sessions() {
            sessions.extend(session.back_up(deadline.since(clock.now())).await);
        }
        let midway = sessions.iter().filter(|session| session.midway);
        let notes = midway.map(|session| {
            format!(
                "session {}: a renewal was under way and did not end in time, so its refresh token may be spent in this \
                 backup; make another one later",
                session.key
            )
        });
        let notes = notes.collect();
        (sessions, notes)
    }

    /// Adds the sessions that are missing here; with `dry_run` only says which.
    pub(crate) async fn restore_backup(&self, backup: Vec<BackedUp>, dry_run: bool) -> RestoreResponse {
        let mut answer = RestoreResponse::default();
        for BackedUp { key, generation, record, .. } in backup {
            let outcome = match record::decode(&record, &self.environment.clock) {
                Ok((phase, login)) => {
                    let restored = Restored { generation, phase, login };
                    match self.session(&key) {
                        None if dry_run => Ok(()),
                        Some(session) => in_words(session.restore(restored, dry_run).await),
                        None => in_words(self.session_or_new(&key).restore(restored, false).await),
                    }
                }
                Err(error) => Err(format!("{error}; restore it with the version that made the backup")),
            };
            match outcome {
                Ok(()) => answer.restored.push(key),
                Err(reason) => answer.kept.push(KeptSession::new(key, reason)),
            }
        }
        answer
    }
}

fn in_words(outcome: Option<Result<(), NotRestored>>) -> Result<(), String> {
    let why = match outcome {
        Some(Ok(())) => return Ok(()),
        Some(Err(NotRestored::SignedIn)) => {
            "somebody is signed in, and is not signed out for a backup: a server that replaces refresh tokens takes an \
             old one as stolen, and ends the login"
        }
        Some(Err(NotRestored::Opening)) => "the daemon is opening it by itself",
        Some(Err(NotRestored::Revoking)) => "it is being revoked",
        Some(Err(NotRestored::Later)) => {
            "what is known of it here is later than the backup: the refresh token in the backup has been used since, and \
             a server that replaces refresh tokens takes an old one as stolen; sign in again"
        }
        None => "the daemon is stopping",
    };
    Err(why.to_owned())
}
