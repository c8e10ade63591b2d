//! Token requests with demands of their own: claims, and the word that the caller can answer a claims challenge.

use std::sync::{Arc, atomic::Ordering};

use tokio::sync::oneshot;

use super::{
    Command, Handle, NoToken, Served, Shown, Snapshot, TokenRequest,
    demand::{Demand, Ended},
    schedule::Freshness,
};
use crate::{authority::Failure, clock::Timestamp};

impl TokenRequest {
    /// What must be fetched anew for this request. What the session's token is fetched with anyway demands nothing.
    pub(super) fn demand(&self, snapshot: &Snapshot) -> Option<Demand> {
        let login = snapshot.login.as_ref()?;
        let cae = self.enable_cae && login.registration.must_be_told_of_cae();
        let met = snapshot.view(self.key.as_ref()).is_some_and(|view| view.cae && view.token.is_some());
        (self.claims.is_some() || (cae && !met)).then(|| Demand { claims: self.claims.clone(), cae })
    }
}

impl Handle {
    /// Has the demand redeemed. `None` where the request is to be answered like any other: nobody is signed in, or
    /// has signed in meanwhile, or it is only that the server could not be told what the caller can do.
    pub(super) async fn redeem_demand(
        &self,
        request: &TokenRequest,
        demand: Demand,
        deadline: Timestamp,
    ) -> Option<Result<Arc<Served>, NoToken>> {
        let before = self.snapshot();
        if before.shown != Shown::SignedIn {
            return None;
        }
        let insists = demand.claims.is_some();
        let unavailable = |failure: Option<Failure>| {
            let snapshot = self.snapshot();
            let failure = failure.or_else(|| snapshot.problem.as_ref().map(|(failure, _)| failure.clone()));
            let retry_after = snapshot.retry_at(request.key.as_ref()).map(|at| at.since(self.clock.now()));
            insists.then_some(Err(NoToken::Unavailable { failure, retry_after }))
        };
        if before.retry_at(request.key.as_ref()).is_some_and(|at| at > deadline) {
            return unavailable(None);
        }
        let key = request.key.clone().unwrap_or_else(|| before.own.clone());
        let (done, ended) = oneshot::channel();
        let waited = async {
            // A closed channel means that the daemon is stopping; the answer then never comes.
            let _ = self.commands.send(Box::new(Command::Demand { key, demand, done })).await;
            ended.await
        };
        match tokio::time::timeout(deadline.since(self.clock.now()), waited).await {
            Ok(Ok(Ended::Granted)) => self.fetched(request),
            Ok(Ok(Ended::Refused(refusal))) if insists => {
                Some(Err(NoToken::Refused(refusal.verdict, refusal.failure)))
            }
            Ok(Ok(Ended::NotTaken(failure))) if insists => Some(Err(NoToken::ClaimsNotTaken(failure))),
            Ok(Ok(Ended::Unavailable(failure))) => unavailable(Some(failure)),
            Err(_) => unavailable(None),
            Ok(_) => None,
        }
    }

    /// The token that was published before the demand was settled, unless it was rejected or replaced at once.
    fn fetched(&self, request: &TokenRequest) -> Option<Result<Arc<Served>, NoToken>> {
        let now = self.clock.now();
        let snapshot = self.snapshot();
        let token = snapshot.view(request.key.as_ref())?.token.as_ref()?;
        if token.freshness(now, None) == Freshness::Expired {
            return None;
        }
        if !token.token.is_bearer() {
            return Some(Err(NoToken::NotBearer));
        }
        self.last_used.store(now.as_millis(), Ordering::Relaxed);
        Some(Ok(Arc::clone(token)))
    }
}
