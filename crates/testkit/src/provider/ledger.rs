//! What the provider saw and did, as it reports itself.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Everything that tests assert on.
#[derive(Clone, Debug, Deserialize)]
pub struct Ledger {
    /// Every request at the token endpoint, in order.
    pub token_requests: Vec<TokenRequest>,
    /// Every request at the revocation endpoint, in order.
    pub revocations: Vec<Revocation>,
    /// What became of refresh tokens.
    pub refresh_tokens: RefreshTokens,
    /// How many grants were revoked whole: by revocation, or by a refresh token used twice.
    pub grants_revoked: u64,
    /// How many grants of a person are neither revoked nor destroyed.
    pub grants_alive: u64,
    /// How often a refresh token was presented that had been redeemed before.
    pub refresh_tokens_reused: u64,
    /// Every code, code verifier, token and client secret that went over the wire.
    pub secrets: Vec<String>,
}

/// One request at the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TokenRequest {
    /// When it arrived, in Unix milliseconds.
    pub arrived_at: i64,
    /// When it was answered, in Unix milliseconds.
    pub at: i64,
    /// The grant that its refresh token, presented or issued, belongs to.
    pub grant: Option<String>,
    /// Its grant type.
    pub grant_type: Option<String>,
    /// The refresh token that it presented.
    pub refresh_token: Option<String>,
    /// The scope that it asked for.
    pub scope: Option<String>,
    /// The resources that it named (RFC 8707).
    pub resources: Vec<String>,
    /// The answer's status.
    pub status: u16,
    /// The answer's `error`.
    pub error: Option<String>,
    /// The answer's `error_description`.
    pub error_description: Option<String>,
}

/// One request at the revocation endpoint.
#[derive(Clone, Debug, Deserialize)]
pub struct Revocation {
    /// The answer's status.
    pub status: u16,
    /// The answer's `error`.
    pub error: Option<String>,
}

/// Counts of what became of refresh tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct RefreshTokens {
    /// Issued.
    pub saved: u64,
    /// Redeemed.
    pub consumed: u64,
    /// Destroyed: revoked, or found used twice.
    pub destroyed: u64,
}

impl Ledger {
    /// The refreshes, in order.
    pub fn refreshes(&self) -> impl Iterator<Item = &TokenRequest> {
        self.token_requests.iter().filter(|request| request.grant_type.as_deref() == Some("refresh_token"))
    }

    /// How often each refresh token was presented.
    pub fn redemptions(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for token in self.refreshes().filter_map(|request| request.refresh_token.as_deref()) {
            *counts.entry(token).or_default() += 1;
        }
        counts
    }

    /// The pairs of refreshes of one grant of which the later arrived before the earlier was answered.
    pub fn overlapping(&self) -> Vec<(&TokenRequest, &TokenRequest)> {
        let refreshes: Vec<_> = self.refreshes().collect();
        let overlap = |one: &TokenRequest, other: &TokenRequest| {
            one.grant == other.grant && one.arrived_at < other.at && other.arrived_at < one.at
        };
        let later = |index: usize| refreshes[index + 1..].iter().map(move |other| (index, *other));
        let pairs = (0..refreshes.len()).flat_map(later);
        pairs.map(|(index, other)| (refreshes[index], other)).filter(|(a, b)| overlap(a, b)).collect()
    }

    /// The token requests that were not granted.
    pub fn refused(&self) -> Vec<&TokenRequest> {
        self.token_requests.iter().filter(|request| request.status != 200).collect()
    }
}

/// An access token's life by the provider's own record, in Unix milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Life {
    /// When it expires.
    pub expires_at: i64,
    /// When it was revoked or destroyed, if it was.
    pub ended_at: Option<i64>,
}

impl Life {
    /// Whether it was alive then.
    pub fn covers(&self, at: i64) -> bool {
        at < self.expires_at && self.ended_at.is_none_or(|ended_at| at < ended_at)
    }
}
