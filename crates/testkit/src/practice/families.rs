//! Families of tokens that descend from one login, pure: what they may be redeemed for, and what kills them.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    grant::Grant,
    oracle::{AccessToken, End, Family, FamilyId, Verdict, Why},
    rotation::{Reuse, Rotation, Spent, Successor},
    timeline::Moment,
};

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

/// Why a refresh token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    Unknown,
    OtherClient,
    Expired,
    Revoked,
    /// It was spent before; what that costs its family has been done.
    Reused(FamilyId),
}

/// All families of one server.
pub(super) struct Families {
    rotation: Rotation,
    reuse: Reuse,
    members: Vec<Member>,
    refresh_tokens: HashMap<String, RefreshToken>,
    access_tokens: HashMap<String, AccessToken>,
}

struct Member {
    grant: Grant,
    end: Option<End>,
    access_tokens_revoked: bool,
    /// The refresh token that was issued last.
    current: Option<String>,
    /// The one that the current one was issued for.
    previous: Option<(String, Spent)>,
    refreshes: u64,
    last_refresh_at: Option<Moment>,
    reuse_events: u64,
}

struct RefreshToken {
    family: FamilyId,
    expires_at: Option<Moment>,
}

/// What a redemption brings beside the access token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Redeemed {
    pub(super) refresh_token: String,
    /// Whether it was issued just now.
    pub(super) is_new: bool,
}

impl Families {
    pub(super) fn new(rotation: Rotation, reuse: Reuse) -> Self {
        Self {
            rotation,
            reuse,
            members: Vec::new(),
            refresh_tokens: HashMap::new(),
            access_tokens: HashMap::new(),
        }
    }

    pub(super) fn begin(&mut self, grant: Grant) -> FamilyId {
        self.members.push(Member {
            grant,
            end: None,
            access_tokens_revoked: false,
            current: None,
            previous: None,
            refreshes: 0,
            last_refresh_at: None,
            reuse_events: 0,
        });
        FamilyId(self.members.len() - 1)
    }

    pub(super) fn grant(&self, family: FamilyId) -> &Grant {
        &self.members[family.0].grant
    }

    pub(super) fn add_access_token(&mut self, text: &str, family: FamilyId, token: NewAccessToken) {
        let Member { grant, refreshes, .. } = &self.members[family.0];
        let NewAccessToken { scope, audience, claims, issued_at, expires_at } = token;
        let token = AccessToken {
            client_id: grant.client_id.clone(),
            subject: grant.subject.clone(),
            scope,
            audience,
            claims,
            issued_at,
            expires_at,
            family,
            refreshes: *refreshes,
            revoked: false,
        };
        self.access_tokens.insert(text.to_owned(), token);
    }

    pub(super) fn add_refresh_token(&mut self, text: &str, family: FamilyId, expires_at: Option<Moment>) {
        self.members[family.0].current = Some(text.to_owned());
        self.refresh_tokens.insert(text.to_owned(), RefreshToken { family, expires_at });
    }

    /// Judges a refresh token that a client presents. It is not spent yet; but a reuse takes effect here.
    pub(super) fn present(&mut self, text: &str, client_id: &str, now: Moment) -> Result<FamilyId, Denied> {
        let token = self.refresh_tokens.get(text).ok_or(Denied::Unknown)?;
        let family = token.family;
        let member = &mut self.members[family.0];
        if member.grant.client_id != client_id {
            return Err(Denied::OtherClient);
        }
        if !member.takes(text, self.rotation, now) {
            member.reuse_events += 1;
            if self.reuse != Reuse::Deny {
                member.end(now, Why::RefreshTokenReused);
                member.access_tokens_revoked |= self.reuse == Reuse::RevokeFamilyAndAccessTokens;
            }
            return Err(Denied::Reused(family));
        }
        if member.end.is_some() {
            return Err(Denied::Revoked);
        }
        if token.expires_at.is_some_and(|end| end <= now) {
            return Err(Denied::Expired);
        }
        Ok(family)
    }

    /// Commits the redemption of a refresh token that [`Self::present`] accepted. Its answer carries the refresh
    /// token that this returns.
    pub(super) fn redeem(
        &mut self,
        text: &str,
        now: Moment,
        expires_at: Option<Moment>,
        fresh: impl FnOnce() -> String,
    ) -> Redeemed {
        let Some(family) = self.refresh_tokens.get(text).map(|token| token.family) else {
            return Redeemed { refresh_token: text.to_owned(), is_new: false };
        };
        let member = &mut self.members[family.0];
        member.redeemed(now);
        let again = member.previous.as_mut().filter(|(previous, _)| previous == text);
        let refresh_token = match (self.rotation, again) {
            (Rotation::None, _) => text.to_owned(),
            (Rotation::Grace { successor: Successor::Same, .. }, Some(_)) => {
                member.current.clone().unwrap_or_default()
            }
            (_, Some((_, spent))) => {
                spent.again();
                fresh()
            }
            (_, None) => {
                member.previous = Some((text.to_owned(), Spent::at(now)));
                fresh()
            }
        };
        let is_new = !self.refresh_tokens.contains_key(&refresh_token);
        self.add_refresh_token(&refresh_token, family, expires_at);
        Redeemed { refresh_token, is_new }
    }

    /// Commits a redemption that brings no refresh token and spends none.
    pub(super) fn redeem_without_successor(&mut self, family: FamilyId, now: Moment) {
        self.members[family.0].redeemed(now);
    }

    /// An API has taken this access token.
    pub(super) fn used(&mut self, access_token: &str) {
        let Some(token) = self.access_tokens.get(access_token) else { return };
        let member = &mut self.members[token.family.0];
        if let Some((_, spent)) = member.previous.as_mut().filter(|_| token.refreshes == member.refreshes) {
            spent.successor_used();
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
        self.members[token.family.0].end.is_none()
    }

    pub(super) fn verdict(&self, access_token: &str, now: Moment) -> Verdict {
        self.access_tokens.get(access_token).map_or(Verdict::Unknown, |token| self.judge(token, now))
    }

    pub(super) fn verdicts(&self, now: Moment) -> impl Iterator<Item = Verdict> {
        self.access_tokens.values().map(move |token| self.judge(token, now))
    }

    /// How the families stand that have ever had a refresh token.
    pub(super) fn report(&self, now: Moment) -> impl Iterator<Item = Family> {
        self.members.iter().enumerate().filter_map(move |(id, member)| {
            let current = self.refresh_tokens.get(member.current.as_ref()?)?;
            Some(Family {
                id: FamilyId(id),
                client_id: member.grant.client_id.clone(),
                subject: member.grant.subject.clone(),
                alive: member.end.is_none() && current.expires_at.is_none_or(|end| now < end),
                end: member.end,
                refreshes: member.refreshes,
                last_refresh_at: member.last_refresh_at,
                reuse_events: member.reuse_events,
            })
        })
    }

    /// Ends a family with all its tokens; the first reason stays.
    pub(super) fn revoke_family(&mut self, family: FamilyId, now: Moment, why: Why) {
        let member = &mut self.members[family.0];
        member.end(now, why);
        member.access_tokens_revoked = true;
    }

    pub(super) fn revoke_all(&mut self, now: Moment) {
        for family in (0..self.members.len()).map(FamilyId) {
            self.revoke_family(family, now, Why::RevokedByServer);
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

    /// Forgets the tokens that can come back as nothing but a mistake: expired access tokens, and refresh tokens
    /// that are neither the current nor the previous one of their family.
    pub(super) fn forget_old_tokens(&mut self, now: Moment) {
        self.access_tokens.retain(|_, token| now < token.expires_at);
        self.refresh_tokens.retain(|text, token| {
            let member = &self.members[token.family.0];
            let previous = member.previous.as_ref().map(|(text, _)| text);
            [member.current.as_ref(), previous].contains(&Some(text))
        });
        self.access_tokens.shrink_to_fit();
        self.refresh_tokens.shrink_to_fit();
    }

    fn judge(&self, token: &AccessToken, now: Moment) -> Verdict {
        if token.revoked || self.members[token.family.0].access_tokens_revoked {
            Verdict::Revoked
        } else if token.expires_at <= now {
            Verdict::Expired
        } else {
            Verdict::Live
        }
    }
}

impl Member {
    /// Whether this refresh token of the family, current or not, may be redeemed as far as rotation goes.
    fn takes(&self, text: &str, rotation: Rotation, now: Moment) -> bool {
        if self.current.as_deref() == Some(text) {
            return true;
        }
        let previous = self.previous.as_ref().filter(|(previous, _)| previous == text);
        rotation.takes_again(previous.map(|(_, spent)| spent), now)
    }

    fn redeemed(&mut self, now: Moment) {
        self.refreshes += 1;
        self.last_refresh_at = Some(now);
    }

    fn end(&mut self, at: Moment, why: Why) {
        self.end.get_or_insert(End { at, why });
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
        let mut families = Families::new(rotation, Reuse::default());
        let family = families.begin(Grant::of_client("c", &[], 0));
        families.add_refresh_token("r1", family, Some(END));
        families.add_access_token("a1", family, NewAccessToken { expires_at: END, ..Default::default() });
        (families, family)
    }

    fn rotate(families: &mut Families, text: &str, successor: &str) {
        let redeemed = families.redeem(text, Moment::ZERO, None, || successor.to_owned());
        assert_eq!(redeemed, Redeemed { refresh_token: successor.to_owned(), is_new: true });
    }

    #[test]
    fn a_spent_refresh_token_kills_its_whole_family_and_no_other() {
        let (mut families, family) = one_login();
        let other = families.begin(families.grant(family).clone());
        families.add_refresh_token("other", other, None);
        assert_eq!(families.present("r1", "c", Moment::ZERO), Ok(family));
        rotate(&mut families, "r1", "r2");
        assert_eq!(families.present("r2", "c", Moment::ZERO), Ok(family));
        assert_eq!(families.present("r1", "c", Moment::ZERO), Err(Denied::Reused(family)));
        assert_eq!(families.present("r2", "c", Moment::ZERO), Err(Denied::Revoked));
        assert_eq!(families.verdict("a1", Moment::ZERO), Verdict::Revoked);
        assert_eq!(families.present("other", "c", Moment::ZERO), Ok(other));
    }

    #[test]
    fn where_old_ones_live_each_of_them_does() {
        let (mut families, family) = one_login_at(Rotation::NeverRevoke);
        rotate(&mut families, "r1", "r2");
        rotate(&mut families, "r1", "r3");
        for text in ["r1", "r2", "r3", "r1"] {
            assert_eq!(families.present(text, "c", Moment::ZERO), Ok(family), "{text}");
        }
        families.revoke_family(family, END, Why::RevokedByServer);
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
        rotate(&mut families, "r1", "r2");
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
