//! A session: one login, its tokens, and the one task that owns them.
//!
//! Everyone else holds a [`Handle`]: it reads what the task last published and sends the task commands. Nobody
//! but the task changes anything, so a caller that goes away in the middle of a renewal changes nothing.
//!
//! | module | what it holds |
//! |---|---|
//! | [`state`] | the state machine (pure) |
//! | [`event`] | what happens to it, and what it wants done (pure) |
//! | [`opening`], [`signed_in`], [`entry`], [`revoking`] | its data (pure) |
//! | [`adoption`] | a login taken over from another tool (pure) |
//! | [`keeping`], [`restoring`] | what a backup takes, and what it gives back |
//! | [`demand`] | what a token is to be fetched with beyond its key (pure) |
//! | [`terms`], [`doubt`] | what one login can be asked for, and what asking may cost (pure) |
//! | [`refusals`] | a server that refuses and gives no verdict (pure) |
//! | [`rotation`] | how its refresh token fares, and what is done after an interruption (pure) |
//! | [`plan`] | what it redeems next, renews and forgets (pure) |
//! | [`schedule`] | when a token is fresh, due, renewed (pure) |
//! | [`task`] | carries out what the state machine says |
//! | [`redeem`], [`unsent`] | one redemption, in the order that survives a crash; one that the disk does not let begin |
//! | [`demanding`], [`waiting`] | a token request that makes demands, or has to wait |
//! | [`registrations`] | the client registrations that sessions share |
//! | [`record`] | a session as it is stored |
//! | [`snapshot`] | a session as everyone else sees it |
//! | [`served`] | a token as it goes out |

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fourinsight_ipc::{ErrorBody, ErrorCode, SessionKey, message::RevokeResponse};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    authority::{Failure, Verdict, challenge::Challenge, claims::Claims, response::blames_the_client},
    clock::{Clock, Timestamp},
    login::{NewLogin, Opener},
    token::{TokenId, TokenKey},
};

mod adoption;
mod demand;
mod demanding;
mod doubt;
mod entry;
mod event;
mod keeping;
mod opening;
mod plan;
pub(crate) mod record;
mod redeem;
mod refusals;
mod registrations;
mod restoring;
mod revoking;
mod rotation;
#[cfg(test)]
mod safety_tests;
pub mod schedule;
mod served;
mod signed_in;
mod snapshot;
mod state;
#[cfg(test)]
mod state_properties;
#[cfg(test)]
mod state_tests;
mod task;
#[cfg(test)]
mod task_tests;
mod terms;
mod unsent;
mod waiting;

pub(crate) use keeping::Restored;
pub(crate) use registrations::Registrations;
pub(crate) use restoring::NotRestored;
pub use served::Served;
pub(crate) use snapshot::{Rotation, Shown, Snapshot, View};
pub(crate) use state::Reported;
pub(crate) use task::{Adoption, Environment, NotAdopted, Start, prepare};
pub use terms::Beyond;

use demand::{Demand, Ended};
use entry::Refused;
use keeping::Keeping;
use schedule::Freshness;

/// What everyone but the task holds of a session. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) key: SessionKey,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    commands: mpsc::Sender<Box<Command>>,
    last_used: Arc<AtomicU64>,
    clock: Clock,
}

/// What a caller asks of a session.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Which token; `None` for the session's own.
    pub key: Option<TokenKey>,
    /// How long it must still live, for the request not to wait.
    pub min_validity: Option<Duration>,
    /// How long to wait for a renewal.
    pub wait: Duration,
    /// What an API demands of the token (OpenID Connect Core section 5.5): it is fetched anew with this.
    pub claims: Option<Claims>,
    /// The caller can answer a claims challenge.
    pub enable_cae: bool,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// Nobody is signed in, or somebody must sign in again.
    LoginRequired(Option<Failure>),
    /// This audience is refused; the others still work.
    Refused(Verdict, Failure),
    /// The server does not understand the claims of the request.
    ClaimsNotTaken(Failure),
    /// The login cannot serve this, whoever is asked: the server was not.
    Beyond(Beyond),
    /// Not now.
    Unavailable {
        /// What keeps the session from renewing, if anything is known.
        failure: Option<Failure>,
        /// When the daemon tries again.
        retry_after: Option<Duration>,
    },
    /// The server issued a token of another type than Bearer.
    NotBearer,
}

/// What is sent to the task, boxed: every session's channel sets aside room for dozens.
#[expect(clippy::large_enum_variant, reason = "it is always boxed")]
pub(crate) enum Command {
    /// The wish that a token be renewed, of one who saw that so many attempts for its key had ended.
    Request {
        key: TokenKey,
        min_validity: Option<Duration>,
        outcomes: u64,
    },
    Demand {
        key: TokenKey,
        demand: Demand,
        done: oneshot::Sender<Ended>,
    },
    Reject {
        id: TokenId,
        challenge: Option<Challenge>,
        done: oneshot::Sender<Reported>,
    },
    SignIn {
        login: NewLogin,
        done: oneshot::Sender<()>,
    },
    /// A login of another tool is taken over.
    Adopt {
        adoption: Adoption,
        done: oneshot::Sender<Result<(), NotAdopted>>,
    },
    /// The configuration says that the daemon opens this session.
    Open {
        opener: Opener,
        done: oneshot::Sender<Opened>,
    },
    Revoke {
        done: oneshot::Sender<RevokeResponse>,
    },
    Keeping(Keeping),
}

/// What came of the wish to open a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// It is being opened, now and until it works.
    Begun,
    /// It is open, or being opened, in just this way.
    Already,
    /// Somebody has signed in to it, and is not signed out for this.
    Taken,
}

impl Handle {
    /// The token of a request that needs no waiting: the common path, without a task switch.
    pub fn at_once(&self, key: Option<&TokenKey>, min_validity: Option<Duration>) -> Option<Arc<Served>> {
        let now = self.clock.now();
        let snapshot = self.snapshots.borrow();
        match self.judge(&snapshot, key, min_validity, now, now) {
            Judgement::Serve(token) => Some(token),
            Judgement::Wait { .. } | Judgement::Answer(_) => None,
        }
    }

    /// Reports that an API refused a token, and why if it said so. Returns once a dead one can no longer be served;
    /// `None` when the daemon is stopping.
    pub(crate) async fn reject(&self, id: TokenId, challenge: Option<Challenge>) -> Option<Reported> {
        self.ask_again(|done| Command::Reject { id, challenge: challenge.clone(), done }).await
    }

    /// Takes a new login. Returns once its record is on the disk, or is known not to get there for now.
    pub async fn sign_in(&self, login: NewLogin) -> Result<(), ErrorBody> {
        let signed_in = self.ask(|done| Command::SignIn { login, done }).await;
        signed_in.ok_or_else(|| self.unanswered())
    }

    /// Takes over a login of another tool. Returns once the server has renewed it, or has not.
    pub(crate) async fn adopt(&self, adoption: Adoption) -> Result<(), NotAdopted> {
        let adopted = self.ask(|done| Command::Adopt { adoption, done }).await;
        adopted.unwrap_or(Err(NotAdopted::Interrupted))
    }

    /// Revokes the session: tells the server, then forgets it.
    pub async fn revoke(&self) -> Result<RevokeResponse, ErrorBody> {
        self.ask_again(|done| Command::Revoke { done }).await.ok_or_else(|| self.unanswered())
    }

    /// What the session looks like now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// When its token was last handed out.
    pub(crate) fn last_used(&self) -> Timestamp {
        Timestamp::from_millis(self.last_used.load(Ordering::Relaxed))
    }

    /// Whether it has a token to hand out, and its server has not refused its client since.
    pub(crate) fn is_open(&self) -> bool {
        let refused = |(failure, _): &(Failure, Timestamp)| blames_the_client(&failure.error);
        self.at_once(None, None).is_some() && !self.snapshot().problem.as_ref().is_some_and(refused)
    }

    /// Has the session opened, unless it is open.
    pub(crate) async fn open(&self, opener: Opener) -> Option<Opened> {
        self.ask(|done| Command::Open { opener, done }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (done, answer) = oneshot::channel();
        self.commands.send(Box::new(command(done))).await.ok()?;
        answer.await.ok()
    }

    /// Asks once more where the session's task failed over it: for what does no harm when it is done twice.
    async fn ask_again<T>(&self, command: impl Fn(oneshot::Sender<T>) -> Command) -> Option<T> {
        match self.ask(&command).await {
            Some(answer) => Some(answer),
            None => self.ask(&command).await,
        }
    }

    /// Why there is no answer to a command.
    fn unanswered(&self) -> ErrorBody {
        if self.commands.is_closed() {
            return ErrorBody::new(ErrorCode::TemporarilyUnavailable, "the daemon is stopping")
                .retry_after(1);
        }
        ErrorBody::new(
            ErrorCode::ServerError,
            "a defect of the daemon interrupted the session; it starts again",
        )
        .hint("see whether the session works (`fourinsightctl status`), and try again if not")
    }

    fn judge(
        &self,
        snapshot: &Snapshot,
        key: Option<&TokenKey>,
        min_validity: Option<Duration>,
        asked_at: Timestamp,
        now: Timestamp,
    ) -> Judgement {
        match &snapshot.shown {
            Shown::SignedIn => {}
            Shown::SigningIn => {
                return Judgement::Answer(Err(NoToken::Unavailable {
                    failure: snapshot.problem.as_ref().map(|(failure, _)| failure.clone()),
                    retry_after: snapshot.retry_at.map(|at| at.since(now)),
                }));
            }
            Shown::LoginRequired => {
                let failure = snapshot.problem.as_ref().map(|(failure, _)| failure.clone());
                return Judgement::Answer(Err(NoToken::LoginRequired(failure)));
            }
            Shown::SignedOut | Shown::Revoking => {
                return Judgement::Answer(Err(NoToken::LoginRequired(None)));
            }
        }
        let Some(view) = snapshot.view(key) else { return Self::without_token(snapshot, key, None, now) };
        let Some(token) = &view.token else {
            return Self::without_token(snapshot, key, view.refused_at(now), now);
        };
        if !token.token.is_bearer() {
            return Judgement::Answer(Err(NoToken::NotBearer));
        }
        match token.freshness(now, min_validity) {
            Freshness::Fresh => self.serve(token, key.map(|_| asked_at), now),
            Freshness::Due => {
                if snapshot.retry_at(key).is_none() {
                    let key = key.unwrap_or(&snapshot.own).clone();
                    // A full channel means that the task is about to look anyway.
                    let nudge = Command::Request { key, min_validity: None, outcomes: view.outcomes };
                    let _ = self.commands.try_send(Box::new(nudge));
                }
                self.serve(token, key.map(|_| asked_at), now)
            }
            // Nothing better comes soon: a living token now beats the same token later.
            Freshness::Short if Self::waits_in_vain(snapshot, key, view, now) => {
                self.serve(token, key.map(|_| asked_at), now)
            }
            Freshness::Short => Judgement::Wait { retry_at: None },
            Freshness::Expired => Self::without_token(snapshot, key, view.refused_at(now), now),
        }
    }

    fn without_token(
        snapshot: &Snapshot,
        key: Option<&TokenKey>,
        refused: Option<&Refused>,
        now: Timestamp,
    ) -> Judgement {
        if let Some(beyond) = snapshot.beyond(key) {
            return Judgement::Answer(Err(NoToken::Beyond(beyond)));
        }
        match refused {
            Some(refused) => {
                Judgement::Answer(Err(NoToken::Refused(refused.verdict, refused.failure.clone())))
            }
            None => match snapshot.refused_for_long(now) {
                Some((failure, _)) => Judgement::Answer(Err(NoToken::LoginRequired(Some(failure.clone())))),
                None => Judgement::Wait { retry_at: snapshot.retry_at(key) },
            },
        }
    }

    /// Whether no renewal starts now, whoever waits for one.
    fn waits_in_vain(snapshot: &Snapshot, key: Option<&TokenKey>, view: &View, now: Timestamp) -> bool {
        let paused = snapshot.retry_at(key).is_some_and(|at| at > now);
        !snapshot.renewable || paused || view.refused_at(now).is_some()
    }

    /// What was asked for before it arrived counts as asked for once, not as being used.
    /// The session's own key needs no such count of its own.
    fn serve(&self, token: &Arc<Served>, asked_at: Option<Timestamp>, now: Timestamp) -> Judgement {
        self.last_used.store(now.as_millis(), Ordering::Relaxed);
        if let Some(asked_at) = asked_at {
            token.use_at(asked_at);
        }
        Judgement::Serve(Arc::clone(token))
    }
}

enum Judgement {
    Serve(Arc<Served>),
    Answer(Result<Arc<Served>, NoToken>),
    Wait { retry_at: Option<Timestamp> },
}
