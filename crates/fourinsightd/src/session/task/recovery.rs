//! What a session's task makes of what an earlier run of the daemon left unfinished.

use fourinsight_ipc::message::{Action, AttemptOutcome};

use crate::{authority::Failure, clock::Timestamp, history::Why, store::Slot};

use super::{
    super::{
        event::Event,
        redeem::{self, Found},
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
            Slot::Settled | Slot::Answer { .. } | Slot::Intent { .. } => {}
        }
        if matches!(self.state.phase, Phase::Revoking(_)) && self.work.is_none() {
            self.revoke();
        }
        self.tick().await;
    }

    async fn take_up(&mut self, raw: &[u8]) {
        let clock = self.environment.clock.clone();
        let found = Found::answer(raw);
        let (Some(Found { key, sent_at, answer: Some(answer) }), Some(login)) = (found, self.login.clone())
        else {
            return self.interrupted(None).await;
        };
        tracing::info!(session = %self.named(), "taking up an answer that an earlier run received");
        let outcome = redeem::judge(&answer, &login, self.state.person(), clock.unix_now());
        let attempt = self.state.take_up(key);
        let obtained_at = clock.from_unix(sent_at);
        self.answered(Action::Refresh, attempt, outcome, obtained_at).await;
    }

    /// A refresh token was about to be sent, or was sent, and no answer arrived: whether it still counts is known
    /// only to the server. Soon after, asking again may still be taken for a repetition; later it can only harm,
    /// so the access token is served to its end first.
    async fn interrupted(&mut self, found: Option<Found>) {
        let clock = self.environment.clock.clone();
        let recent = found.filter(|found| clock.unix_now().abs_diff(found.sent_at) <= 60);
        let until = if recent.is_some() { clock.now() } else { self.end_of_token() };
        tracing::warn!(session = %self.named(), recent = recent.is_some(), "an earlier run ended in the middle of a renewal");
        let description = "the daemon ended in the middle of a renewal; whether the refresh token still counts is not known";
        self.doubt(Failure::ours("rotation_interrupted", description), until);
        if let Some(Found { key, .. }) = recent {
            self.handle(Event::Requested { key, min_validity: None, outcomes: 0 }).await;
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
