//! One request as it arrived: the recorder's unit.

use std::{fmt, time::Duration};

use super::Endpoint;

/// The header fields and parameters whose values are for everyone.
const OPEN: [&str; 22] = [
    "accept",
    "accept-encoding",
    "client_assertion_type",
    "client_id",
    "client_info",
    "code_challenge_method",
    "connection",
    "content-length",
    "content-type",
    "decision",
    "grant_type",
    "host",
    "prompt",
    "redirect_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "token_type_hint",
    "user",
    "user-agent",
    "username",
];

/// One request.
///
/// `Debug` shows the values of those header fields and parameters only that can be no secret.
#[derive(Clone)]
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
    /// Its body as it came.
    pub body: Vec<u8>,
    /// The parameters of its form-encoded body, decoded.
    pub form: Parameters,
    /// What it was answered; `None` while it waits, and for ever when the connection ended without an answer.
    pub status: Option<u16>,
}

/// Parameters in the order they were sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(pub Vec<(String, String)>);

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

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Entry")
            .field("at", &self.at)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &Shown(&self.headers))
            .field("query", &self.query)
            .field("form", &self.form)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.0).fmt(formatter)
    }
}

struct Shown<'a>(&'a [(String, String)]);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| {
            let value = if OPEN.contains(&name.as_str()) { value } else { "[hidden]" };
            (name.as_str(), value)
        });
        formatter.debug_map().entries(shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_shape_and_no_secret() {
        let form = b"grant_type=refresh_token&refresh_token=r%7E1&client_secret=s%7E1&odd=o%7E1";
        let entry = Entry {
            at: Duration::ZERO,
            method: "POST".to_owned(),
            path: "/token".to_owned(),
            headers: vec![
                ("authorization".to_owned(), "Basic c35x".to_owned()),
                ("accept".to_owned(), "application/json".to_owned()),
            ],
            query: Parameters::parse(b"code=q%7E1"),
            body: form.to_vec(),
            form: Parameters::parse(form),
            status: Some(200),
        };
        let shown = format!("{entry:?}");
        for there in ["grant_type", "refresh_token", "client_secret", "authorization", "application/json"] {
            assert!(shown.contains(there), "{there}: {shown}");
        }
        for secret in ["~1", "%7E1", "c35x"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
    }
}
