//! On which terms one login serves other scopes and resources than its own. Pure.
//!
//! Some servers use up a refresh token before they look at what is asked for (npm `oidc-provider` does), so what they
//! would surely refuse is refused here, without a request; and a refusal that comes from them leaves in doubt whether
//! the refresh token still counts.

use crate::{authority::Verdict, profile::Rotation, token::TokenKey};

/// What a login allows to ask for beside its own token, and what asking may cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Whether a refresh can never reach beyond what the login asked for and was granted (RFC 6749 section 6).
    pub(crate) bounded: bool,
    /// The scope that the server named at the login, where it is another than what was asked for.
    pub(crate) granted: Option<Box<str>>,
    /// What becomes of a refresh token that is used.
    pub(crate) rotation: Rotation,
}

/// What keeps a login from serving a key, and what it can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// A scope that was neither asked for at the login nor granted; these were.
    Scope(Vec<String>),
    /// A resource that the login did not name; it named these.
    Resource(Vec<String>),
}

impl Terms {
    /// What of a key lies beyond a login whose own key is `own`.
    pub(crate) fn beyond(&self, own: &TokenKey, key: &TokenKey) -> Option<Beyond> {
        if !self.bounded || key == own {
            return None;
        }
        let named = |resource: &str| own.resources().any(|known| known == resource);
        if !key.resources().all(named) {
            return Some(Beyond::Resource(own.resources().map(str::to_owned).collect()));
        }
        let granted = TokenKey::new(self.granted.iter().flat_map(|scope| scope.split_whitespace()), []);
        let mut known: Vec<&str> = own.scopes().chain(granted.scopes()).collect();
        // A login that asked for no scope, at a server that named none: only the server knows what it granted.
        if known.is_empty() || key.scopes().all(|scope| known.contains(&scope)) {
            return None;
        }
        known.sort_unstable();
        known.dedup();
        Some(Beyond::Scope(known.into_iter().map(str::to_owned).collect()))
    }

    /// Whether the server may have used up the refresh token though it refused what was asked of it. Which client asks
    /// is looked at before the refresh token is.
    pub(crate) fn refusal_may_spend(&self, verdict: Verdict) -> bool {
        !matches!(self.rotation, Rotation::None | Rotation::NeverRevoke) && verdict != Verdict::Misconfigured
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scopes: &str, resources: &str) -> TokenKey {
        TokenKey::new(scopes.split_whitespace(), resources.split_whitespace())
    }

    fn bounded(granted: &str) -> Terms {
        let granted = Some(granted.into()).filter(|_| !granted.is_empty());
        Terms { bounded: true, granted, rotation: Rotation::Unknown }
    }

    #[test]
    fn what_was_asked_for_or_granted_is_within() {
        let own = key("openid b a", "https://r1/ https://r2/");
        for (scopes, resources) in [
            ("a", ""),
            ("", "https://r2/"),
            ("profile b", "https://r1/ https://r2/"),
            ("", ""),
            ("extra", ""),
        ] {
            assert_eq!(
                bounded("a extra").beyond(&own, &key(scopes, resources)),
                None,
                "{scopes} {resources}"
            );
        }
    }

    #[test]
    fn what_lies_beyond_is_told_by_what_does_not() {
        let own = key("openid b a", "https://r1/");
        let scopes = |known: &str| Some(Beyond::Scope(known.split(' ').map(str::to_owned).collect()));
        assert_eq!(bounded("").beyond(&own, &key("c", "")), scopes("a b"));
        assert_eq!(bounded("openid a extra").beyond(&own, &key("A", "https://r1/")), scopes("a b extra"));
        let resources = Some(Beyond::Resource(vec!["https://r1/".to_owned()]));
        assert_eq!(bounded("").beyond(&own, &key("c", "https://r1")), resources);
        let none = Some(Beyond::Resource(vec![]));
        assert_eq!(bounded("").beyond(&key("a", ""), &key("a", "https://r1/")), none);
    }

    #[test]
    fn what_only_the_server_knows_is_left_to_it() {
        assert_eq!(bounded("").beyond(&key("openid", ""), &key("any", "")), None);
        let unbounded = Terms::default();
        assert_eq!(unbounded.beyond(&key("a", ""), &key("b", "https://r/")), None);
    }

    #[test]
    fn a_refusal_spends_nothing_where_old_refresh_tokens_stay_good() {
        for (rotation, may_spend) in [
            (Rotation::Unknown, true),
            (Rotation::Strict, true),
            (Rotation::Grace(30), true),
            (Rotation::None, false),
            (Rotation::NeverRevoke, false),
        ] {
            let terms = Terms { rotation, ..Terms::default() };
            assert_eq!(terms.refusal_may_spend(Verdict::Target), may_spend, "{rotation:?}");
            assert!(!terms.refusal_may_spend(Verdict::Misconfigured), "{rotation:?}");
        }
    }
}
