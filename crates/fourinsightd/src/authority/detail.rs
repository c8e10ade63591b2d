//! What a server says about an error beside its code and its words: Entra's numbers and identifiers, a page about it.

use serde::{Deserialize, Serialize};
use url::Url;

use super::{claims::Claims, json::Object, text::clean};

/// What a server said beside `error` and `error_description`, cleaned for a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// Entra: what is to be done about the error.
    pub suberror: Option<String>,
    /// The server's error numbers: Entra's `AADSTS` numbers.
    pub codes: Vec<u64>,
    /// By what the server's administrator finds the conversation.
    pub correlation_id: Option<String>,
    /// By what they find the single request.
    pub trace_id: Option<String>,
    /// The server's page about the error (RFC 6749 section 5.2).
    pub error_uri: Option<String>,
    /// Entra: what the next login must carry. It is for a machine: neither shown nor kept with the words.
    #[serde(skip)]
    pub claims: Option<Claims>,
}

/// How many numbers are kept.
const MOST_CODES: usize = 8;

/// The longest identifier that is kept.
const LONGEST_ID: usize = 64;

impl Detail {
    /// What the members of an error answer say.
    pub(super) fn of(object: &Object<'_>) -> Self {
        let id = |name| object.text(name).and_then(|text| id(&text));
        Self {
            suberror: id("suberror"),
            codes: object.numbers("error_codes").into_iter().take(MOST_CODES).collect(),
            correlation_id: id("correlation_id"),
            trace_id: id("trace_id"),
            error_uri: object.text("error_uri").and_then(|text| page(&text)),
            claims: object.text("claims").and_then(|json| Claims::read(&json).ok()),
        }
    }

    /// What Entra writes into its words, and the words without the identifiers that end them.
    pub(super) fn in_words(description: &str) -> (Self, &str) {
        let mut detail = Self::default();
        let Some(number) = description.trim_start().strip_prefix("AADSTS") else {
            return (detail, description);
        };
        let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        detail.codes.extend(number[..digits].parse::<u64>());
        let after = |label: &str| {
            let (_, rest) = description.split_once(label)?;
            id(rest.split_whitespace().next()?)
        };
        detail.trace_id = after("Trace ID:");
        detail.correlation_id = after("Correlation ID:");
        let end = ["Trace ID:", "Correlation ID:", "Timestamp:"];
        let end = end.iter().filter_map(|label| description.find(label)).min();
        (detail, description[..end.unwrap_or(description.len())].trim_end())
    }

    /// The same with what it lacks from another.
    pub(super) fn or(mut self, other: Self) -> Self {
        if self.codes.is_empty() {
            self.codes = other.codes;
        }
        self.suberror = self.suberror.or(other.suberror);
        self.correlation_id = self.correlation_id.or(other.correlation_id);
        self.trace_id = self.trace_id.or(other.trace_id);
        self.error_uri = self.error_uri.or(other.error_uri);
        self.claims = self.claims.or(other.claims);
        self
    }

    /// Nothing, where there is nothing in it.
    pub(super) fn or_none(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// A short name or number as the server wrote it; one that is changed by cleaning would find nothing.
fn id(text: &str) -> Option<String> {
    let text = text.trim();
    let whole = !text.is_empty() && text.chars().count() <= LONGEST_ID && clean(text) == text;
    whole.then(|| text.to_owned())
}

/// An https address without a user's name in it, as the server wrote it.
fn page(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let harmless = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
    (harmless && text.is_ascii() && clean(text) == text).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "3c1f3b4e-6f0a-4d5e-9d7a-1f2e3d4c5b6a";
    const CORRELATION: &str = "8a7b6c5d-0123-4567-89ab-0123456789ab";

    fn read(json: &str) -> Detail {
        Detail::of(&Object::read(json).unwrap())
    }

    #[test]
    fn entras_members_are_read_and_its_claims_are_not() {
        let json = format!(
            r#"{{"error":"invalid_grant","error_codes":[50076,"65001"],"suberror":"basic_action","timestamp":"x",
                "trace_id":"{TRACE}","correlation_id":"{CORRELATION}","claims":"c4nary",
                "error_uri":"https://login.example.com/error?code=50076"}}"#
        );
        let detail = read(&json);
        assert_eq!(detail.codes, [50076, 65001]);
        assert_eq!(detail.suberror.as_deref(), Some("basic_action"));
        assert_eq!(detail.trace_id.as_deref(), Some(TRACE));
        assert_eq!(detail.correlation_id.as_deref(), Some(CORRELATION));
        assert_eq!(detail.error_uri.as_deref(), Some("https://login.example.com/error?code=50076"));
        assert!(!format!("{detail:?}").contains("c4nary"));
    }

    #[test]
    fn entras_words_tell_the_same_and_lose_their_tail() {
        let words = format!(
            "AADSTS70008: The refresh token has expired.\r\nTrace ID: {TRACE}\r\nCorrelation ID: {CORRELATION}\r\n\
             Timestamp: 2026-01-02 03:04:05Z"
        );
        let (detail, shown) = Detail::in_words(&words);
        assert_eq!(shown, "AADSTS70008: The refresh token has expired.");
        assert_eq!(detail.codes, [70008]);
        assert_eq!(detail.trace_id.as_deref(), Some(TRACE));
        assert_eq!(detail.correlation_id.as_deref(), Some(CORRELATION));
    }

    #[test]
    fn only_a_number_at_the_beginning_counts() {
        for (words, codes) in [
            ("AADSTS7000218: x", &[7_000_218][..]),
            (" AADSTS50011", &[50_011]),
            ("AADSTS: x", &[]),
            ("AADSTS99999999999999999999999: x", &[]),
            ("see AADSTS50011", &[]),
            ("Trace ID: x", &[]),
            ("", &[]),
        ] {
            let (detail, shown) = Detail::in_words(words);
            assert_eq!(detail.codes, codes, "{words}");
            assert_eq!(shown, words);
        }
    }

    #[test]
    fn hostile_members_leave_nothing() {
        let long = "x".repeat(100_000);
        for json in [
            format!(r#"{{"suberror":"{long}","trace_id":"{long}","error_uri":"https://x/{long}"}}"#),
            r#"{"suberror":"a\u001b[2Jb","trace_id":"\u202e1","correlation_id":"","error_codes":"all"}"#
                .into(),
            r#"{"correlation_id":"8xLOxBtZp8AbCdEfGhIjKlMnOpQrStUvWxYz0123","error_codes":[-1,null,{},1.5]}"#
                .into(),
            r#"{"error_uri":"http://example.com/"}"#.into(),
            r#"{"error_uri":"javascript:alert(1)"}"#.into(),
            r#"{"error_uri":"https://ada@example.com/"}"#.into(),
            r#"{"error_uri":"https://example.com/\u202e"}"#.into(),
            r#"{"error_uri":"https://example.com/?t=8xLOxBtZp8AbCdEfGhIjKlMnOpQrStUvWxYz0123"}"#.into(),
            r#"{"suberror":7,"trace_id":[],"correlation_id":{},"error_uri":true}"#.into(),
        ] {
            assert_eq!(read(&json).or_none(), None, "{json:.100}");
        }
        let many = format!(r#"{{"error_codes":[{}1]}}"#, "1,".repeat(10_000));
        assert_eq!(read(&many).codes.len(), MOST_CODES);
    }
}
