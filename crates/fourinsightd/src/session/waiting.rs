//! A token request that has to wait: for the session to open, for a renewal, or for a task that starts anew.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    Command, Handle, Judgement, NoToken, Served, Shown, Snapshot, TokenRequest, schedule::Freshness,
};
use crate::{clock::Timestamp, token::TokenKey};

impl Handle {
    /// The token of a request, waiting for a renewal where that is needed.
    pub async fn token(&self, request: &TokenRequest) -> Result<Arc<Served>, NoToken> {
        let asked_at = self.clock.now();
        let deadline = asked_at + request.wait;
        self.until_opened(request.wait, deadline).await;
        let demand = request.demand(&self.snapshot());
        if let Some(demand) = demand
            && let Some(answer) = self.redeem_demand(request, demand, deadline).await
        {
            return answer;
        }
        let mut snapshots = self.snapshots.clone();
        let key = request.key.as_ref();
        let first = Arc::clone(&snapshots.borrow_and_update());
        match self.judge(&first, key, request.min_validity, asked_at, self.clock.now()) {
            Judgement::Serve(token) => return Ok(token),
            Judgement::Answer(answer) => return answer,
            Judgement::Wait { retry_at } if retry_at.is_some_and(|at| at > deadline) => {
                return self.settle(&first, key);
            }
            Judgement::Wait { .. } => {}
        }
        let known = |snapshot: &Snapshot| (snapshot.run, snapshot.view(key).map_or(0, |view| view.outcomes));
        let (mut run, mut outcomes) = known(&first);
        let wanted = key.cloned().unwrap_or_else(|| first.own.clone());
        drop(first);
        let renewal = async {
            self.nudge(&wanted, request.min_validity, outcomes).await;
            while snapshots.changed().await.is_ok() {
                let snapshot = Arc::clone(&snapshots.borrow_and_update());
                match self.judge(&snapshot, key, request.min_validity, asked_at, self.clock.now()) {
                    Judgement::Serve(token) => return Ok(token),
                    Judgement::Answer(answer) => return answer,
                    Judgement::Wait { .. } if snapshot.run != run || self.came_dead(&snapshot, key) => {
                        (run, outcomes) = known(&snapshot);
                        self.nudge(&wanted, request.min_validity, outcomes).await;
                    }
                    Judgement::Wait { .. }
                        if snapshot.view(key).is_some_and(|view| view.outcomes != outcomes) =>
                    {
                        return self.settle(&snapshot, key);
                    }
                    Judgement::Wait { .. } => {}
                }
            }
            Err(NoToken::Unavailable { failure: None, retry_after: Some(Duration::from_secs(1)) })
        };
        match tokio::time::timeout(deadline.since(self.clock.now()), renewal).await {
            Ok(answer) => answer,
            Err(_) => self.settle(&Arc::clone(&self.snapshots.borrow()), key),
        }
    }

    /// Whether what was waited for has come, and is dead: the machine slept while it was on its way. Then there is the
    /// next one to wait for.
    fn came_dead(&self, snapshot: &Snapshot, key: Option<&TokenKey>) -> bool {
        let token = snapshot.view(key).and_then(|view| view.token.as_ref());
        let is_dead =
            token.is_some_and(|token| token.freshness(self.clock.now(), None) == Freshness::Expired);
        is_dead && snapshot.renewable && snapshot.problem.is_none() && snapshot.retry_at(key).is_none()
    }

    async fn nudge(&self, key: &TokenKey, min_validity: Option<Duration>, outcomes: u64) {
        let nudge = Command::Request { key: key.clone(), min_validity, outcomes };
        // A closed channel means that the daemon is stopping; whoever waits then sees that at once.
        let _ = self.commands.send(Box::new(nudge)).await;
    }

    /// Waits while the session is being opened, unless it is not tried again in time.
    async fn until_opened(&self, wait: Duration, deadline: Timestamp) {
        let mut snapshots = self.snapshots.clone();
        let settled = snapshots.wait_for(|snapshot| {
            snapshot.shown != Shown::SigningIn || snapshot.retry_at.is_some_and(|at| at > deadline)
        });
        // The end of the wait and a daemon that stops are told by what follows.
        let _ = tokio::time::timeout(wait, settled).await;
    }

    /// The answer when waiting is over: the living token, or why there is none.
    fn settle(&self, snapshot: &Snapshot, key: Option<&TokenKey>) -> Result<Arc<Served>, NoToken> {
        let now = self.clock.now();
        let living = snapshot.view(key).and_then(|view| view.token.as_ref());
        match living.filter(|token| token.freshness(now, None) != Freshness::Expired) {
            Some(token) if !token.token.is_bearer() => Err(NoToken::NotBearer),
            Some(token) => {
                self.last_used.store(now.as_millis(), Ordering::Relaxed);
                Ok(Arc::clone(token))
            }
            None => Err(match snapshot.refused_for_long(now) {
                Some((failure, _)) => NoToken::LoginRequired(Some(failure.clone())),
                None => NoToken::Unavailable {
                    failure: snapshot.problem.as_ref().map(|(failure, _)| failure.clone()),
                    retry_after: snapshot.retry_at(key).map(|at| at.since(now)),
                },
            }),
        }
    }
}
