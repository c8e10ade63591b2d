//! The ledger: every request that arrived, every secret that left, every rotation. It is the tests' oracle.

use std::{collections::BTreeMap, time::Duration};

use super::Endpoint;

/// What a practice server has seen and done so far. It holds secrets on purpose: a test searches for them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    secrets: Vec<Secret>,
    redemptions: BTreeMap<String, usize>,
    refreshes: Vec<Refresh>,
    reuse_events: Vec<Reuse>,
    replayed_assertions: Vec<String>,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it arrived, counted from the making of the server.
    pub at: Duration,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its header fields, names in lower case, in order of arrival.
    pub headers: Vec<(String, String)>,
    /// The parameters of its query.
    pub query: Parameters,
    /// The parameters of its form-encoded body.
    pub form: Parameters,
    /// What it was answered; `None` while it waits, and for ever when the connection ended without an answer.
    pub status: Option<u16>,
}

/// Parameters in the order they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(pub Vec<(String, String)>);

/// A secret that the server gave out, or that a client proved itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug)]
pub struct Refresh {
    /// When.
    pub at: Duration,
    /// The refresh token that was spent.
    pub refresh_token: String,
    /// The one that replaces it.
    pub successor: String,
    /// The access token issued with it.
    pub access_token: String,
}

/// A spent refresh token or code that was presented again, and so cost its family the life.
#[derive(Clone, Debug)]
pub struct Reuse {
    /// When.
    pub at: Duration,
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
        self.entries.len() - 1
    }

    pub(super) fn answered(&mut self, index: usize, status: u16) {
        self.entries[index].status = Some(status);
    }

    pub(super) fn remember(&mut self, kind: SecretKind, text: &str) {
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

    pub(super) fn reused(&mut self, at: Duration, presented: &str) {
        self.reuse_events.push(Reuse { at, presented: presented.to_owned() });
    }
}

impl Entry {
    /// Which endpoint it went to.
    pub fn endpoint(&self) -> Option<Endpoint> {
        Endpoint::at(&self.path)
    }

    /// A parameter of its body, else of its query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.form.get(name).or_else(|| self.query.get(name))
    }

    /// A header field by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl Parameters {
    /// Reads a query or a form-encoded body.
    pub fn parse(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    /// The first value of this name; an empty one counts as left out (RFC 6749 section 3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(other, value)| other == name && !value.is_empty())?;
        Some(value)
    }

    /// All values of this name but empty ones.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(other, value)| other == name && !value.is_empty())
            .map(|(_, v)| v.as_str())
    }

    /// Whether a parameter that may come only once came twice; `resource` may repeat (RFC 8707).
    pub fn repeats_any(&self) -> bool {
        let mut names: Vec<_> =
            self.0.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "resource").collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1])
    }
}
