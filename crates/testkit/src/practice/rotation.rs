//! The rotation model, pure: families of tokens that descend from one login, and what kills them.

use std::collections::HashMap;

use serde_json::Value;

use super::{settings::Rotation, timeline::Moment};

/// What a person granted: the root of a family.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) client_id: String,
    pub(super) subject: String,
    pub(super) scope: Vec<String>,
    /// Named at authorization (RFC 8707); none named: any may be asked for later.
    pub(super) resources: Vec<String>,
    /// The `claims` that the person signed in with.
    pub(super) claims: Option<Value>,
    /// Whether it came by the device flow.
    pub(super) by_device: bool,
    /// How the person signed in, where it was otherwise than usual.
    pub(super) acr: Option<String>,
    /// In Unix seconds.
    pub(super) signed_in_at: u64,
}

impl Grant {
    /// What a client gets as itself.
    pub(super) fn of_client(client_id: &str, scope: &[String], signed_in_at: u64) -> Self {
        Self {
            client_id: client_id.to_owned(),
            subject: client_id.to_owned(),
            scope: scope.to_vec(),
            resources: vec![],
            claims: None,
            by_device: false,
            acr: None,
            signed_in_at,
        }
    }
}

/// An access token as the server remembers it.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The client that it was issued to.
    pub client_id: String,
    /// Whom it speaks for.
    pub subject: String,
    /// Its scope.
    pub scope: Vec<String>,
    /// The resources that it is for (RFC 8707).
    pub audience: Vec<String>,
    /// The `claims` that its request asked for.
    pub claims: Option<Value>,
    /// In Unix seconds.
    pub(super) issued_at: u64,
    pub(super) expires_at: Moment,
    family: FamilyId,
    revoked: bool,
}

/// What an access token is made for.
#[derive(Clone, Debug, Default)]
pub(super) struct NewAccessToken {
    pub(super) scope: Vec<String>,
    pub(super) audience: Vec<String>,
    pub(super) claims: Option<Value>,
    /// In Unix seconds.
    pub(super) issued_at: u64,
    pub(super) expires_at: Moment,
}

/// What the server says of an access token: the oracle's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// An API accepts it.
    Live,
    /// Its life is over.
    Expired,
    /// It was revoked, alone or with its family.
    Revoked,
    /// This server never issued it.
    Unknown,
}

/// Why a refresh token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    Unknown,
    OtherClient,
    Expired,
    Revoked,
    /// It was spent before; its family is dead now.
    Reused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FamilyId(usize);

/// All families of one server.
pub(super) struct Families {
    rotation: Rotation,
    members: Vec<Family>,
    refresh_tokens: HashMap<String, RefreshToken>,
    access_tokens: HashMap<String, AccessToken>,
}

struct Family {
    grant: Grant,
    revoked: bool,
}

struct RefreshToken {
    family: FamilyId,
    expires_at: Option<Moment>,
    spent: bool,
}

impl Families {
    pub(super) fn new(rotation: Rotation) -> Self {
        Self { rotation, members: Vec::new(), refresh_tokens: HashMap::new(), access_tokens: HashMap::new() }
    }

    pub(super) fn begin(&mut self, grant: Grant) -> FamilyId {
        self.members.push(Family { grant, revoked: false });
        FamilyId(self.members.len() - 1)
    }

    pub(super) fn grant(&self, family: FamilyId) -> &Grant {
        &self.members[family.0].grant
    }

    pub(super) fn add_access_token(&mut self, text: &str, family: FamilyId, token: NewAccessToken) {
        let Grant { client_id, subject, .. } = self.grant(family).clone();
        let NewAccessToken { scope, audience, claims, issued_at, expires_at } = token;
        let token = AccessToken {
            client_id,
            subject,
            scope,
            audience,
            claims,
            issued_at,
            expires_at,
            family,
            revoked: false,
        };
        self.access_tokens.insert(text.to_owned(), token);
    }

    pub(super) fn add_refresh_token(&mut self, text: &str, family: FamilyId, expires_at: Option<Moment>) {
        self.refresh_tokens.insert(text.to_owned(), RefreshToken { family, expires_at, spent: false });
    }

    /// Judges a refresh token that a client presents. It is not spent yet; but a reuse takes effect here.
    pub(super) fn present(&mut self, text: &str, client_id: &str, now: Moment) -> Result<FamilyId, Denied> {
        let token = self.refresh_tokens.get(text).ok_or(Denied::Unknown)?;
        let family = &mut self.members[token.family.0];
        if family.grant.client_id != client_id {
            return Err(Denied::OtherClient);
        }
        if token.spent {
            family.revoked = true;
            return Err(Denied::Reused);
        }
        if family.revoked {
            return Err(Denied::Revoked);
        }
        if token.expires_at.is_some_and(|end| end <= now) {
            return Err(Denied::Expired);
        }
        Ok(token.family)
    }

    /// Brings the successor of a refresh token that [`Self::present`] accepted, which is spent unless this server
    /// lets old ones live.
    pub(super) fn rotate(&mut self, text: &str, successor: &str, expires_at: Option<Moment>) {
        if let Some(token) = self.refresh_tokens.get_mut(text) {
            token.spent = self.rotation == Rotation::Strict;
            let family = token.family;
            self.add_refresh_token(successor, family, expires_at);
        }
    }

    pub(super) fn access_token(&self, text: &str) -> Option<&AccessToken> {
        self.access_tokens.get(text)
    }

    /// The login that an access token descends from.
    pub(super) fn login_of(&self, token: &AccessToken) -> &Grant {
        self.grant(token.family)
    }

    /// Whether nothing has ended the login that an access token descends from.
    pub(super) fn login_lives(&self, token: &AccessToken) -> bool {
        !self.members[token.family.0].revoked
    }

    pub(super) fn verdict(&self, access_token: &str, now: Moment) -> Verdict {
        self.access_tokens.get(access_token).map_or(Verdict::Unknown, |token| self.judge(token, now))
    }

    pub(super) fn verdicts(&self, now: Moment) -> impl Iterator<Item = Verdict> {
        self.access_tokens.values().map(move |token| self.judge(token, now))
    }

    pub(super) fn revoke_family(&mut self, family: FamilyId) {
        self.members[family.0].revoked = true;
    }

    pub(super) fn revoke_all(&mut self) {
        for family in &mut self.members {
            family.revoked = true;
        }
    }

    /// The family and the client of a refresh token.
    pub(super) fn owner_of_refresh_token(&self, text: &str) -> Option<(FamilyId, &str)> {
        let family = self.refresh_tokens.get(text)?.family;
        Some((family, &self.grant(family).client_id))
    }

    pub(super) fn revoke_access_token(&mut self, text: &str) {
        if let Some(token) = self.access_tokens.get_mut(text) {
            token.revoked = true;
        }
    }

    fn judge(&self, token: &AccessToken, now: Moment) -> Verdict {
        if token.revoked || self.members[token.family.0].revoked {
            Verdict::Revoked
        } else if token.expires_at <= now {
            Verdict::Expired
        } else {
            Verdict::Live
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const END: Moment = Duration::from_secs(10);

    fn one_login() -> (Families, FamilyId) {
        one_login_at(Rotation::Strict)
    }

    fn one_login_at(rotation: Rotation) -> (Families, FamilyId) {
        let mut families = Families::new(rotation);
        let family = families.begin(Grant::of_client("c", &[], 0));
        families.add_refresh_token("r1", family, Some(END));
        families.add_access_token("a1", family, NewAccessToken { expires_at: END, ..Default::default() });
        (families, family)
    }

    #[test]
    fn a_spent_refresh_token_kills_its_whole_family_and_no_other() {
        let (mut families, family) = one_login();
        let other = families.begin(families.grant(family).clone());
        families.add_refresh_token("other", other, None);
        assert_eq!(families.present("r1", "c", Moment::ZERO), Ok(family));
        families.rotate("r1", "r2", None);
        assert_eq!(families.present("r2", "c", Moment::ZERO), Ok(family));
        assert_eq!(families.present("r1", "c", Moment::ZERO), Err(Denied::Reused));
        assert_eq!(families.present("r2", "c", Moment::ZERO), Err(Denied::Revoked));
        assert_eq!(families.verdict("a1", Moment::ZERO), Verdict::Revoked);
        assert_eq!(families.present("other", "c", Moment::ZERO), Ok(other));
    }

    #[test]
    fn where_old_ones_live_each_of_them_does() {
        let (mut families, family) = one_login_at(Rotation::NeverRevoke);
        families.rotate("r1", "r2", None);
        families.rotate("r1", "r3", None);
        for text in ["r1", "r2", "r3", "r1"] {
            assert_eq!(families.present(text, "c", Moment::ZERO), Ok(family), "{text}");
        }
        families.revoke_family(family);
        assert_eq!(families.present("r3", "c", Moment::ZERO), Err(Denied::Revoked));
    }

    #[test]
    fn presenting_spends_nothing() {
        let (mut families, family) = one_login();
        for _ in 0..2 {
            assert_eq!(families.present("r1", "c", Moment::ZERO), Ok(family));
        }
    }

    #[test]
    fn a_foreign_client_neither_redeems_nor_kills() {
        let (mut families, family) = one_login();
        families.rotate("r1", "r2", None);
        assert_eq!(families.present("r1", "thief", Moment::ZERO), Err(Denied::OtherClient));
        assert_eq!(families.present("r2", "c", Moment::ZERO), Ok(family));
    }

    #[test]
    fn lives_end_at_their_end() {
        let (mut families, family) = one_login();
        let just_before = END.saturating_sub(Duration::from_nanos(1));
        assert_eq!(families.present("r1", "c", just_before), Ok(family));
        assert_eq!(families.verdict("a1", just_before), Verdict::Live);
        assert_eq!(families.present("r1", "c", END), Err(Denied::Expired));
        assert_eq!(families.verdict("a1", END), Verdict::Expired);
        assert_eq!(families.verdict("a2", END), Verdict::Unknown);
    }

    #[test]
    fn an_access_token_can_be_revoked_alone() {
        let (mut families, family) = one_login();
        families.revoke_access_token("a1");
        assert_eq!(families.verdict("a1", Moment::ZERO), Verdict::Revoked);
        assert_eq!(families.present("r1", "c", Moment::ZERO), Ok(family));
    }
}
