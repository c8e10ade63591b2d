//! Why an API refused a token: its `WWW-Authenticate` field (RFC 9110 section 11.6.1, RFC 6750 section 3).
//!
//! The field comes from any API, by way of any program, so it is read as leniently as it can be without guessing: a
//! challenge that cannot be understood is passed over, and the others count. It decides what is asked of the
//! server next, never whom to ask. (A parser that takes the field whole or not at all, and takes no token68 form,
//! would miss what is beside a `Negotiate` challenge.)

use super::claims::Claims;

/// What an API says of the token that it refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The code: RFC 6750 section 3.1, RFC 9470 section 3, or the API's own.
    pub error: Option<String>,
    /// The scope that the token should have, space-separated.
    pub scope: Option<String>,
    /// What the token should tell, or be checked for.
    pub claims: Option<Claims>,
    /// How the person should have signed in, best first, space-separated (RFC 9470).
    pub acr_values: Option<String>,
    /// How many seconds ago the person may have signed in at most (RFC 9470).
    pub max_age: Option<u64>,
    /// Which part of the API it is for.
    pub realm: Option<String>,
}

/// The token lacks claims that its issuer can check: Continuous Access Evaluation.
pub const INSUFFICIENT_CLAIMS: &str = "insufficient_claims";

/// The token's scope is too small (RFC 6750 section 3.1).
pub const INSUFFICIENT_SCOPE: &str = "insufficient_scope";

/// The person must sign in otherwise, or again (RFC 9470).
pub const INSUFFICIENT_USER_AUTHENTICATION: &str = "insufficient_user_authentication";

impl Challenge {
    /// The longest field that is read, in bytes.
    pub const LIMIT: usize = 8 * 1024;

    /// Reads a field's value; several values may have been joined by commas. Of several challenges the one counts
    /// that says most: claims, then RFC 9470's demand, then any error. `None`: it is too long, or says nothing.
    pub fn read(field: &str) -> Option<Self> {
        if field.len() > Self::LIMIT {
            return None;
        }
        let challenges = Reader { rest: field }.challenges();
        let said = challenges.iter().map(|parameters| Self::of(parameters));
        // Of equals the first: `max_by_key` would take the last.
        said.filter(|challenge| *challenge != Self::default()).min_by_key(|challenge| {
            match (&challenge.claims, challenge.error.as_deref()) {
                (Some(_), _) => 0,
                (None, Some(INSUFFICIENT_USER_AUTHENTICATION)) => 1,
                (None, Some(_)) => 2,
                (None, None) => 3,
            }
        })
    }

    fn of(parameters: &Parameters<'_>) -> Self {
        let text = |name: &str| {
            let value = parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            value.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        Self {
            error: text("error"),
            scope: text("scope"),
            claims: text("claims").and_then(|encoded| Claims::read_base64(&encoded).ok()),
            acr_values: text("acr_values"),
            max_age: text("max_age").and_then(|seconds| seconds.parse().ok()),
            realm: text("realm"),
        }
    }
}

/// The parameters of one challenge, in their order.
type Parameters<'a> = Vec<(&'a str, String)>;

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn challenges(mut self) -> Vec<Parameters<'a>> {
        let mut challenges: Vec<Parameters<'a>> = Vec::new();
        loop {
            self.skip(|c| is_space(c) || c == ',');
            if self.rest.is_empty() {
                return challenges;
            }
            let word = self.take(is_token);
            if word.is_empty() {
                // Nothing can begin like this: the rest of the element is passed over.
                self.pass_over();
                continue;
            }
            let after_word = self.rest;
            self.skip(is_space);
            if let Some(value) = self.rest.strip_prefix('=') {
                self.rest = value;
                self.skip(is_space);
                let value = self.value();
                if let Some(parameters) = challenges.last_mut() {
                    parameters.push((word, value));
                }
                continue;
            }
            // No parameter, so the name of a scheme. What may follow it is skipped when it is a token68.
            self.rest = after_word;
            challenges.push(Vec::new());
            self.skip_token68();
        }
    }

    /// A quoted string (RFC 9110 section 5.6.4), or whatever stands there up to the next gap: addresses and base64
    /// are seen unquoted too.
    fn value(&mut self) -> String {
        let Some(mut quoted) = self.rest.strip_prefix('"').map(str::chars) else {
            return self.take(|c| !is_space(c) && c != ',').to_owned();
        };
        let mut value = String::new();
        while let Some(c) = quoted.next() {
            match c {
                '"' => break,
                '\\' => value.extend(quoted.next()),
                c => value.push(c),
            }
        }
        self.rest = quoted.as_str();
        value
    }

    /// Skips the single text that some schemes send in place of parameters, such as `Negotiate`.
    fn skip_token68(&mut self) {
        let before = self.rest;
        self.skip(is_space);
        let text = self.take(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        self.skip(|c| c == '=');
        let end = self.rest.trim_start_matches(is_space);
        if text.is_empty() || before == self.rest || !(end.is_empty() || end.starts_with(',')) {
            self.rest = before;
        }
    }

    fn pass_over(&mut self) {
        if self.rest.starts_with('"') {
            self.value();
        } else {
            self.take(|c| c != ',' && !is_space(c));
        }
    }

    fn skip(&mut self, belongs: impl Fn(char) -> bool) {
        self.take(belongs);
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// RFC 9110 section 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests;
