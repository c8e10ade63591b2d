//! Tokens: redacted when printed, wiped when the last clone is dropped.

use std::{collections::BTreeSet, fmt, sync::Arc};

use secrecy::{ExposeSecret, SecretString};

use crate::clock::Timestamp;

/// An access token (RFC 6749 section 1.4). Clones share its text.
#[derive(Clone)]
pub struct AccessToken(Arc<SecretString>);

/// A refresh token (RFC 6749 section 1.5). It never leaves the daemon but for the server that issued it. Clones share
/// its text.
#[derive(Clone)]
pub struct RefreshToken(Arc<SecretString>);

macro_rules! secret {
    ($name:ident) => {
        impl $name {
            /// Takes the token's text.
            pub fn new(secret: impl Into<SecretString>) -> Self {
                Self(Arc::new(secret.into()))
            }

            /// The token's text, for the one place that must see it.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret!(AccessToken);
secret!(RefreshToken);

/// Which access token of a session: by scopes and resources, normalised.
///
/// Order does not matter, case does, and the scopes that steer the login rather than the audience are left out.
/// An empty key stands for what the server grants when nothing is asked for. Clones share their text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenKey(Arc<Audience>);

/// Each in order, and once.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Audience {
    scopes: Box<[Box<str>]>,
    resources: Box<[Box<str>]>,
}

impl TokenKey {
    /// Scopes that ask for a kind of login, not for an audience.
    const LOGIN_SCOPES: [&'static str; 4] = ["openid", "profile", "email", "offline_access"];

    /// The key of a request for these scopes and resources.
    pub fn new<'a>(
        scopes: impl IntoIterator<Item = &'a str>,
        resources: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let in_order = |texts: BTreeSet<&str>| texts.into_iter().map(Box::from).collect();
        Self(Arc::new(Audience {
            scopes: in_order(scopes.into_iter().filter(|scope| !Self::steers_login(scope)).collect()),
            resources: in_order(resources.into_iter().collect()),
        }))
    }

    /// Whether a scope steers the login rather than the audience.
    pub fn steers_login(scope: &str) -> bool {
        Self::LOGIN_SCOPES.contains(&scope)
    }

    /// The scopes, in order.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.scopes.iter().map(AsRef::as_ref)
    }

    /// The resources, in order.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.0.resources.iter().map(AsRef::as_ref)
    }
}

/// Names an access token without revealing it: 64 random bits, drawn when it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenId(pub u64);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a server granted: a successful token answer, understood (RFC 6749 section 5.1).
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// The access token.
    pub access_token: AccessToken,
    /// Its type, as the server wrote it; only `Bearer`, in any case, is served.
    pub token_type: String,
    /// Its scope, if the server named one.
    pub scope: Option<String>,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// When the server would like it renewed, in seconds (`refresh_in`).
    pub refresh_in: Option<u64>,
    /// The refresh token, if the answer held one.
    pub refresh_token: Option<RefreshToken>,
    /// How long the refresh token lives unused, in seconds; `None` when unsaid, and when it does not end.
    pub refresh_idle: Option<u64>,
    /// Who signed in, by an ID token that was checked.
    pub person: Option<Person>,
    /// What the server did that is odd but no reason to refuse, for the log and `status`.
    pub warnings: Vec<String>,
}

/// How long a token lives from the moment its request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// So many seconds, by the server or by the token itself; not positive means due now.
    Seconds(i64),
    /// Nobody said.
    Unknown,
}

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The issuer that vouches for the subject.
    pub issuer: String,
    /// The subject identifier.
    pub subject: String,
    /// A name for people.
    pub name: Option<String>,
    /// What the server recognises the person by when they sign in again (OpenID Connect Core section 3.1.2.1).
    pub login_hint: Option<String>,
}

impl Person {
    /// Whether both are the same person, whatever their names are (OpenID Connect Core section 5.7).
    pub fn is(&self, other: &Self) -> bool {
        (&self.issuer, &self.subject) == (&other.issuer, &other.subject)
    }
}

/// An access token as a session holds it.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its name.
    pub id: TokenId,
    /// The token itself.
    pub secret: AccessToken,
    /// Its type, as the server wrote it.
    pub token_type: String,
    /// Its scope, if the server named one.
    pub scope: Option<String>,
    /// When its request was sent: its life counts from here.
    pub obtained_at: Timestamp,
    /// When it ends.
    pub expiry: Expiry,
    /// When to renew it: drawn once, when it arrived. `None` when nothing can renew it.
    pub renew_at: Option<Timestamp>,
    /// It was fetched because a caller asked for more validity than its predecessor had: no second time.
    pub on_demand: bool,
}

impl Token {
    /// Whether it may be served as a bearer token (RFC 6750).
    pub fn is_bearer(&self) -> bool {
        self.token_type.eq_ignore_ascii_case("bearer")
    }
}

/// When a token ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At this moment; `assumed` when nobody said and the daemon's default counts.
    At {
        /// The moment.
        at: Timestamp,
        /// Whether the daemon only assumes it.
        assumed: bool,
    },
    /// Nobody said, and nothing can renew it: it is served until an API rejects it.
    Unknown,
}

impl Expiry {
    /// The moment it ends, if anybody knows or assumes one.
    pub fn end(self) -> Option<Timestamp> {
        match self {
            Self::At { at, .. } => Some(at),
            Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ignores_order_and_login_scopes_but_not_case() {
        let one = TokenKey::new(["b", "openid", "a", "offline_access"], ["https://r/"]);
        assert_eq!(one, TokenKey::new(["a", "b"], ["https://r/"]));
        assert_ne!(one, TokenKey::new(["A", "b"], ["https://r/"]));
        assert_ne!(one, TokenKey::new(["a", "b"], []));
    }

    #[test]
    fn tokens_are_redacted() {
        let text = format!(
            "{:?} {:?}",
            AccessToken::new("s3cr3t".to_owned()),
            RefreshToken::new("s3cr3t".to_owned())
        );
        assert_eq!(text, "AccessToken(…) RefreshToken(…)");
    }
}
