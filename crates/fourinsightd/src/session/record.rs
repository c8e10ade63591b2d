//! A session as it is stored: the JSON that the store seals. Wall-clock times, because the timeline of one run
//! means nothing to the next.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fourinsight_ipc::message::Lifetime;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    doubt::Doubt,
    entry::Entry,
    opening::Opening,
    registrations::Registrations,
    revoking::Revoking,
    signed_in::{Durability, Grant, Policy, SignedIn},
    state::Phase,
    terms::Terms,
};
use crate::{
    authority::{Failure, Registration, ResourceStyle, client_auth, step_up::StepUp},
    clock::{Clock, Timestamp},
    login::{Opener, is_brought},
    profile::Rotation,
    token::{AccessToken, Expiry, Person, RefreshToken, TokenKey},
};

mod rotating;
mod times;
mod token;

use rotating::StoredRotating;
use times::Times;
use token::{Secret, StoredToken};

/// What a login settled and every renewal needs; never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) profile: String,
    #[serde(with = "super::registrations")]
    pub(crate) registration: Arc<Registration>,
    pub(crate) scopes: Vec<String>,
    pub(crate) resources: Vec<String>,
    #[serde(default)]
    pub(crate) refresh_idle: Option<u64>,
    pub(crate) keep_alive: bool,
    /// The `session_key` of `fourinsight.api` that the session stands for, where its key cannot say that itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) original_key: Option<String>,
    /// The scope that the server named at the login, where it is another than what was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) granted: Option<String>,
    /// Who signed in. It outlives the tokens, so that the next login knows whose place it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) person: Option<StoredPerson>,
    /// Names the refresh token of another tool's cache that the login was taken over with, and does not reveal it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) imported: Option<String>,
    /// Whether that tool was told whose the login is, so that the server says it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) names_person: bool,
    /// What the next login must ask for; that login's record does not have it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) step_up: Option<Box<StepUp>>,
    /// How long the session lasts. What is read from the disk is there to stay.
    #[serde(skip)]
    pub(crate) lifetime: Lifetime,
}

impl Login {
    /// The same, with its registration held once among all sessions.
    pub(crate) fn sharing(self, registrations: &Registrations) -> Self {
        Self { registration: registrations.share(self.registration), ..self }
    }

    /// The key of what the login asked for.
    pub(crate) fn own_key(&self) -> TokenKey {
        TokenKey::new(self.scopes.iter().map(String::as_str), self.resources.iter().map(String::as_str))
    }

    /// What opens the session again, when it was opened by client credentials.
    pub(crate) fn opener(&self) -> Opener {
        let (scopes, resources) = (self.scopes.clone(), self.resources.clone());
        Opener::found(
            self.profile.clone(),
            Registration::clone(&self.registration),
            scopes,
            resources,
            self.keep_alive,
        )
        .lasting(self.lifetime)
    }

    /// The scope that the server named, where it is another than the login asked for.
    pub(crate) fn granted_otherwise(asked: &[String], named: Option<&String>) -> Option<String> {
        let key = |scope: &str| TokenKey::new(scope.split_whitespace(), []);
        named.filter(|named| key(named) != key(&asked.join(" "))).cloned()
    }

    /// Whether it was taken over from another tool, and no server has said yet whose it is.
    pub(crate) fn is_unproven(&self) -> bool {
        self.imported.is_some() && self.person.is_none()
    }

    /// Whether a renewal is to bring who signed in.
    pub(crate) fn asks_who(&self) -> bool {
        self.is_unproven() && self.names_person
    }

    /// Who signed in, if that was known then.
    pub(crate) fn person(&self) -> Option<Person> {
        self.person.clone().map(Person::from)
    }

    /// What else it can be asked for, and what that may cost.
    pub(crate) fn terms(&self) -> Terms {
        let Registration { dialect, rotation, .. } = &*self.registration;
        let unbounded = dialect.resource_style == ResourceStyle::Entra;
        Terms {
            bounded: !unbounded,
            granted: self.granted.as_deref().map(Box::from),
            rotation: if unbounded { Rotation::NeverRevoke } else { *rotation },
        }
    }

    /// The scopes that were granted: as far as the server did not say so, those that were asked for. It need not say
    /// so of the ones that only steer the login.
    pub(crate) fn granted_scopes(&self) -> Vec<&str> {
        let asked = self.scopes.iter().map(String::as_str);
        let Some(granted) = &self.granted else { return asked.collect() };
        let named = || granted.split_whitespace();
        let kept =
            asked.clone().filter(|scope| TokenKey::steers_login(scope) || named().any(|it| it == *scope));
        let more = named().filter(|scope| !self.scopes.iter().any(|known| known == scope));
        kept.chain(more).collect()
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            keep_alive: self.keep_alive,
            refresh_idle: self.refresh_idle.map(Duration::from_secs),
            in_memory: !self.lifetime.is_stored(),
        }
    }
}

/// Writes a session's record.
pub(crate) fn encode(phase: &Phase, login: Option<&Login>, clock: &Clock) -> Zeroizing<Vec<u8>> {
    let record = Record { version: VERSION, login: login.cloned(), phase: Stored::of(phase, clock) };
    // One allocation, so that no copy of a secret is left behind by growth.
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    serde_json::to_writer(&mut *bytes, &record).expect("a record holds nothing that JSON cannot");
    bytes
}

/// Reads a session's record.
pub(crate) fn decode(bytes: &[u8], clock: &Clock) -> Result<(Phase, Option<Login>), Unreadable> {
    let Versioned { version } = serde_json::from_slice(bytes).map_err(|_| Unreadable::Damaged)?;
    if version > VERSION {
        return Err(Unreadable::Newer(version));
    }
    let record: Record = serde_json::from_slice(bytes).map_err(|_| Unreadable::Damaged)?;
    let phase = record.phase.restore(record.login.as_ref(), clock)?;
    Ok((phase, record.login))
}

/// Why a record that opens says nothing. It stays as it is until a new login takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// No version ever wrote such a record.
    #[error("its record says nothing that any version of the daemon writes; a copy is kept")]
    Damaged,
    /// A newer version wrote it.
    #[error(
        "its record was written by a newer daemon (version {0} of the record); start that daemon to use it; a copy is \
         kept"
    )]
    Newer(u32),
}

impl Unreadable {
    /// The same, as the session's problem.
    pub(crate) fn failure(self) -> Failure {
        match self {
            Self::Damaged => Failure::ours("record_damaged", self.to_string()),
            Self::Newer(_) => Failure::ours("record_newer", self.to_string()),
        }
    }
}

const VERSION: u32 = 1;

/// What every version says first.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    login: Option<Login>,
    phase: Stored,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, while a record is read or written")]
enum Stored {
    SignedOut,
    SignedIn {
        refresh_token: Option<StoredRefreshToken>,
        ended: Option<Failure>,
        person: Option<StoredPerson>,
        tokens: Vec<StoredToken>,
        #[serde(default, skip_serializing_if = "is_false")]
        narrowed: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        doubt: Option<StoredDoubt>,
        #[serde(default, skip_serializing_if = "StoredRotating::is_nothing")]
        rotating: StoredRotating,
    },
    /// Signed in by client credentials: neither they nor their tokens are stored.
    ClientCredentials,
    LoginRequired {
        failure: Failure,
        since: i64,
    },
    Revoking {
        refresh_token: Option<Secret>,
        access_tokens: Vec<(Secret, Option<i64>)>,
    },
}

/// That the refresh token may be spent.
#[derive(Serialize, Deserialize)]
struct StoredDoubt {
    error: String,
    since: i64,
}

#[derive(Serialize, Deserialize)]
struct StoredRefreshToken {
    secret: Secret,
    obtained_at: i64,
    idle_end: Option<i64>,
    #[serde(default, skip_serializing_if = "is_false")]
    is_fixed: bool,
}

/// A person as the record names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredPerson {
    issuer: String,
    subject: String,
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    login_hint: Option<String>,
}

impl From<&Person> for StoredPerson {
    fn from(person: &Person) -> Self {
        let Person { issuer, subject, name, login_hint } = person.clone();
        Self { issuer, subject, name, login_hint }
    }
}

impl From<StoredPerson> for Person {
    fn from(stored: StoredPerson) -> Self {
        let StoredPerson { issuer, subject, name, login_hint } = stored;
        Self { issuer, subject, name, login_hint }
    }
}

impl Stored {
    fn of(phase: &Phase, clock: &Clock) -> Self {
        let unix = |moment| clock.to_unix(moment);
        match phase {
            Phase::SignedOut => Self::SignedOut,
            Phase::Opening(_) => Self::ClientCredentials,
            Phase::SignedIn(session) if session.by_client_credentials() => Self::ClientCredentials,
            Phase::SignedIn(session) => {
                let (refresh_token, ended) = match &session.grant {
                    Grant::RefreshToken { token, obtained_at, idle_end, is_fixed } => {
                        let secret = Secret(token.expose().into());
                        let stored = StoredRefreshToken {
                            secret,
                            obtained_at: unix(*obtained_at),
                            idle_end: idle_end.map(unix),
                            is_fixed: *is_fixed,
                        };
                        (Some(stored), None)
                    }
                    Grant::None { ended } => (None, ended.clone()),
                    Grant::ClientCredentials => (None, None),
                };
                let tokens = session.entries.iter();
                let tokens = tokens.filter_map(|(key, entry)| {
                    Some(StoredToken::of(key, entry.token.as_ref()?, entry.used_at, clock))
                });
                Self::SignedIn {
                    refresh_token,
                    ended,
                    person: session.person.as_deref().map(StoredPerson::from),
                    tokens: tokens.collect(),
                    narrowed: session.narrowed,
                    doubt: session
                        .doubt
                        .as_deref()
                        .map(|doubt| StoredDoubt { error: doubt.error.clone(), since: unix(doubt.since) }),
                    rotating: StoredRotating::of(&session.rotating, clock),
                }
            }
            Phase::LoginRequired { failure, since } => {
                Self::LoginRequired { failure: failure.clone(), since: unix(*since) }
            }
            Phase::Revoking(revoking) if revoking.in_memory_only => {
                Self::Revoking { refresh_token: None, access_tokens: vec![] }
            }
            Phase::Revoking(revoking) => Self::Revoking {
                refresh_token: revoking.refresh_token.as_ref().map(|token| Secret(token.expose().into())),
                access_tokens: revoking
                    .access_tokens
                    .iter()
                    .map(|(token, expiry)| (Secret(token.expose().into()), expiry.end().map(unix)))
                    .collect(),
            },
        }
    }

    fn restore(self, login: Option<&Login>, clock: &Clock) -> Result<Phase, Unreadable> {
        let moment = |unix| clock.from_unix(unix);
        Ok(match self {
            Self::SignedOut => Phase::SignedOut,
            Self::SignedIn { refresh_token, ended, person, tokens, narrowed, doubt, rotating } => {
                let login = login.ok_or(Unreadable::Damaged)?;
                let (own, mut terms) = (login.own_key(), login.terms());
                // Earlier versions kept what was granted with the token only.
                let named =
                    tokens.iter().find(|token| token.key() == own).and_then(|token| token.scope.as_deref());
                if let Some(scope) = named.filter(|_| terms.granted.is_none()) {
                    let mut words = scope.split_whitespace().filter(|word| !TokenKey::steers_login(word));
                    let more = words.any(|word| own.scopes().all(|known| known != word));
                    terms.granted = Some(scope.into()).filter(|_| more);
                }
                let tokens = tokens.into_iter().map(|token| {
                    let (key, entry) = token.restore(clock);
                    // The session and its own entry share one text.
                    (if key == own { own.clone() } else { key }, entry)
                });
                // Earlier versions asked the server for more than the login reaches.
                let mut entries: BTreeMap<_, _> =
                    tokens.filter(|(key, _)| terms.beyond(&own, key).is_none()).collect();
                entries.entry(own.clone()).or_insert_with(|| Box::new(Entry::restored(None, clock.now())));
                Phase::SignedIn(SignedIn {
                    grant: match refresh_token {
                        Some(stored) => {
                            let times = Times::of(stored.obtained_at, clock);
                            Grant::RefreshToken {
                                token: RefreshToken::new(stored.secret.0),
                                obtained_at: times.began(),
                                idle_end: stored.idle_end.map(|end| times.at(end)),
                                is_fixed: stored.is_fixed,
                            }
                        }
                        None => Grant::None { ended },
                    },
                    own,
                    person: person.map(Person::from).map(Arc::new),
                    entries,
                    backoff: None,
                    durability: Durability::Durable,
                    policy: login.policy(),
                    last_used: Timestamp::from_millis(0),
                    terms,
                    narrowed,
                    doubt: doubt
                        .map(|doubt| Box::new(Doubt { error: doubt.error, since: moment(doubt.since) })),
                    refusals: None,
                    rotating: rotating.restore(clock),
                })
            }
            Self::ClientCredentials => {
                let login = login.ok_or(Unreadable::Damaged)?;
                if is_brought(&login.registration) {
                    Phase::LoginRequired { failure: client_auth::needed(), since: clock.now() }
                } else {
                    Phase::Opening(Opening::new(login.profile.clone()))
                }
            }
            Self::LoginRequired { failure, since } => Phase::LoginRequired { failure, since: moment(since) },
            Self::Revoking { refresh_token, access_tokens } => Phase::Revoking(Revoking {
                in_memory_only: false,
                refresh_token: refresh_token.map(|secret| RefreshToken::new(secret.0)),
                access_tokens: access_tokens
                    .into_iter()
                    .map(|(secret, end)| {
                        let expiry =
                            end.map_or(Expiry::Unknown, |end| Expiry::At { at: moment(end), assumed: false });
                        (AccessToken::new(secret.0), expiry)
                    })
                    .collect(),
            }),
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests;
