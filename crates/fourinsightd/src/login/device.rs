//! The device flow of a login (RFC 8628): the person enters a code on any device, and the daemon polls for the end.
//!
//! A poll is never cut off: one that is answered with tokens after the attempt was cancelled gives them back.

use std::{sync::Arc, time::Duration};

use fourinsight_ipc::{SessionKey, message::LoginStatus};
use secrecy::SecretString;

use super::{
    Logins, NewLogin, Plan, again,
    attempt::{Attempt, Inbox},
    authorize,
    awaits::Awaits,
    failure::{self, LoginFailure},
    redemption::Redemption,
};
use crate::{
    authority::{
        Failure,
        device::{self, NotAuthorized, Poll},
    },
    clock::Clock,
};

/// What a `slow_down` adds to the pause (RFC 8628 section 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// The longest pause after polls without an answer, unless the server itself asks for a longer one.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);

impl Logins {
    /// Asks the server for the code that the person is to enter.
    pub(super) async fn begin_on_device(
        &self,
        session: SessionKey,
        plan: Plan,
    ) -> Result<LoginStatus, LoginFailure> {
        let Plan { profile, wish, note } = plan;
        let (registration, odd) = self.discover(&session, &profile, &wish).await?;
        let (scopes, resources) = (&wish.scopes, &wish.resources);
        let asked_at = self.clock.now();
        let unix_now = self.clock.unix_now();
        let authorization = device::authorize(
            &*self.exchange,
            &registration,
            scopes,
            resources,
            wish.step_up.as_ref(),
            unix_now,
        )
        .await
        .inspect_err(|_| self.servers.forget(&registration))
        .map_err(|error| match error {
            NotAuthorized::Retry(retry) => failure::no_user_code(&retry),
            NotAuthorized::Refused(refusal) => failure::device_refusal(&refusal),
            NotAuthorized::Unusable(unusable) => failure::unusable_device(&unusable),
        })?;

        let _turn = self.turn.lock().await;
        self.make_room(&session, 0).await?;
        let mut status = LoginStatus::pending(authorize::random(16), session, profile.flow.name(), 0);
        let page = Some(authorization.verification_uri.as_str());
        let unforced = again::unforced(&profile, &registration, &wish, page);
        status.verification_uri = Some(authorization.verification_uri);
        status.verification_uri_complete = authorization.verification_uri_complete;
        status.user_code = Some(authorization.user_code);
        let warnings = [unforced, odd].into_iter().flatten();
        status.warning = warnings.reduce(|one, other| one + " " + &other);
        (status.note, status.lifetime) = (note, wish.lifetime);
        let polls = Polls {
            clock: self.clock.clone(),
            device_code: authorization.device_code,
            interval: authorization.interval,
            unanswered: 0,
            last_failure: None,
        };
        let (name, clock) = (profile.name.clone(), self.clock.clone());
        let deadline = asked_at + authorization.life;
        let (attempt, inbox) = Attempt::new(
            clock,
            name,
            deadline,
            Awaits::Nothing,
            String::new(),
            status,
            self.sessions.history(),
        );
        let redemption = self.redemption(profile, registration, wish);
        let begun = self.enter(&attempt);
        tokio::spawn(polls.run(attempt, inbox, redemption));
        Ok(begun)
    }
}

/// The polls of one attempt.
struct Polls {
    clock: Clock,
    device_code: SecretString,
    /// The pause that the server wants between polls.
    interval: Duration,
    /// How many polls in a row had no clear answer.
    unanswered: u32,
    /// What the last of them met.
    last_failure: Option<Failure>,
}

/// How the polling ended.
enum Ended {
    Granted(Box<NewLogin>),
    Failed(LoginFailure),
    /// The codes are too old, or the attempt ended by itself.
    Over,
}

impl Polls {
    /// Carries the attempt through to its end. The inbox is kept until then, though nobody brings an answer.
    async fn run(mut self, attempt: Arc<Attempt>, inbox: Inbox, redemption: Redemption) {
        let _guard = attempt.guard();
        inbox.listens_nowhere();
        match self.poll(&attempt, &redemption).await {
            Ended::Granted(login) => attempt.sign_in(*login, &redemption).await,
            Ended::Failed(failure) => attempt.fail(failure),
            Ended::Over => attempt.expire(self.last_failure.as_ref().map(failure::last_poll)),
        }
        attempt.let_go();
    }

    async fn poll(&mut self, attempt: &Attempt, redemption: &Redemption) -> Ended {
        let mut pause = self.interval;
        loop {
            if !attempt.wait_until(self.clock.now() + pause).await {
                return Ended::Over;
            }
            attempt.hold_on(&*redemption.sessions);
            pause = match self.ask(redemption).await {
                Ok(pause) => pause,
                Err(ended) => return ended,
            };
            attempt.let_go();
        }
    }

    /// One poll: the pause until the next, or the end.
    async fn ask(&mut self, redemption: &Redemption) -> Result<Duration, Ended> {
        let Redemption { exchange, registration, .. } = redemption;
        let (pace, endpoint) = (redemption.sessions.pace(), registration.token_endpoint.as_str());
        pace.go_ahead(endpoint);
        let obtained_at = self.clock.now();
        let answer = match device::poll(
            &**exchange,
            registration,
            &self.device_code,
            redemption.wanted(),
            self.clock.unix_now(),
        )
        .await
        {
            Ok(answer) => answer,
            Err(retry) => {
                redemption.distrust();
                return Ok(self.back_off(retry.failure, retry.after));
            }
        };
        match device::judge(&answer, registration, self.clock.unix_now()) {
            Poll::Granted(tokens) => {
                Err(Ended::Granted(Box::new(redemption.accept(*tokens, obtained_at).await)))
            }
            Poll::Pending => Ok(self.answered()),
            Poll::SlowDown { interval } => {
                self.interval = (self.interval + SLOWER).max(interval.unwrap_or_default());
                Ok(self.answered())
            }
            Poll::Denied(declined) => Err(Ended::Failed(failure::declined(&declined))),
            Poll::Expired => {
                self.answered();
                Err(Ended::Over)
            }
            Poll::Retry(retry) => {
                pace.note_retry(endpoint, &retry);
                redemption.distrust();
                Ok(self.back_off(retry.failure, retry.after))
            }
            Poll::Refused(refusal) => {
                redemption.give_back_refused(&answer, &self.clock).await;
                Err(Ended::Failed(failure::device_refusal(&refusal)))
            }
        }
    }

    fn answered(&mut self) -> Duration {
        self.unanswered = 0;
        self.last_failure = None;
        self.interval
    }

    /// Polls less often until there is an answer again (RFC 8628 section 3.5).
    fn back_off(&mut self, failure: Failure, after: Option<Duration>) -> Duration {
        tracing::debug!(error = failure.error, "a poll of the device flow had no clear answer");
        self.unanswered += 1;
        self.last_failure = Some(failure);
        let doubled = self.interval.saturating_mul(1 << self.unanswered.min(6));
        doubled.min(LONGEST_BACKOFF).max(self.interval).max(after.unwrap_or_default())
    }
}
