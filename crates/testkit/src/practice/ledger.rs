//! The ledger: every request that arrived, every secret that left, every rotation. It is the tests' oracle.

use std::{collections::BTreeMap, fmt, time::Duration};

pub use super::entry::{Entry, Parameters};
use super::{Endpoint, FamilyId};

/// What a practice server has seen and done so far. It holds secrets on purpose: a test searches for them.
/// `Debug` shows none of them.
#[derive(Clone, Default)]
pub struct Ledger {
    /// How many requests came before the first entry, and are forgotten.
    forgotten: usize,
    entries: Vec<Entry>,
    secrets: Vec<Secret>,
    redemptions: BTreeMap<String, usize>,
    refreshes: Vec<Refresh>,
    reuse_events: Vec<Reuse>,
    replayed_assertions: Vec<String>,
}

/// A secret that the server gave out, or that a client proved itself with.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// What it is.
    pub kind: SecretKind,
    /// The secret itself.
    pub text: String,
}

/// What a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "RFC terms")]
pub enum SecretKind {
    AuthorizationCode,
    DeviceCode,
    CodeVerifier,
    AccessToken,
    RefreshToken,
    IdToken,
    ClientSecret,
    ClientAssertion,
    Password,
}

/// A rotation that was committed.
#[derive(Clone)]
pub struct Refresh {
    /// When.
    pub at: Duration,
    /// Whose.
    pub family: FamilyId,
    /// The refresh token that was spent.
    pub refresh_token: String,
    /// The one that replaces it; itself where it stays the only one.
    pub successor: String,
    /// The access token issued with it.
    pub access_token: String,
}

/// A spent refresh token or code that was presented again.
#[derive(Clone)]
pub struct Reuse {
    /// When.
    pub at: Duration,
    /// Whose.
    pub family: FamilyId,
    /// What was presented.
    pub presented: String,
}

impl Ledger {
    /// Every request, in order of arrival.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The requests to one endpoint.
    pub fn requests(&self, endpoint: Endpoint) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.endpoint() == Some(endpoint))
    }

    /// What programs send without a browser, in order of arrival: the requests to the token, device authorization
    /// and revocation endpoints. Two programs do the same when these are equal field by field.
    pub fn back_channel(&self) -> impl Iterator<Item = &Entry> {
        let endpoints = [Endpoint::Token, Endpoint::DeviceAuthorization, Endpoint::Revocation];
        self.entries.iter().filter(move |entry| entry.endpoint().is_some_and(|at| endpoints.contains(&at)))
    }

    /// The requests to the token endpoint with this `grant_type`, whatever came of them.
    pub fn token_requests(&self, grant_type: &str) -> Vec<&Entry> {
        self.requests(Endpoint::Token)
            .filter(|entry| entry.form.get("grant_type") == Some(grant_type))
            .collect()
    }

    /// Every committed rotation.
    pub fn refreshes(&self) -> &[Refresh] {
        &self.refreshes
    }

    /// Every reuse of a spent refresh token or code.
    pub fn reuse_events(&self) -> &[Reuse] {
        &self.reuse_events
    }

    /// Every client assertion that was presented again, and refused.
    pub fn replayed_assertions(&self) -> &[String] {
        &self.replayed_assertions
    }

    /// How often each refresh token was presented for redemption; those never presented count zero.
    pub fn redemptions(&self) -> &BTreeMap<String, usize> {
        &self.redemptions
    }

    /// How often the most presented refresh token was: more than once is a race lost.
    pub fn most_redemptions(&self) -> usize {
        self.redemptions.values().copied().max().unwrap_or(0)
    }

    /// Every secret so far.
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// The texts of one kind of secret, in order.
    pub fn secrets_of(&self, kind: SecretKind) -> impl Iterator<Item = &str> {
        self.secrets.iter().filter(move |secret| secret.kind == kind).map(|secret| secret.text.as_str())
    }

    pub(super) fn arrived(&mut self, entry: Entry) -> usize {
        if let Some(verifier) = entry.form.get("code_verifier") {
            self.remember(SecretKind::CodeVerifier, verifier);
        }
        self.entries.push(entry);
        self.forgotten + self.entries.len() - 1
    }

    pub(super) fn answered(&mut self, index: usize, status: u16) {
        // A request may be forgotten while it waits for its answer.
        let entry = index.checked_sub(self.forgotten).and_then(|index| self.entries.get_mut(index));
        if let Some(entry) = entry {
            entry.status = Some(status);
        }
    }

    pub(super) fn forget(&mut self) {
        *self = Self { forgotten: self.forgotten + self.entries.len(), ..Self::default() };
    }

    pub(crate) fn remember(&mut self, kind: SecretKind, text: &str) {
        if kind == SecretKind::RefreshToken {
            self.redemptions.insert(text.to_owned(), 0);
        }
        self.secrets.push(Secret { kind, text: text.to_owned() });
    }

    pub(super) fn presented(&mut self, refresh_token: &str) {
        if let Some(count) = self.redemptions.get_mut(refresh_token) {
            *count += 1;
        }
    }

    pub(super) fn refreshed(&mut self, refresh: Refresh) {
        self.refreshes.push(refresh);
    }

    pub(super) fn replayed(&mut self, assertion: &str) {
        self.replayed_assertions.push(assertion.to_owned());
    }

    pub(super) fn reused(&mut self, at: Duration, family: FamilyId, presented: &str) {
        self.reuse_events.push(Reuse { at, family, presented: presented.to_owned() });
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ledger")
            .field("entries", &self.entries)
            .field("secrets", &self.secrets.len())
            .field("most_redemptions", &self.most_redemptions())
            .field("refreshes", &self.refreshes)
            .field("reuse_events", &self.reuse_events)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Secret").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Debug for Refresh {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Refresh").field("at", &self.at).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reuse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reuse").field("at", &self.at).finish_non_exhaustive()
    }
}
