//! What happens to a session, and what is to be done about it: the two ends of the state machine. Pure.

use std::time::Duration;

use super::{
    demand::{Demand, Settled},
    rotation::Interrupted,
    schedule::Chance,
    signed_in::Policy,
    state::Phase,
    terms::Terms,
};
use crate::{
    authority::{Outcome, challenge::Challenge, pace::Pause, step_up::StepUp},
    clock::Timestamp,
    login::NotOpened,
    token::{RefreshToken, TokenId, TokenKey, TokenSet},
};

/// What a new login brings.
#[derive(Debug)]
pub(crate) struct NewGrant {
    pub(crate) tokens: TokenSet,
    pub(crate) own: TokenKey,
    pub(crate) obtained_at: Timestamp,
    pub(crate) id: TokenId,
    pub(crate) policy: Policy,
    /// The client signed in as itself, and can do so again.
    pub(crate) by_client_credentials: bool,
    pub(crate) terms: Terms,
}

/// A refresh token that another tool obtained.
#[derive(Debug)]
pub(crate) struct NewRefreshToken {
    pub(crate) token: RefreshToken,
    pub(crate) own: TokenKey,
    pub(crate) policy: Policy,
    pub(crate) terms: Terms,
}

/// What happens to a session.
#[derive(Debug)]
pub(crate) enum Event {
    /// The session is to be opened by this profile, without a person.
    Open { profile: String },
    /// Opening it did not work.
    NotOpened(NotOpened),
    /// A login succeeded.
    SignIn(Box<NewGrant>),
    /// A login of another tool is taken over; redeeming its refresh token is to prove it.
    Adopt(Box<NewRefreshToken>),
    /// It could not be proven.
    Abandon,
    /// A backup brings it back.
    Restore { phase: Box<Phase>, generation: u64 },
    /// Time has passed. `last_used` is when a token was last handed out.
    Tick { last_used: Timestamp },
    /// Tokens of other keys than the session's own were handed out without asking it, each last at its time.
    Used(Vec<(TokenId, Timestamp)>),
    /// The journal, or the record alone, tells of a use of the refresh token of which nobody knows what came of it; it
    /// was for this key.
    Interrupted { found: Option<Box<Interrupted>>, key: TokenKey },
    /// Somebody wants a better token than the one there was when so many attempts for its key had ended.
    Requested { key: TokenKey, min_validity: Option<Duration>, outcomes: u64 },
    /// Somebody wants a token that is fetched with this demand.
    Demanded { key: TokenKey, demand: Demand },
    /// An API refused a token, and perhaps said why.
    Rejected { id: TokenId, challenge: Option<Box<Challenge>> },
    /// A redemption ended.
    Answered { attempt: u64, outcome: Outcome, obtained_at: Timestamp, id: TokenId },
    /// A redemption was not begun: the server wants to be left alone, or (without a pause) something goes before it.
    NotSent { attempt: u64, pause: Option<Pause> },
    /// The session's server works again since then.
    Recovered { at: Timestamp },
    /// The record of the present generation is on the disk.
    Persisted,
    /// It is not, and may never be.
    PersistFailed,
    /// The person wants it gone.
    Revoke,
    /// The server has been told, or could not be.
    RevocationEnded,
    /// The record could not be deleted.
    ForgetFailed,
    /// The daemon is stopping: finish, begin nothing but the end of what is in memory only.
    Stop,
}

/// What is to be done, in order.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Open the session, then report [`Event::SignIn`] or [`Event::NotOpened`].
    Open,
    /// Redeem the grant for this key, with this demand.
    Redeem { key: TokenKey, attempt: u64, demand: Option<Demand> },
    /// Tell those who wait for it how a demand ended.
    Settled(Box<Settled>),
    /// Keep, in the record too, what the next login must ask for.
    StepUp(Box<StepUp>),
    /// Write the record, or see to it that there is none where nothing is to be on the disk, then report [`Event::Persisted`] or [`Event::PersistFailed`].
    Persist,
    /// Show the present state to everyone.
    Publish,
    /// Tell the server to forget the tokens of [`Revoking`](super::revoking::Revoking), then report [`Event::RevocationEnded`].
    Revoke,
    /// Tell the server, if it can be told, to forget tokens that nobody will use.
    Discard(Box<TokenSet>),
    /// Delete the record, or report [`Event::ForgetFailed`].
    Forget,
}

/// The circumstances of an answer.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    /// When its request was sent.
    pub(super) obtained_at: Timestamp,
    pub(super) id: TokenId,
    pub(super) now: Timestamp,
    pub(super) chance: Chance,
}
