//! What a session's task makes of what an earlier run of the daemon left unfinished.

use fourinsight_ipc::message::{Action, AttemptOutcome};

use crate::{authority::Failure, clock::Timestamp, history::Why, store::Slot, token::TokenKey};

use super::{
    super::{
        event::Event,
        redeem::{self, Found},
        rotation::{Cause, Interrupted},
        state::Phase,
    },
    Task,
};

impl Task {
    /// Takes up what an earlier run left unfinished.
    pub(super) async fn recover(&mut self, slot: Slot) {
        let stored = self.state.generation;
        match slot {
            Slot::Answer { generation, raw } if generation > stored => {
                self.state.generation = generation - 1;
                self.journalled = Some(generation);
                self.take_up(&raw).await;
            }
            Slot::Intent { generation, intent } if generation > stored => {
                self.state.generation = generation - 1;
                self.interrupted(Found::intent(&intent)).await;
            }
            Slot::Ahead { generation } => {
                tracing::error!(session = %self.named(), generation, stored, "the record was rolled back");
                self.state.generation = generation;
                let description = "the stored session is older than its journal: the disk has lost a write";
                let failure = Failure::ours("record_rolled_back", description);
                self.doubt(failure, self.end_of_token());
            }
            // Settled, or older than the record: the record's commit came after it.
            Slot::Settled | Slot::Answer { .. } | Slot::Intent { .. } => self.resume(None, None).await,
        }
        if matches!(self.state.phase, Phase::Revoking(_)) && self.work.is_none() {
            self.revoke();
        }
        self.tick().await;
    }

    async fn take_up(&mut self, raw: &[u8]) {
        let clock = self.environment.clock.clone();
        let found = Found::answer(raw);
        let (Some(Found { key, sent, answer: Some(answer) }), Some(login)) = (found, self.login.clone())
        else {
            return self.interrupted(None).await;
        };
        tracing::info!(session = %self.named(), "taking up an answer that an earlier run received");
        let outcome = redeem::judge(&answer, &login, self.state.person(), clock.unix_now());
        let attempt = self.state.take_up(key);
        let obtained_at = clock.moment(&sent).unwrap_or_else(|| clock.from_unix(sent.unix));
        self.answered(Action::Refresh, attempt, outcome, obtained_at).await;
    }

    /// A refresh token was about to be sent, or was sent, and no answer arrived: whether it still counts is known
    /// only to the server.
    async fn interrupted(&mut self, found: Option<Found>) {
        let clock = &self.environment.clock;
        let sent = found.as_ref().map(|found| &found.sent);
        let since = sent.and_then(|sent| clock.moment(sent));
        let unsure = sent.map_or_else(|| clock.now(), |sent| clock.from_unix(sent.unix));
        let generation = self.state.generation + 1;
        let interrupted = Interrupted::new(since, unsure, generation, Cause::DaemonEnded);
        self.resume(Some(interrupted), found.map(|found| found.key)).await;
    }

    /// Goes on after an interruption that the journal or, without one, the record tells of.
    async fn resume(&mut self, found: Option<Interrupted>, key: Option<TokenKey>) {
        if found.is_none() && !self.state.is_interrupted() {
            return;
        }
        let Some(key) = key.or_else(|| self.login.as_ref().map(|login| login.own_key())) else { return };
        tracing::warn!(session = %self.named(), "an earlier renewal was interrupted");
        let journalled = found.is_some();
        self.handle(Event::Interrupted { found: found.map(Box::new), key }).await;
        if journalled && !self.state.is_interrupted() {
            self.settle().await;
        } else if let Some(failure) = self.state.interruption() {
            self.remember(Action::Refresh, AttemptOutcome::Failed, Some(Why::Failure(failure)));
        }
    }

    fn end_of_token(&self) -> Timestamp {
        self.state.own_end().unwrap_or_else(|| self.environment.clock.now())
    }

    fn doubt(&mut self, failure: Failure, until: Timestamp) {
        self.remember(Action::Refresh, AttemptOutcome::Failed, Some(Why::Failure(failure.clone())));
        self.state.doubt(failure, until, self.environment.clock.now());
        self.publish();
    }
}
