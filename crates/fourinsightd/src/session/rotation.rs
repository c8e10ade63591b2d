//! What a session knows of how its server rotates refresh tokens, and what it does with one whose last use was
//! interrupted: the server may have replaced it, and nobody here has seen by what. Pure.
//!
//! No order of writes can rule that out. What helps is to ask again in time: many servers answer the old refresh token
//! for a little while. Where the server may take that for a theft, and end the living access token too, the refresh
//! token is left alone until that token has ended anyway; from then on there is nothing left to lose by asking.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    event::{Arrival, Effect},
    signed_in::{Grant, SignedIn},
    state::{Phase, State},
};
use crate::{
    authority::{Failure, Retry, grant},
    clock::Timestamp,
    profile::Rotation,
    token::TokenKey,
};

/// How a session's refresh token fares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rotating {
    /// When it was last used with success.
    pub(crate) last_at: Option<Timestamp>,
    pub(crate) learnt: Learnt,
    pub(crate) interrupted: Option<Box<Interrupted>>,
}

/// What the server's answers say about it. What the profile says goes before this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Learnt {
    /// It has answered without another refresh token, and never with one.
    keeps: bool,
    /// It has answered with another one.
    replaces: bool,
    /// For so many seconds after its first use an old one was still taken.
    grace: u64,
}

/// A use of the refresh token of which nobody knows what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Interrupted {
    /// When it was first sent.
    pub(crate) since: Timestamp,
    /// Whether the clocks can tell how long ago that was.
    pub(crate) age_known: bool,
    /// The generation that an answer would have made.
    pub(crate) generation: u64,
    pub(crate) cause: Cause,
    /// How often it was sent.
    pub(crate) sendings: u32,
    /// It is left alone until the session's own access token has ended.
    pub(crate) held: bool,
    /// Until when it may be sent again before that.
    window: Timestamp,
}

/// What interrupted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// The daemon ended.
    DaemonEnded,
    /// No answer came, or none that could be read.
    AnswerLost,
}

/// What a start does about an interruption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resumption {
    /// Nothing: an old refresh token is as good as a new one here.
    None,
    /// It asks again at once.
    Now,
    /// It asks when the access token has ended.
    AtEnd,
}

/// How old an interruption may be where nothing is known of the server: most graces last from half a minute to one.
const USUAL_GRACE: Duration = Duration::from_mins(1);

/// What is kept in reserve of a grace, for the way to the server.
const MARGIN: Duration = Duration::from_secs(5);

/// How often the refresh token is sent again where nothing is known of the server, and after a time-out: then the
/// server may still be at work on the first request.
const USUAL_RETRIES: u32 = 3;
const RETRIES_AFTER_TIME_OUT: u32 = 1;

impl Interrupted {
    /// An interruption, as it was found or just happened.
    pub(crate) fn new(since: Option<Timestamp>, unsure: Timestamp, generation: u64, cause: Cause) -> Self {
        let (at, age_known) = (since.unwrap_or(unsure), since.is_some());
        Self { since: at, age_known, generation, cause, sendings: 1, held: false, window: at }
    }

    /// The same, as a record tells it.
    pub(crate) fn sent(self, sendings: u32, held: bool) -> Self {
        Self { sendings, held, ..self }
    }

    /// What happened, for people.
    fn what_happened(&self) -> &'static str {
        match self.cause {
            Cause::DaemonEnded => "the daemon ended in the middle of a renewal",
            Cause::AnswerLost => "the answer to a renewal was lost",
        }
    }
}

impl Rotating {
    /// A grant has come; `replaced` says whether with another refresh token than the one it was asked with, and nothing
    /// where it was a login.
    pub(super) fn granted(&mut self, replaced: Option<bool>, obtained_at: Timestamp) {
        let interrupted = self.interrupted.take();
        let Some(replaced) = replaced else { return };
        self.last_at = Some(obtained_at);
        self.learnt.replaces |= replaced;
        self.learnt.keeps = !self.learnt.replaces && (self.learnt.keeps || interrupted.is_none());
        // Long after, the likelier reason is that the server had never seen the first request.
        let age = interrupted.filter(|it| it.age_known).map(|it| obtained_at.since(it.since));
        if let Some(age) = age.filter(|age| *age <= USUAL_GRACE) {
            self.learnt.grace = self.learnt.grace.max(age.as_secs());
        }
    }
}

impl SignedIn {
    /// What the server does with a refresh token that is used, and whether that was learnt.
    pub(crate) fn behaviour(&self) -> (Rotation, bool) {
        match (self.terms.rotation, self.rotating.learnt) {
            (Rotation::Unknown, Learnt { keeps: true, .. }) => (Rotation::None, true),
            (Rotation::Unknown, Learnt { grace: 1.., .. }) => {
                (Rotation::Grace(self.rotating.learnt.grace), true)
            }
            (configured, _) => (configured, false),
        }
    }

    /// Whether an old refresh token is as good as a new one.
    pub(super) fn old_ones_stay_good(&self) -> bool {
        matches!(self.behaviour().0, Rotation::None | Rotation::NeverRevoke)
    }

    /// How long after its first use the refresh token may be sent again though that may do harm.
    fn window(&self) -> Duration {
        let grace = |seconds| Duration::from_secs(seconds).saturating_sub(MARGIN);
        match self.behaviour() {
            (Rotation::Grace(seconds), false) => grace(seconds),
            // What was learnt is the least that the server allows, not the most.
            (Rotation::Grace(seconds), true) => grace(seconds).max(USUAL_GRACE),
            (Rotation::Unknown, _) => USUAL_GRACE,
            (Rotation::Strict | Rotation::None | Rotation::NeverRevoke, _) => Duration::ZERO,
        }
    }

    /// Whether there is a living access token that asking again might end.
    pub(super) fn has_something_to_lose(&self, now: Timestamp) -> bool {
        self.own_token().is_some_and(|token| token.expiry.end().is_none_or(|end| end > now))
    }

    /// An attempt decided nothing, and the pause after it is set: where the server may have acted on it all the same,
    /// that pause becomes one that fits what is known of the server. Returns whether the record is to tell of it.
    pub(super) fn interrupt(&mut self, retry: &Retry, generation: u64, arrival: Arrival) -> bool {
        let Arrival { obtained_at, now, .. } = arrival;
        let Grant::RefreshToken { .. } = self.grant else { return false };
        if !retry.ambiguous || self.old_ones_stay_good() {
            return false;
        }
        let (rotation, learnt) = self.behaviour();
        let (window, can_lose) = (self.window(), self.has_something_to_lose(now));
        let first = || Interrupted::new(Some(obtained_at), now, generation, Cause::AnswerLost).sent(0, false);
        let interrupted = self.rotating.interrupted.get_or_insert_with(|| Box::new(first()));
        interrupted.sendings += 1;
        if !can_lose {
            return true;
        }
        let timed_out = now.since(obtained_at) >= grant::TIME_LIMIT;
        let at = now + pause_after(interrupted.sendings).max(retry.after.unwrap_or_default());
        let end = interrupted.since + window;
        let most = if timed_out { RETRIES_AFTER_TIME_OUT } else { USUAL_RETRIES };
        let in_time = match rotation {
            Rotation::Strict | Rotation::None | Rotation::NeverRevoke => false,
            Rotation::Grace(_) if !learnt => at <= end && (!timed_out || interrupted.sendings <= most),
            Rotation::Grace(_) | Rotation::Unknown => interrupted.sendings <= most,
        };
        interrupted.held |= !in_time;
        interrupted.window = at.max(end);
        if interrupted.held {
            self.backoff = self.backoff.take().filter(|_| retry.after.is_some());
        } else {
            if let Some(backoff) = &mut self.backoff {
                (backoff.until, backoff.own_until) = (at, at);
            }
            // Whichever key it was for: asking now is what may save the login.
            let own = self.own.clone();
            self.entry(own, now).request(None, now);
        }
        true
    }

    /// Leaves the refresh token alone once the time has passed in which asking again may help. Returns whether that is
    /// news.
    pub(super) fn close_window(&mut self, now: Timestamp) -> bool {
        let can_lose = self.has_something_to_lose(now);
        let Some(interrupted) = &mut self.rotating.interrupted else { return false };
        let closes = !interrupted.held && can_lose && now > interrupted.window;
        interrupted.held |= closes;
        closes
    }

    /// Decides at a start what to do about an interruption.
    fn resume(&mut self, now: Timestamp) -> Resumption {
        if self.old_ones_stay_good() {
            self.rotating.interrupted = None;
            return Resumption::None;
        }
        let (window, can_lose) = (self.window(), self.has_something_to_lose(now));
        let Some(interrupted) = &mut self.rotating.interrupted else { return Resumption::None };
        interrupted.window = interrupted.since + window;
        let recent = interrupted.age_known && !window.is_zero() && now <= interrupted.window;
        interrupted.held |= !recent || interrupted.sendings > USUAL_RETRIES;
        if interrupted.held && can_lose { Resumption::AtEnd } else { Resumption::Now }
    }

    /// Until when an interrupted refresh token is left alone.
    pub(super) fn interruption_held_until(&self) -> Option<Timestamp> {
        self.rotating.interrupted.as_ref().filter(|interrupted| interrupted.held)?;
        self.own_token()?.expiry.end()
    }

    /// What happened and what follows, for people.
    pub(crate) fn interruption(&self) -> Option<(&Interrupted, String)> {
        let interrupted = self.rotating.interrupted.as_deref()?;
        let what = interrupted.what_happened();
        let follows = if self.interruption_held_until().is_some() {
            "the access token is served to its end, then the refresh token is tried once more; you may have to sign in \
             again then"
        } else {
            "the refresh token is being tried again"
        };
        Some((interrupted, format!("{what}; the server may have replaced the refresh token; {follows}")))
    }

    /// The server's last word on a session whose renewal was interrupted: it is beside ours.
    pub(super) fn last_word_after_interruption(&self, told: Failure) -> Failure {
        let Some(interrupted) = &self.rotating.interrupted else { return told };
        let description = format!(
            "{}, and the server no longer takes the refresh token that was in use before (it says {}: {})",
            interrupted.what_happened(),
            told.error,
            told.description
        );
        failure(description).with_detail(told.detail.map(|detail| *detail).unwrap_or_default())
    }
}

impl State {
    /// An earlier renewal was interrupted, as the journal or the record tells. What is decided goes into the record before
    /// anything is sent, so that a daemon which ends again and again does not send the refresh token each time.
    pub(super) fn interrupted(
        &mut self,
        found: Option<Box<Interrupted>>,
        key: TokenKey,
        now: Timestamp,
    ) -> Vec<Effect> {
        let Phase::SignedIn(session) = &mut self.phase else { return vec![] };
        let Grant::RefreshToken { .. } = session.grant else { return vec![] };
        let news = found.is_some();
        match (&mut session.rotating.interrupted, found) {
            (Some(known), Some(_)) => known.sendings += 1,
            (none, Some(found)) => *none = Some(found),
            (_, None) => {}
        }
        match session.resume(now) {
            Resumption::Now => session.entry(key, now).request(None, now),
            Resumption::AtEnd => {}
            Resumption::None => return vec![Effect::Publish],
        }
        if news { session.persist_doubt() } else { vec![Effect::Publish] }
    }

    /// Whether a use of the refresh token was interrupted.
    pub(crate) fn is_interrupted(&self) -> bool {
        matches!(&self.phase, Phase::SignedIn(session) if session.rotating.interrupted.is_some())
    }

    /// What happened to it, and what follows.
    pub(crate) fn interruption(&self) -> Option<Failure> {
        let Phase::SignedIn(session) = &self.phase else { return None };
        let (_, description) = session.interruption()?;
        Some(failure(description))
    }
}

/// Whether that is what is wrong.
pub(super) fn is_interruption(failure: &Failure) -> bool {
    failure.error == "rotation_interrupted"
}

/// What is wrong with a session whose renewal was interrupted.
pub(super) fn failure(description: impl Into<String>) -> Failure {
    Failure::ours("rotation_interrupted", description)
}

/// How long to wait after so many sendings without a clear answer.
fn pause_after(sendings: u32) -> Duration {
    Duration::from_secs(match sendings {
        0 | 1 => 1,
        2 => 4,
        more => 10 << (more - 3).min(5),
    })
}
