//! What becomes of redeemed refresh tokens, pure: the modes that real servers have.

use std::time::Duration;

use fourinsight_ipc::duration;

use super::timeline::Moment;

/// What becomes of a refresh token when it is redeemed.
///
/// Where a mode takes a spent one again, it takes only the one that was spent last: once its successor is redeemed,
/// it is a reuse everywhere but at [`Self::None`] and [`Self::NeverRevoke`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// Each redemption spends it and brings a successor; a spent one presented again is a reuse
    /// (RFC 9700 section 4.14.2).
    #[default]
    Strict,
    /// It stays the same for ever, and every answer repeats it.
    None,
    /// Each redemption brings a new one, and every old one stays good, as at Entra.
    NeverRevoke,
    /// A spent one is taken again for so long, as at Okta and Auth0.
    Grace {
        /// Counted from its first redemption.
        window: Duration,
        /// What it then brings.
        successor: Successor,
    },
    /// A spent one is taken again, for a new successor, until what its last redemption brought is used: the refresh
    /// token at the token endpoint or the access token at an API.
    UntilNewUsed,
    /// A spent one is taken again so many times, each time for a new successor, as at Keycloak.
    MaxReuse(u32),
}

/// What a refresh token brings when it is redeemed again within its grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Successor {
    /// The refresh token that it has brought before.
    Same,
    /// A new one, which replaces the one that it has brought before.
    New,
}

/// What a reuse costs beside the refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// Nothing.
    Deny,
    /// All refresh tokens of the login; access tokens live out their life.
    RevokeFamily,
    /// All tokens of the login.
    #[default]
    RevokeFamilyAndAccessTokens,
}

/// What is remembered of the refresh token that was spent last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    at: Moment,
    redemptions: u32,
    successor_used: bool,
}

impl Rotation {
    /// Reads `strict`, `none`, `never_revoke`, `grace:30s`, `grace:30s:same`, `until_new_used` or `max_reuse:1`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let invalid = || {
            format!(
                "rotation {text:?} is none of strict, none, never_revoke, grace:30s, grace:30s:same, \
                 until_new_used, max_reuse:1"
            )
        };
        let mut words = text.split(':');
        let (mode, figure, successor) = (words.next(), words.next(), words.next());
        match (mode, figure, successor, words.next()) {
            (Some("strict"), None, ..) => Ok(Self::Strict),
            (Some("none"), None, ..) => Ok(Self::None),
            (Some("never_revoke"), None, ..) => Ok(Self::NeverRevoke),
            (Some("until_new_used"), None, ..) => Ok(Self::UntilNewUsed),
            (Some("max_reuse"), Some(times), None, _) => {
                times.parse().map(Self::MaxReuse).map_err(|_| invalid())
            }
            (Some("grace"), Some(window), successor, None) => {
                let successor = match successor {
                    None | Some("new") => Successor::New,
                    Some("same") => Successor::Same,
                    Some(_) => return Err(invalid()),
                };
                let window = duration::parse(window).map_err(|_| invalid())?;
                Ok(Self::Grace { window, successor })
            }
            _ => Err(invalid()),
        }
    }

    /// Whether a refresh token that is no longer the current one of its family may be redeemed; what is known of it
    /// when it is the one that was spent last.
    pub(super) fn takes_again(self, spent: Option<&Spent>, now: Moment) -> bool {
        match (self, spent) {
            (Self::None | Self::NeverRevoke, _) => true,
            (Self::Strict, _) | (_, None) => false,
            (Self::Grace { window, .. }, Some(spent)) => now < spent.at + window,
            (Self::UntilNewUsed, Some(spent)) => !spent.successor_used,
            (Self::MaxReuse(times), Some(spent)) => spent.redemptions <= times,
        }
    }
}

impl Reuse {
    /// Reads `deny`, `family` or `everything`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "deny" => Ok(Self::Deny),
            "family" => Ok(Self::RevokeFamily),
            "everything" => Ok(Self::RevokeFamilyAndAccessTokens),
            _ => Err(format!("reuse {text:?} is none of deny, family, everything")),
        }
    }
}

impl Spent {
    pub(super) fn at(now: Moment) -> Self {
        Self { at: now, redemptions: 1, successor_used: false }
    }

    /// It was redeemed again, for a new successor.
    pub(super) fn again(&mut self) {
        self.redemptions += 1;
        self.successor_used = false;
    }

    /// The access token of its last redemption was used.
    pub(super) fn successor_used(&mut self) {
        self.successor_used = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_has_a_name() {
        let grace = |successor| Rotation::Grace { window: Duration::from_secs(30), successor };
        for (text, rotation) in [
            ("strict", Rotation::Strict),
            ("none", Rotation::None),
            ("never_revoke", Rotation::NeverRevoke),
            ("grace:30s", grace(Successor::New)),
            ("grace:30s:same", grace(Successor::Same)),
            ("until_new_used", Rotation::UntilNewUsed),
            ("max_reuse:1", Rotation::MaxReuse(1)),
        ] {
            assert_eq!(Rotation::parse(text), Ok(rotation));
        }
        for text in
            ["", "strict:1", "grace", "grace:soon", "grace:30s:other", "grace:30s:same:x", "max_reuse:x"]
        {
            assert!(Rotation::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_price_of_a_reuse_has_a_name() {
        assert_eq!(Reuse::parse("deny"), Ok(Reuse::Deny));
        assert_eq!(Reuse::parse("family"), Ok(Reuse::RevokeFamily));
        assert_eq!(Reuse::parse("everything"), Ok(Reuse::default()));
        assert!(Reuse::parse("nothing").is_err());
    }
}
