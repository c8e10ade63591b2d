//! What the next login must ask for, because an API, or the server on its behalf, wants more than the present login
//! can give (RFC 9470, OpenID Connect Core sections 3.1.2.1 and 5.5).

use serde::{Deserialize, Serialize};

use super::{Failure, challenge::Challenge, claims::Claims};

/// Demands on a login, remembered until one succeeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUp {
    /// How the person should sign in, best first, space-separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr_values: Option<String>,
    /// How many seconds ago the person may have signed in at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// What the token should tell, or be checked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Claims>,
    /// What happened.
    pub failure: Failure,
    /// Since when a login is wanted, in Unix seconds.
    pub since: i64,
}

/// Longer texts are no names of ways to sign in; they would only make an address that no server takes.
const LONGEST_ACR_VALUES: usize = 1024;

/// Longer claims would, too: an API could keep its person from ever signing in again.
const LONGEST_CLAIMS: usize = 2048;

impl StepUp {
    /// An API wants its person to sign in otherwise, or again.
    pub(crate) fn for_api(challenge: &Challenge) -> Self {
        let text = "an API wants the person to sign in again, in the way that it asks for; other APIs still take the \
                    token";
        Self {
            acr_values: challenge.acr_values.clone().filter(|text| is_sendable(text)),
            max_age: challenge.max_age,
            claims: challenge.claims.clone().filter(fits),
            failure: Failure::ours("insufficient_user_authentication", text),
            since: 0,
        }
    }

    /// The server gives what an API demands only to a person who is there.
    pub(crate) fn for_server(claims: Claims, failure: Failure) -> Self {
        Self { acr_values: None, max_age: None, claims: Some(claims).filter(fits), failure, since: 0 }
    }

    /// What a request says of it beside the claims.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        let acr_values = self.acr_values.clone().map(|text| ("acr_values", text));
        acr_values.into_iter().chain(self.max_age.map(|seconds| ("max_age", seconds.to_string())))
    }

    /// Adds what was wanted before and is not yet done: the newer word counts, and the stricter age.
    pub(crate) fn after(mut self, earlier: Option<&Self>, now: i64) -> Self {
        self.since = now;
        let Some(earlier) = earlier else { return self };
        self.acr_values = self.acr_values.or_else(|| earlier.acr_values.clone());
        self.max_age = self.max_age.into_iter().chain(earlier.max_age).min();
        // Of two that do not fit together the newer one counts.
        let joined = Claims::joined(self.claims.as_ref(), earlier.claims.as_ref());
        self.claims = joined.filter(fits).or(self.claims);
        if self.failure.says_the_same(&earlier.failure) {
            self.since = earlier.since;
        }
        self
    }
}

fn fits(claims: &Claims) -> bool {
    claims.as_str().len() <= LONGEST_CLAIMS
}

/// Printable ASCII (RFC 6749 appendix A), and not too long.
fn is_sendable(text: &str) -> bool {
    text.len() <= LONGEST_ACR_VALUES && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(acr_values: Option<&str>, max_age: Option<u64>, claims: Option<&str>) -> Challenge {
        Challenge {
            acr_values: acr_values.map(str::to_owned),
            max_age,
            claims: claims.map(|json| Claims::read(json).unwrap()),
            ..Challenge::default()
        }
    }

    #[test]
    fn later_demands_join_earlier_ones() {
        let first = StepUp::for_api(&challenge(Some("phr"), Some(60), Some(r#"{"a":{"x":1},"b":null}"#)));
        let first = first.after(None, 100);
        assert_eq!((first.since, first.max_age), (100, Some(60)));
        let second = StepUp::for_api(&challenge(None, Some(300), Some(r#"{"a":{"x":2,"y":3}}"#)));
        let both = second.after(Some(&first), 200);
        assert_eq!((both.acr_values.as_deref(), both.max_age, both.since), (Some("phr"), Some(60), 100));
        assert_eq!(both.claims.unwrap().as_str(), r#"{"a":{"x":2,"y":3},"b":null}"#);
    }

    #[test]
    fn claims_that_make_too_long_an_address_are_left_out_alone_and_together() {
        let sized = |name: &str, length: usize| format!(r#"{{"{name}":"{}"}}"#, "x".repeat(length - 8));
        let of = |json: &str| StepUp::for_api(&challenge(Some("phr"), None, Some(json)));
        assert!(of(&sized("a", 2048)).claims.is_some());
        let long = of(&sized("a", 2049));
        assert_eq!((long.claims, long.acr_values.as_deref()), (None, Some("phr")));
        let failure = Failure::ours("insufficient_claims", "x");
        assert_eq!(StepUp::for_server(Claims::read(&sized("a", 2049)).unwrap(), failure).claims, None);
        let (one, other) = (sized("a", 1500), sized("b", 1500));
        let both = of(&other).after(Some(&of(&one)), 100);
        assert_eq!(both.claims.unwrap().as_str(), other);
    }

    #[test]
    fn what_no_authorization_request_can_carry_is_left_out() {
        for text in ["a\nb", "ü", &"x".repeat(1025)] {
            assert_eq!(StepUp::for_api(&challenge(Some(text), Some(5), None)).acr_values, None);
        }
    }
}
