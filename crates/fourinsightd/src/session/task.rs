//! The one owner of a session: a loop that feeds the state machine and carries out what it says.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fourinsight_ipc::{
    SessionKey,
    message::{Action, Lifetime, RevokeResponse},
};
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot, watch};

use super::{
    Command,
    event::{Effect, Event, NewGrant},
    record::{Login, StoredPerson},
    registrations::Registrations,
    schedule::Chance,
    snapshot::Snapshot,
    state::{Phase, State},
};
use crate::{
    authority::{
        Outcome,
        discovery::Cache,
        pace::{NoTurn, Pace, Place},
    },
    clock::{Clock, Timestamp},
    fault,
    history::History,
    holds::Holds,
    http::HttpExchange,
    login::{NewLogin, Opener},
    random, revocation,
    store::{Slot, Store},
    telemetry,
    token::TokenId,
};

mod adoption;
mod demands;
mod disk;
mod ending;
mod history;
mod keeping;
mod opening;
mod recovery;
mod start;
mod supervision;
mod telling;
mod turn;

pub(crate) use adoption::{Adoption, NotAdopted};
pub(crate) use start::{Start, prepare};

/// What every session's task works with.
#[derive(Clone)]
pub(crate) struct Environment {
    pub(crate) exchange: Arc<dyn HttpExchange>,
    /// What servers said of themselves.
    pub(crate) servers: Arc<Cache>,
    /// What sessions hold of their clients.
    pub(crate) registrations: Registrations,
    pub(crate) store: Store,
    /// How long a session lasts that nobody is signed in to: nothing of a login session's own ones is ever on the
    /// disk, where the same key is everyone's.
    pub(crate) lifetime: Lifetime,
    pub(crate) clock: Clock,
    /// What was tried.
    pub(crate) history: History,
    /// How often servers are asked.
    pub(crate) pace: Pace,
    /// Ticks at least every 30 seconds: timers stop while the machine sleeps, this notices.
    pub(crate) ticks: watch::Receiver<()>,
    /// Turns true when the daemon stops.
    pub(crate) stopping: watch::Receiver<bool>,
    /// What the sessions wait for before they end.
    pub(crate) holds: Holds,
}

/// A deadline further away than this is left to the shared ticker.
const TICK: Duration = Duration::from_secs(30);

struct Task {
    key: SessionKey,
    state: State,
    login: Option<Arc<Login>>,
    /// The generation that the store holds, if it holds any.
    stored: Option<u64>,
    /// The generation of a write that failed: it may have reached the disk all the same.
    attempted: Option<u64>,
    /// The generation whose raw answer the journal holds.
    journalled: Option<u64>,
    environment: Arc<Environment>,
    commands: OwnedMutexGuard<mpsc::Receiver<Box<Command>>>,
    publisher: watch::Sender<Arc<Snapshot>>,
    last_used: Arc<AtomicU64>,
    work: Option<Work>,
    /// The place of that in its server's line, as long as nothing has been sent.
    place: Option<Box<Place>>,
    /// What opens the session without a person.
    opener: Option<Arc<Opener>>,
    opening: Option<opening::Opening>,
    /// Who waits for the proof of a login that is taken over.
    adopting: Option<adoption::Waiting>,
    /// Whose refresh token was redeemed last: a new login, perhaps at another server, may have come meanwhile.
    redeeming: Option<Arc<Login>>,
    /// Who waits for the end of a revocation.
    revokers: Vec<oneshot::Sender<RevokeResponse>>,
    /// Who waits for a token that meets their demand.
    claimants: Vec<demands::Claimant>,
    /// Logins, and wishes to open, that arrived during a revocation: they begin where it ends.
    deferred: VecDeque<Box<Command>>,
    /// Who waits for the end of a renewal to back the session up.
    backups: Vec<keeping::Waiting>,
}

/// The one conversation with the server that is under way. What came of it is boxed, because every session's loop sets
/// aside room for it.
type Work = Pin<Box<dyn Future<Output = Box<Finished>> + Send>>;

enum Finished {
    Redeemed {
        action: Action,
        attempt: u64,
        outcome: Outcome,
        obtained_at: Timestamp,
        journalled: Option<u64>,
    },
    NotSent {
        attempt: u64,
        why: NoTurn,
    },
    Revoked(revocation::Ended),
}

impl Task {
    async fn run(mut self: Box<Self>, slot: Slot) {
        // What is done now and then is boxed: a thousand sessions at rest need no room for it.
        Box::pin(self.recover(slot)).await;
        let mut ticks = self.environment.ticks.clone();
        let mut stopping = self.environment.stopping.clone();
        let mut recoveries = self.environment.pace.recoveries();
        let holds = self.environment.holds.clone();
        let (mut stops, mut left) = (false, false);
        loop {
            if !stops && *stopping.borrow_and_update() {
                stops = true;
                Box::pin(self.stop()).await;
            }
            if stops && self.work.is_none() && holds.is_free() {
                break;
            }
            // Whoever signs in to the key from now on has another task.
            if left && self.is_over() {
                break;
            }
            let deadline = self.next_deadline();
            let held = (stops && !holds.is_free()).then(|| Box::pin(holds.released()));
            tokio::select! {
                biased;
                finished = ended(self.work.as_mut()) => Box::pin(self.finished(finished)).await,
                opened = ended(self.opening.as_mut()) => Box::pin(self.opened(opened)).await,
                command = self.commands.recv(), if !left => match command {
                    Some(command) => Box::pin(self.command(command)).await,
                    None => left = true,
                },
                Ok(()) = stopping.changed(), if !stops => {}
                () = ended(held) => {}
                Ok(()) = ticks.changed() => Box::pin(self.tick()).await,
                Ok(()) = recoveries.changed() => Box::pin(self.recovered()).await,
                () = deadline => Box::pin(self.tick()).await,
            }
        }
        Box::pin(self.write_before_the_end()).await;
    }

    /// Completes when the next deadline has come; never, when that is for the shared ticker to notice.
    fn next_deadline(&self) -> impl Future<Output = ()> + Send + use<> {
        let now = self.environment.clock.now();
        let pause =
            self.state.next_deadline().map(|deadline| deadline.since(now)).filter(|pause| *pause <= TICK);
        async move {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        }
    }

    /// The session as logs name it.
    fn named(&self) -> impl fmt::Display + use<'_> {
        telemetry::session(&self.key, self.lifetime())
    }

    async fn tick(&mut self) {
        let was_signed_in = matches!(self.state.phase, Phase::SignedIn(_));
        let uses = self.publisher.borrow().uses();
        if !uses.is_empty() {
            self.handle(Event::Used(uses)).await;
        }
        let last_used = Timestamp::from_millis(self.last_used.load(Ordering::Relaxed));
        self.handle(Event::Tick { last_used }).await;
        if let (true, Phase::LoginRequired { failure, .. }) = (was_signed_in, &self.state.phase) {
            self.remember_end(failure);
        }
    }

    async fn stop(&mut self) {
        self.handle(Event::Stop).await;
        self.withdraw();
    }

    async fn command(&mut self, command: Box<Command>) {
        if matches!(*command, Command::SignIn { .. } | Command::Open { .. })
            && matches!(self.state.phase, Phase::Revoking(_))
        {
            self.deferred.push_back(command);
            return;
        }
        match *command {
            Command::Request { key, min_validity, outcomes } => {
                self.handle(Event::Requested { key, min_validity, outcomes }).await;
                self.hurry();
            }
            Command::Demand { key, demand, done } => {
                self.demand(key, demand, done).await;
                self.hurry();
            }
            Command::Reject { id, challenge, done } => {
                let reported = self.reject(id, challenge).await;
                // A caller that has gone away needs no answer.
                let _ = done.send(reported);
            }
            Command::SignIn { login, done } => {
                (self.opener, self.opening) = (None, None);
                self.interrupt_adoption();
                self.withdraw();
                self.sign_in(login).await;
                let _ = done.send(());
            }
            Command::Open { opener, done } => {
                let opened = self.open(opener).await;
                let _ = done.send(opened);
            }
            Command::Keeping(keeping) => self.keep(keeping).await,
            Command::Adopt { adoption, done } => self.adopt(adoption, done).await,
            Command::Revoke { done } => {
                (self.opener, self.opening) = (None, None);
                self.interrupt_adoption();
                self.withdraw();
                self.revokers.push(done);
                self.handle(Event::Revoke).await;
            }
        }
    }

    async fn sign_in(&mut self, new: NewLogin) {
        let before = self.login.as_ref().and_then(|login| login.original_key.clone());
        let login = Login {
            granted: Login::granted_otherwise(&new.scopes, new.tokens.scope.as_ref()),
            original_key: new.original_key.or(before),
            profile: new.profile,
            registration: self.environment.registrations.share(Arc::new(new.registration)),
            scopes: new.scopes,
            resources: new.resources,
            refresh_idle: new.refresh_idle,
            keep_alive: new.keep_alive,
            person: new.tokens.person.as_ref().map(StoredPerson::from),
            imported: None,
            names_person: false,
            step_up: None,
            lifetime: new.lifetime,
        };
        let grant = NewGrant {
            tokens: new.tokens,
            own: login.own_key(),
            obtained_at: new.obtained_at,
            id: TokenId(random::bits()),
            policy: login.policy(),
            by_client_credentials: new.by_client_credentials,
            terms: login.terms(),
        };
        self.login = Some(Arc::new(login));
        tracing::info!(session = %self.named(), "signed in");
        self.handle(Event::SignIn(Box::new(grant))).await;
    }

    async fn finished(&mut self, finished: Box<Finished>) {
        (self.work, self.place) = (None, None);
        match *finished {
            Finished::NotSent { attempt, why } => self.not_sent(attempt, why).await,
            Finished::Redeemed { action, attempt, outcome, obtained_at, journalled } => {
                self.journalled = journalled;
                self.wipe_stale_slot().await;
                self.answered(action, attempt, outcome, obtained_at).await;
            }
            Finished::Revoked(ended) => {
                fault::point("revocation_told");
                self.remember_revocation(&ended);
                let response = ended.response;
                // Before the name is forgotten that logs are not to know.
                let named = self.named().to_string();
                self.handle(Event::RevocationEnded).await;
                tracing::info!(session = named, revocation = ?response.revocation, "revoked and forgotten");
                for revoker in self.revokers.drain(..) {
                    let _ = revoker.send(response.clone());
                }
                while let Some(command) = self.deferred.pop_front() {
                    Box::pin(self.command(command)).await;
                }
            }
        }
    }

    async fn handle(&mut self, event: Event) {
        // The slot of a redemption that runs stays as it is: it says that a refresh token is on its way.
        let redeeming = self.work.is_some();
        let mut effects = VecDeque::from(self.react(event));
        let mut unsettled = false;
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Open => self.start_opening(),
                Effect::Redeem { key, attempt, demand } if self.state.by_client_credentials() => {
                    self.redeem_client_credentials(key, attempt, demand.as_ref());
                }
                Effect::Redeem { key, attempt, demand } => self.redeem(key, attempt, demand),
                Effect::Settled(settled) => self.settled(&settled),
                Effect::StepUp(step_up) => self.remember_step_up(*step_up),
                Effect::Persist => {
                    let event = self.persist().await;
                    unsettled |= matches!(event, Event::Persisted);
                    if unsettled && !redeeming && self.stored.is_some() && self.state.is_in_doubt() {
                        // The record says more than the slot, which would have a start ask the server again.
                        self.settle().await;
                        unsettled = false;
                    }
                    // What follows from the write comes before what was planned after it.
                    for effect in self.react(event).into_iter().rev() {
                        effects.push_front(effect);
                    }
                }
                Effect::Publish => self.publish(),
                Effect::Revoke => self.revoke(),
                Effect::Discard(tokens) => self.discard(*tokens),
                Effect::Forget => {
                    if !self.forget().await {
                        effects.extend(self.react(Event::ForgetFailed));
                    }
                }
            }
        }
        self.release_claimants();
        self.release_backups();
        if unsettled && !redeeming && self.stored.is_some() {
            self.settle().await;
        }
    }

    fn react(&mut self, event: Event) -> Vec<Effect> {
        // From the moment it stops, not from when this task gets to hear of it.
        if *self.environment.stopping.borrow() {
            self.state.begin_nothing();
        }
        self.state.handle(event, self.environment.clock.now(), Chance::from_bits(random::bits()))
    }

    fn publish(&self) {
        let last = Arc::clone(&self.publisher.borrow());
        let mut snapshot = Snapshot::of(&self.state, self.login.as_ref(), &self.key, Some(&last));
        snapshot.kept_by = self.kept_by();
        match (&last.problem, &snapshot.problem) {
            (old, Some((new, _))) if !old.as_ref().is_some_and(|(old, _)| old.says_the_same(new)) => {
                tracing::warn!(session = %self.named(), error = %new.error, "{}", new.description);
            }
            (Some(_), None) => tracing::info!(session = %self.named(), "working again"),
            _ => {}
        }
        self.publisher.send_replace(Arc::new(snapshot));
        fault::point("published");
    }
}

/// Completes when what is under way has ended; never, when nothing is.
async fn ended<F: Future + Unpin>(under_way: Option<F>) -> F::Output {
    match under_way {
        Some(under_way) => under_way.await,
        None => std::future::pending().await,
    }
}
