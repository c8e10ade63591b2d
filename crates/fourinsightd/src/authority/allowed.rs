//! Which token endpoints a pasted package may name.
//!
//! What a package names is untrusted: whoever can make a person paste it would be sent the code, the client secret
//! and, later, refresh tokens. So it is compared as text with entries of the configuration, byte for byte, and never
//! parsed to be believed: two programs that read one URL differently cannot be played off against each other. The
//! one part that an entry may leave open is a whole path segment, written `{tenant}`.

use serde::{Deserialize, Serialize};
use url::Url;

use super::discovery::is_endpoint;

/// What stands for the part of an entry that is left open.
const TENANT: &str = "{tenant}";

/// The longest name of a tenant: that of a host.
const LONGEST_TENANT: usize = 253;

/// An entry of `allowed_token_endpoints`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedEndpoint {
    entry: String,
}

impl AllowedEndpoint {
    /// Reads an entry: an endpoint's URL, with at most one `{tenant}` as a whole segment of its path.
    pub fn parse(entry: &str) -> Option<Self> {
        let sample = entry.replacen(TENANT, "tenant", 1);
        let is_plain = sample.bytes().all(|byte| byte.is_ascii_graphic() && !br"\{}?#%@".contains(&byte));
        let segments = entry.split('/').skip(3).filter(|segment| *segment == TENANT).count();
        let url = Url::parse(&sample).ok()?;
        // What a URL parser would write otherwise could be typed in two ways; one of them is the right one.
        let is_canonical = url.as_str() == sample;
        let usable = is_plain
            && is_canonical
            && is_endpoint(&sample)
            && segments == entry.matches(TENANT).count()
            && url.path() != "/";
        usable.then(|| Self { entry: entry.to_owned() })
    }

    /// Holds an endpoint against the entry.
    pub fn admit(&self, endpoint: &str) -> Option<PinnedEndpoint> {
        let tenant = match self.entry.split_once(TENANT) {
            None if self.entry == endpoint => None,
            None => return None,
            Some((before, after)) => {
                let tenant = endpoint.strip_prefix(before)?.strip_suffix(after)?;
                Some(tenant.to_owned()).filter(|tenant| is_tenant(tenant)).map(Some)?
            }
        };
        Some(PinnedEndpoint { entry: self.entry.clone(), tenant })
    }
}

/// An allowed entry, with its open part filled in for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedEndpoint {
    entry: String,
    tenant: Option<String>,
}

impl PinnedEndpoint {
    /// The endpoint; none when this is not what [`AllowedEndpoint::admit`] made.
    pub fn url(&self) -> Option<String> {
        AllowedEndpoint::parse(&self.entry)?;
        match &self.tenant {
            None => Some(self.entry.clone()).filter(|entry| !entry.contains(TENANT)),
            Some(tenant) if is_tenant(tenant) && self.entry.contains(TENANT) => {
                Some(self.entry.replacen(TENANT, tenant, 1))
            }
            Some(_) => None,
        }
    }

    /// The part that the entry leaves open.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// Whether both fill in the same entry, but differently.
    pub fn contradicts(&self, other: &Self) -> bool {
        self.entry == other.entry && self.tenant != other.tenant
    }
}

/// Letters, digits, hyphens and single inner dots: a GUID or a domain, and nothing that a path could read otherwise.
fn is_tenant(text: &str) -> bool {
    text.len() <= LONGEST_TENANT
        && text.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_whole_endpoints_with_at_most_one_open_segment() {
        for entry in [
            "https://login.example.com/token",
            "https://login.example.com:8443/a/{tenant}/token",
            "https://login.example.com/{tenant}",
            "http://127.0.0.1:4000/{tenant}/oauth2/v2.0/token",
            "http://[::1]:4000/token",
        ] {
            assert!(AllowedEndpoint::parse(entry).is_some(), "{entry}");
        }
        for entry in [
            "",
            "login.example.com/token",
            "https://login.example.com",
            "https://login.example.com/",
            "https://{tenant}/token",
            "https://{tenant}.example.com/token",
            "https://login.example.com:{tenant}/token",
            "https://login.example.com/x{tenant}/token",
            "https://login.example.com/{tenant}x/token",
            "https://login.example.com/{tenant}/{tenant}/token",
            "https://login.example.com/{other}/token",
            "https://login.example.com/token?x=1",
            "https://login.example.com/token#x",
            "https://u@login.example.com/token",
            "https://login.example.com/a/../token",
            "https://login.example.com/a%2fb",
            "https://login.example.com:443/token",
            "https://LOGIN.example.com/token",
            "http://login.example.com/token",
            "ftp://login.example.com/token",
        ] {
            assert!(AllowedEndpoint::parse(entry).is_none(), "{entry}");
        }
    }

    #[test]
    fn an_admitted_endpoint_is_the_one_that_was_named() {
        let exact = AllowedEndpoint::parse("https://login.example.com/token").unwrap();
        let pinned = exact.admit("https://login.example.com/token").unwrap();
        assert_eq!(
            (pinned.url().as_deref(), pinned.tenant()),
            (Some("https://login.example.com/token"), None)
        );
        let open = AllowedEndpoint::parse("https://login.example.com/{tenant}/token").unwrap();
        for tenant in ["4subsea.onmicrosoft.com", "8cdef31a-39f8-4a9d-8b6f-1f3f7d2a3c11", "common"] {
            let endpoint = format!("https://login.example.com/{tenant}/token");
            let pinned = open.admit(&endpoint).unwrap();
            assert_eq!((pinned.url(), pinned.tenant()), (Some(endpoint), Some(tenant)));
        }
        let (one, other) = (
            open.admit("https://login.example.com/one/token").unwrap(),
            open.admit("https://login.example.com/two/token").unwrap(),
        );
        assert!(one.contradicts(&other) && !one.contradicts(&one) && !one.contradicts(&pinned));
    }

    #[test]
    fn a_record_that_was_made_otherwise_leads_nowhere() {
        for (entry, tenant) in [
            ("https://login.example.com/{tenant}/token", None),
            ("https://login.example.com/{tenant}/token", Some("../evil")),
            ("https://login.example.com/{tenant}/token", Some("")),
            ("https://login.example.com/token", Some("x")),
            ("http://evil.example/token", None),
        ] {
            let pinned = PinnedEndpoint { entry: entry.to_owned(), tenant: tenant.map(str::to_owned) };
            assert_eq!(pinned.url(), None, "{entry} {tenant:?}");
        }
    }
}
