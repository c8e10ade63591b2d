//! One redemption, in the order that survives a crash: write the intent, ask once, write the raw answer, and only
//! then try to understand it. The state machine persists the outcome before anyone sees it.

use std::{fmt, sync::Arc};

use fourinsight_ipc::SessionKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{demand::Demand, record::Login, task::Environment, unsent::unsent};
use crate::{
    authority::{
        Failure, Outcome, Retry, Verdict,
        grant::{self, Purpose},
        id_token,
        pace::Permit,
        response::{self, Expected, RawAnswer},
    },
    clock::{Mark, Timestamp},
    fault, telemetry,
    token::{Person, RefreshToken, TokenKey},
};

/// What one redemption needs to know of its session.
pub(super) struct Redemption {
    pub(super) session: SessionKey,
    /// The generation that a grant will make.
    pub(super) generation: u64,
    pub(super) key: TokenKey,
    pub(super) demand: Option<Demand>,
    pub(super) refresh_token: RefreshToken,
    pub(super) login: Arc<Login>,
    pub(super) person: Option<Person>,
    /// Whether the server may have narrowed the grant to less than the session's own key.
    pub(super) narrowed: bool,
}

impl Redemption {
    /// The session as logs name it.
    fn named(&self) -> impl fmt::Display + '_ {
        telemetry::session(&self.session, self.login.lifetime)
    }

    /// Whether the steps of the rotation go to the disk: where nothing of the session is there, nothing of it can
    /// outlive a crash.
    fn is_journalled(&self) -> bool {
        self.login.lifetime.is_stored()
    }

    /// Redeems, now that it is its turn.
    pub(super) async fn run(self, environment: &Environment, permit: Permit) -> Redeemed {
        let Environment { store, clock, exchange, .. } = environment;
        let intent = Intent::new(&self.key, clock.mark(clock.now())).to_bytes();
        if self.is_journalled()
            && let Err(error) = store.intend(&self.session, self.generation, intent.clone()).await
        {
            tracing::warn!(session = %self.named(), %error, "the journal cannot take a redemption; none is started");
            return Redeemed::unsent(unsent(&error.to_string()), clock.now());
        }
        // The daemon may have been told to stop while the disk was busy.
        if *environment.stopping.borrow() {
            let outcome = stopping();
            self.settle_if_unused(&outcome, environment).await;
            return Redeemed::unsent(outcome, clock.now());
        }
        fault::point("intent_written");
        permit.send();
        let obtained_at = clock.now();
        let own = self.is_own();
        tracing::trace!(session = %self.named(), generation = self.generation, own, "redeeming the refresh token");
        let claims = Demand::claims(self.demand.as_ref(), &self.login.registration);
        let granted = if self.narrowed { self.login.granted_scopes() } else { vec![] };
        let (resource, asks_who) = (self.login.resources.first().map(String::as_str), self.login.asks_who());
        let purpose = if own {
            Purpose::Own { granted: &granted, resource, asks_who }
        } else {
            Purpose::Other { resource }
        };
        let answer = match grant::refresh(
            &**exchange,
            &self.login.registration,
            &self.refresh_token,
            &self.key,
            purpose,
            claims.as_ref(),
            clock.unix_now(),
        )
        .await
        {
            Ok(answer) => answer,
            Err(retry) => {
                let outcome = Outcome::Retry(retry);
                self.settle_if_unused(&outcome, environment).await;
                return Redeemed { outcome, obtained_at, journalled: false };
            }
        };
        fault::point("answer_read");
        let mut journalled = false;
        if self.is_journalled() && answer.may_grant() {
            let entry = journal_entry(&intent, &answer.to_bytes());
            let kept = store.answer(&self.session, self.generation, entry).await;
            journalled = kept.is_ok();
            if let Err(error) = kept {
                tracing::warn!(session = %self.named(), %error, "the journal cannot take the answer; it is in memory only");
            }
        }
        let mut outcome = judge(&answer, &self.login, self.person.as_ref(), clock.unix_now());
        fault::point("parsed");
        if let Outcome::Retry(retry) = &mut outcome {
            retry.ambiguous |= self.error_may_spend(answer.status);
        }
        if let Outcome::Granted(tokens) = &mut outcome
            && own
            && tokens.person.is_none()
            && self.login.is_unproven()
        {
            let registration = &self.login.registration;
            tokens.person = id_token::userinfo(&**exchange, registration, &tokens.access_token, None).await;
        }
        self.settle_if_unused(&outcome, environment).await;
        Redeemed { outcome, obtained_at, journalled }
    }

    /// Where the server has surely not taken the refresh token for another one, a crash from here on leaves nothing
    /// in doubt. After a changed person, or the refusal of another audience, it stays in doubt until the record says so.
    async fn settle_if_unused(&self, outcome: &Outcome, environment: &Environment) {
        let unused = match outcome {
            Outcome::Granted(_) => false,
            Outcome::Retry(retry) => !retry.ambiguous,
            Outcome::Refused(refusal) => {
                let other = !self.is_own() && self.login.terms().refusal_may_spend(refusal.verdict);
                refusal.verdict != Verdict::PersonChanged && !other
            }
        };
        if unused && self.is_journalled() {
            let settled = environment.store.settle(&self.session, self.generation - 1).await;
            settled.unwrap_or_else(
                |error| tracing::debug!(session = %self.named(), %error, "the slot stays open"),
            );
        }
    }

    /// Whether an unclear error for another audience may have cost the refresh token. Who asks too often is told so
    /// before anything else is looked at.
    fn error_may_spend(&self, status: u16) -> bool {
        let refused = (400..500).contains(&status) && status != 429;
        refused && !self.is_own() && self.login.terms().refusal_may_spend(Verdict::InteractionRequired)
    }

    fn is_own(&self) -> bool {
        self.key == self.login.own_key()
    }
}

/// What came of a redemption.
pub(super) struct Redeemed {
    pub(super) outcome: Outcome,
    /// When the request was sent.
    pub(super) obtained_at: Timestamp,
    /// Whether the journal holds the answer.
    pub(super) journalled: bool,
}

impl Redeemed {
    fn unsent(outcome: Outcome, obtained_at: Timestamp) -> Self {
        Self { outcome, obtained_at, journalled: false }
    }
}

/// What an earlier run of the daemon left in the journal.
pub(super) struct Found {
    /// Which key was being redeemed.
    pub(super) key: TokenKey,
    /// When its request was about to be sent.
    pub(super) sent: Mark,
    /// The answer, if it had arrived.
    pub(super) answer: Option<RawAnswer>,
}

impl Found {
    /// Reads an intent.
    pub(super) fn intent(bytes: &[u8]) -> Option<Self> {
        let intent: Intent = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            key: intent.key(),
            sent: intent.sent.unwrap_or(Mark::by_wall(intent.sent_at)),
            answer: None,
        })
    }

    /// Reads an answer.
    pub(super) fn answer(bytes: &[u8]) -> Option<Self> {
        let length = usize::try_from(u32::from_be_bytes(*bytes.first_chunk()?)).ok()?;
        let (intent, answer) = bytes.get(4..)?.split_at_checked(length)?;
        Some(Self { answer: Some(RawAnswer::from_bytes(answer)?), ..Self::intent(intent)? })
    }
}

/// Judges an answer to a refresh.
pub(super) fn judge(answer: &RawAnswer, login: &Login, person: Option<&Person>, unix_now: i64) -> Outcome {
    response::judge(answer, &login.registration, Expected::Refresh { person }, unix_now)
}

/// What is written before a refresh token is sent.
#[derive(Serialize, Deserialize)]
struct Intent {
    scopes: Vec<String>,
    resources: Vec<String>,
    sent_at: i64,
    /// The same by every clock; earlier versions had the wall clock only.
    #[serde(default)]
    sent: Option<Mark>,
}

impl Intent {
    fn new(key: &TokenKey, sent: Mark) -> Self {
        Self {
            scopes: key.scopes().map(str::to_owned).collect(),
            resources: key.resources().map(str::to_owned).collect(),
            sent_at: sent.unix,
            sent: Some(sent),
        }
    }

    fn key(&self) -> TokenKey {
        TokenKey::new(self.scopes.iter().map(String::as_str), self.resources.iter().map(String::as_str))
    }

    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an intent holds nothing that JSON cannot")
    }
}

/// The slot holds one thing at a time, so the answer carries its intent along.
fn journal_entry(intent: &[u8], answer: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = u32::try_from(intent.len()).expect("an intent is short");
    let mut entry = Zeroizing::new(Vec::with_capacity(4 + intent.len() + answer.len()));
    entry.extend_from_slice(&length.to_be_bytes());
    entry.extend_from_slice(intent);
    entry.extend_from_slice(answer);
    entry
}

fn stopping() -> Outcome {
    let failure = Failure::ours("server_unreachable", "the daemon is stopping");
    Outcome::Retry(Retry::of(failure))
}
