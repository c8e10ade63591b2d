//! What may be said for a setting that becomes part of a URL or of a scope: nothing that could make it another URL.

use serde::Deserialize;
use url::Url;

use crate::{authority::discovery::is_endpoint, profile::is_resource};

/// What a setting's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A tenant of Microsoft Entra: its domain, its identifier, or a word for any.
    Tenant,
    /// One label of a host name.
    Label,
    /// A host name, without a port.
    Host,
    /// One segment of a path.
    Segment,
    /// An address that others are below.
    Url,
    /// An absolute URI that is only a name.
    Uri,
}

/// What is wrong with a value: what it must be. It never repeats the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong(pub &'static str);

impl Kind {
    /// The value as it is filled in.
    pub fn check(self, text: &str) -> Result<String, Wrong> {
        let (right, rule) = match self {
            Self::Tenant => (
                is_tenant(text),
                "must be a tenant's domain or identifier (a GUID), or common, organizations or consumers",
            ),
            Self::Label => (is_label(text), "must be letters, digits and inner hyphens only"),
            Self::Host => {
                (is_host(text), "must be a host name such as id.example.com, and nothing beside it")
            }
            Self::Segment => (
                is_segment(text),
                "must be letters, digits, dots, hyphens and underscores only, beginning with a letter or a digit",
            ),
            Self::Url => (
                is_base(text),
                "must be an https URL, or http to a loopback host, without user name, query and fragment",
            ),
            Self::Uri => (is_name(text), "must be an absolute URI without a fragment"),
        };
        match self {
            _ if !right => Err(Wrong(rule)),
            Self::Url => Ok(text.trim_end_matches('/').to_owned()),
            _ => Ok(text.to_owned()),
        }
    }
}

/// The words that stand for any tenant.
const ANY_TENANT: [&str; 3] = ["common", "organizations", "consumers"];

fn is_tenant(text: &str) -> bool {
    let is_guid = || {
        let groups: Vec<_> = text.split('-').collect();
        groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    ANY_TENANT.contains(&text) || is_guid() || is_host(text)
}

/// RFC 1123 section 2.1, with at least two labels. The last has a letter, so that it is no address.
fn is_host(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(is_label)
        && last.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"))
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_segment(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
}

fn is_base(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-_~[]".contains(&byte));
    // What a parser would write otherwise is not what it looks like.
    let is_as_written = || {
        let canonical = Url::parse(text).map(String::from).unwrap_or_default();
        canonical.trim_end_matches('/').eq_ignore_ascii_case(text.trim_end_matches('/'))
    };
    is_plain && is_endpoint(text) && is_as_written()
}

fn is_name(text: &str) -> bool {
    text.len() <= 512 && is_resource(text) && !text.bytes().any(|byte| b"\"\\{}<>^`|".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 6] = [Kind::Tenant, Kind::Label, Kind::Host, Kind::Segment, Kind::Url, Kind::Uri];

    #[test]
    fn what_is_meant_is_taken() {
        for (kind, texts) in [
            (
                Kind::Tenant,
                &[
                    "contoso.com",
                    "4subseaid.onmicrosoft.com",
                    "8cdef31a-39f8-4a9d-8b6f-1f3f7d2a3c11",
                    "common",
                ][..],
            ),
            (Kind::Label, &["westeurope-1", "api", "az-eastus-1"]),
            (Kind::Host, &["example.eu.auth0.com", "login.example.com"]),
            (Kind::Segment, &["master", "my_realm-2", "a.b"]),
            (Kind::Url, &["https://id.example.com", "https://id.example.com/auth", "http://127.0.0.1:8080"]),
            (
                Kind::Uri,
                &["api://8cdef31a", "https://graph.microsoft.com", "https://api.example.com/v1?x=1", "urn:x"],
            ),
        ] {
            for text in texts {
                assert_eq!(kind.check(text).as_deref(), Ok(*text), "{kind:?}");
            }
        }
        assert_eq!(Kind::Url.check("https://id.example.com//").as_deref(), Ok("https://id.example.com"));
    }

    #[test]
    fn nothing_that_could_change_a_url_is_taken() {
        for kind in KINDS {
            for text in [
                "",
                " ",
                ".",
                "..",
                "../evil",
                "evil.example/",
                "evil.example/x",
                "evil.example?",
                "evil.example#",
                "evil.example#x",
                "@evil.example",
                "x@evil.example",
                "evil.example:443",
                "evil.example\\",
                "a%2fb",
                "a b",
                "a\tb",
                "a\nb",
                "{tenant}",
                "a\u{202e}b",
                "b\u{fc}cher.example",
                "\u{ff0e}",
                "-x.example",
                "//evil.example",
                "https://u@evil.example/",
                "https://u:p@evil.example/",
                "https://evil.example/#x",
                "https://evil.example/{realm}",
                "https://evil.example\\x",
            ] {
                // A name is a name, whatever it looks like: it is no address that anything is sent to.
                let harmless = kind == Kind::Uri
                    && matches!(
                        text,
                        "evil.example:443" | "https://u@evil.example/" | "https://u:p@evil.example/"
                    );
                assert_eq!(kind.check(text).is_ok(), harmless, "{kind:?} {text:?}");
            }
        }
        for (kind, text) in [
            (Kind::Tenant, "contoso"),
            (Kind::Tenant, "127.0.0.1"),
            (Kind::Tenant, "8cdef31a-39f8-4a9d-8b6f-1f3f7d2a3c1"),
            (Kind::Label, "a.b"),
            (Kind::Host, "localhost"),
            (Kind::Host, "10.0.0.1"),
            (Kind::Host, "10.0.0.0x1"),
            (Kind::Host, "10.0.0.0X1"),
            (Kind::Host, "0X7F.0X1"),
            (Kind::Uri, "api://a b"),
            (Kind::Uri, "api://a\u{a0}b"),
            (Kind::Uri, "api://a\u{2003}b"),
            (Kind::Url, "http://id.example.com"),
            (Kind::Url, "https://id.example.com/?x"),
            (Kind::Url, "https://id.example.com/a/../b"),
            (Kind::Url, "https://0x7f.1/"),
            (Kind::Uri, "relative"),
        ] {
            assert!(kind.check(text).is_err(), "{kind:?} {text}");
        }
    }
}
