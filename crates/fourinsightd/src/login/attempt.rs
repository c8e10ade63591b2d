//! One login attempt: its phases, and the one task that carries it through them.
//!
//! ```text
//! Waiting --answer--> Redeeming --granted--> Committing --> Ended (succeeded, failed)
//!    |                    |
//!    +--cancel, deadline--+--cancel--> Ended (cancelled, expired)
//! ```
//!
//! Whoever brings the first answer, browser or person, moves the attempt out of `Waiting`, so an answer counts
//! once. From then on the exchange runs to its end: a code is spent by being sent. An attempt that is cancelled
//! meanwhile gives back what it was granted instead of signing in. While it is `Redeeming`, an attempt may ask its
//! person a question and wait for the answer. A device attempt waits for nobody's answer here: it becomes `Redeeming`
//! when a poll has brought its tokens.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use fourinsight_ipc::{
    ErrorBody, ErrorCode, SessionKey,
    message::{LoginState, LoginStatus},
};
use tokio::sync::{Notify, oneshot, watch};

use super::{
    NewLogin,
    authorize::AnswerMode,
    awaits::Awaits,
    callback::{Answer, NotTheAnswer},
    failure::{self, LoginFailure},
    loopback,
    redemption::{Proof, Redemption},
    sockets::Listener,
};
use crate::{
    clock::{Clock, Timestamp},
    history::History,
    holds::Hold,
    telemetry,
};

mod confirmation;
mod ending;
mod hold;
mod page_turn;
mod renewal;
mod unattended;

use confirmation::Question;
use page_turn::PageTurn;

pub(super) use unattended::Begun;

/// How long a person may take when the server does not say.
pub(super) const LIFE: Duration = Duration::from_mins(10);

/// A suspended machine's timers stand still while the deadline comes nearer, so the clock is read this often.
const TICK: Duration = Duration::from_secs(15);

/// A login attempt, as everyone but its task sees it.
pub(super) struct Attempt {
    pub(super) id: String,
    pub(super) session: SessionKey,
    pub(super) profile: String,
    pub(super) awaits: Awaits,
    /// Where the browser is sent with its answer, away from the address that holds the code.
    pub(super) page_path: String,
    clock: Clock,
    deadline: Timestamp,
    phase: Mutex<Phase>,
    question: Mutex<Option<Question>>,
    hold: Mutex<Hold>,
    refused: Mutex<Option<NotTheAnswer>>,
    failure: OnceLock<LoginFailure>,
    history: History,
    status: watch::Sender<LoginStatus>,
    page: watch::Sender<PageTurn>,
    release: Notify,
    pub(super) closed: watch::Receiver<bool>,
}

/// The ends of an attempt's channels that its task holds.
pub(super) struct Inbox {
    answer: oneshot::Receiver<Answer>,
    closed: watch::Sender<bool>,
}

enum Phase {
    Waiting(oneshot::Sender<Answer>),
    Redeeming,
    Committing,
    Ended { at: Timestamp },
}

impl Phase {
    /// Leaves off waiting: what was waited for came another way.
    fn take_up(&mut self) {
        if matches!(self, Self::Waiting(_)) {
            *self = Self::Redeeming;
        }
    }
}

impl Attempt {
    /// An attempt that ends by itself at the deadline; `status` is its public face.
    pub(super) fn new(
        clock: Clock,
        profile: String,
        deadline: Timestamp,
        awaits: Awaits,
        page_path: String,
        mut status: LoginStatus,
        history: &History,
    ) -> (Arc<Self>, Inbox) {
        status.expires_at = clock.to_unix(deadline);
        let (sender, answer) = oneshot::channel();
        let (closed, closed_receiver) = watch::channel(false);
        let attempt = Self {
            id: status.id.clone(),
            session: status.session.clone(),
            profile,
            awaits,
            page_path,
            clock,
            deadline,
            phase: Mutex::new(Phase::Waiting(sender)),
            question: Mutex::default(),
            hold: Mutex::default(),
            refused: Mutex::default(),
            failure: OnceLock::new(),
            history: history.clone(),
            status: watch::Sender::new(status),
            page: watch::Sender::new(PageTurn::NotOwed),
            release: Notify::new(),
            closed: closed_receiver,
        };
        (Arc::new(attempt), Inbox { answer, closed })
    }

    /// How it stands.
    pub(super) fn status(&self) -> LoginStatus {
        self.status.borrow().clone()
    }

    /// Its session as logs name it.
    pub(super) fn named(&self) -> impl fmt::Display + '_ {
        telemetry::session(&self.session, self.status.borrow().lifetime)
    }

    /// How it stands, and each change.
    pub(super) fn watch(&self) -> watch::Receiver<LoginStatus> {
        self.status.subscribe()
    }

    /// Whether it has not ended.
    pub(super) fn is_pending(&self) -> bool {
        self.status.borrow().state == LoginState::Pending
    }

    /// The port that its listener has or had.
    pub(super) fn port(&self) -> Option<u16> {
        self.awaits.port()
    }

    /// When it ended.
    pub(super) fn ended_at(&self) -> Option<Timestamp> {
        match *self.phase() {
            Phase::Ended { at } => Some(at),
            _ => None,
        }
    }

    /// What went wrong, in words for the page.
    pub(super) fn shown(&self) -> Option<&ErrorBody> {
        self.failure.get().map(|failure| &failure.shown)
    }

    /// Hands in the answer; false when it is too late for one.
    pub(super) fn answer(&self, answer: Answer, by_browser: bool) -> bool {
        let mut phase = self.phase();
        if !matches!(*phase, Phase::Waiting(_)) {
            return false;
        }
        if self.clock.now() >= self.deadline {
            self.end(&mut phase, |status| status.state = LoginState::Expired);
            return false;
        }
        if by_browser {
            self.page.send_replace(PageTurn::Owed);
        }
        match std::mem::replace(&mut *phase, Phase::Redeeming) {
            Phase::Waiting(inbox) => inbox.send(answer).is_ok(),
            _ => false,
        }
    }

    /// Remembers that an answer with the right `state` was not taken.
    pub(super) fn refuse(&self, why: NotTheAnswer) {
        tracing::warn!(session = %self.named(), %why, "an answer to a login was not taken");
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// Cancels it, unless its tokens are being stored or it has ended.
    pub(super) fn cancel(&self, note: Option<&str>) -> LoginStatus {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Waiting(_) | Phase::Redeeming) {
            self.end(&mut phase, |status| {
                status.state = LoginState::Cancelled;
                status.note = note.map(str::to_owned);
            });
        }
        drop(phase);
        self.status()
    }

    /// Closes the listener of an attempt that has ended, and waits until its port is free.
    pub(super) async fn release_port(&self) {
        self.release.notify_one();
        // An error means that the task is gone, and its sockets with it.
        let _ = self.closed.clone().wait_for(|closed| *closed).await;
    }

    /// Carries the attempt through to its end and its page.
    pub(super) async fn run(
        self: Arc<Self>,
        listener: Option<Listener>,
        inbox: Inbox,
        redemption: Redemption,
        proof: Proof,
    ) {
        let Inbox { answer, closed } = inbox;
        let _guard = self.guard();
        let lingers = listener.as_ref().is_some_and(|listener| !listener.is_fixed());
        let done = async {
            tokio::select! {
                () = self.served_its_purpose(lingers) => {}
                () = self.release.notified() => {}
            }
        };
        let signing_in = async {
            match self.wait(answer).await {
                Some(answer) => self.finish(answer, redemption, &proof).await,
                // Perhaps nobody could answer at the address that they were sent to.
                None => redemption.distrust(),
            }
        };
        if let Some(listener) = listener {
            tokio::join!(loopback::serve(listener, &self, done, closed), signing_in);
        } else {
            closed.send_replace(true);
            signing_in.await;
        }
    }

    /// Ends an attempt whose task stops before it has ended.
    pub(super) fn guard(&self) -> impl Drop + '_ {
        EndGuard(self)
    }

    /// Waits for a moment of an attempt that nobody answers; false when the attempt ended first.
    pub(super) async fn wait_until(&self, moment: Timestamp) -> bool {
        let mut changes = self.watch();
        tokio::select! {
            _ = changes.wait_for(|status| status.state != LoginState::Pending) => false,
            () = self.reached(moment.min(self.deadline)) => moment < self.deadline,
        }
    }

    async fn reached(&self, moment: Timestamp) {
        loop {
            let left = moment.since(self.clock.now());
            if left.is_zero() {
                break;
            }
            tokio::time::sleep(left.min(TICK)).await;
        }
    }

    async fn wait(&self, mut answer: oneshot::Receiver<Answer>) -> Option<Answer> {
        tokio::select! {
            answer = &mut answer => return answer.ok(),
            () = self.reached(self.deadline) => {}
        }
        {
            let mut phase = self.phase();
            if matches!(*phase, Phase::Waiting(_)) {
                self.end(&mut phase, |status| status.state = LoginState::Expired);
                return None;
            }
        }
        // An answer came in the same moment: it counts.
        answer.await.ok()
    }

    async fn finish(&self, answer: Answer, mut redemption: Redemption, proof: &Proof) {
        if !self.may_send(&answer, proof).await {
            return self.fail(confirmation::declined("Nothing was sent.").into());
        }
        self.hold_on(&*redemption.sessions);
        redemption.pin(&answer);
        let granted = redemption.redeem(&answer, proof, &self.clock).await;
        drop(answer);
        match granted {
            Ok(login) => self.sign_in(login, &redemption).await,
            Err(failure) => self.fail(failure),
        }
        self.let_go();
    }

    /// Signs the session in, unless the person says no to what they are asked, or the attempt was cancelled.
    pub(super) async fn sign_in(&self, login: NewLogin, redemption: &Redemption) {
        self.phase().take_up();
        if let Err(declined) = self.may_save(&login, &*redemption.sessions, redemption.switch_user).await {
            self.fail(declined.into());
            return redemption.give_back(&login.tokens, &self.clock).await;
        }
        let _hold = redemption.sessions.hold();
        if !self.commit() {
            return redemption.give_back(&login.tokens, &self.clock).await;
        }
        let identity = login.tokens.person.as_ref().map(confirmation::identity);
        let note = login.tokens.refresh_token.is_none().then(|| renewal::missing(&login, self.is_implicit()));
        match redemption.sessions.sign_in(&self.session, login).await {
            Ok(()) => self.end(&mut self.phase(), |status| {
                status.state = LoginState::Succeeded;
                status.identity = identity;
                status.note = note.or(status.note.take());
            }),
            Err(error) => self.fail(error.into()),
        }
    }

    /// From here on the attempt can no longer be cancelled; false when it already was.
    fn commit(&self) -> bool {
        let mut phase = self.phase();
        let live = matches!(*phase, Phase::Waiting(_) | Phase::Redeeming);
        if live {
            *phase = Phase::Committing;
        }
        live
    }

    fn is_implicit(&self) -> bool {
        self.awaits.callback().is_some_and(|expected| expected.mode == AnswerMode::Fragment)
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends an attempt whose task was stopped by a defect, so that nobody waits for it.
struct EndGuard<'a>(&'a Attempt);

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        self.0.fail(failure::broken().into());
        self.0.let_go();
    }
}

/// The answer was brought too late.
pub(super) fn too_late() -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, "This login has been answered already, or it has ended.")
        .hint("run the login again")
}
