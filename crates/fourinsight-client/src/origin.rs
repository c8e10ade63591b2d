//! Where a bearer token may go: to the origin that it was first meant for, and over TLS.

use std::sync::OnceLock;

use url::{Host, Origin, Url};

/// The one origin that is given tokens: the first that was asked.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    first: OnceLock<Origin>,
}

impl Guard {
    /// A guard that need not wait for the first request.
    pub(crate) fn of(url: &Url) -> Self {
        Self { first: url.origin().into() }
    }

    /// Whether a request to this URL may carry the token.
    pub(crate) fn admits(&self, url: &Url) -> bool {
        is_private(url) && *self.first.get_or_init(|| url.origin()) == url.origin()
    }
}

/// Whether nobody on the way reads what is sent there (RFC 6750 section 5.3): TLS, or this machine.
fn is_private(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", _) => true,
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        // RFC 6761 section 6.3: this name leads nowhere else.
        ("http", Some(Host::Domain(name))) => name == "localhost",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_first_origin_is_the_only_one() {
        let guard = Guard::default();
        assert!(!guard.admits(&url("http://api.example.com/")), "in the open");
        assert!(guard.admits(&url("https://api.example.com/a")), "what was refused binds nothing");
        assert!(guard.admits(&url("https://user@API.example.com:443/b?c")));
        for elsewhere in [
            "http://api.example.com/a",
            "https://api.example.com:8443/a",
            "https://example.com/a",
            "https://api.example.com@example.org/a",
            "https://api.example.com.example.org/a",
            "http://127.0.0.1/a",
        ] {
            assert!(!guard.admits(&url(elsewhere)), "{elsewhere}");
        }
    }

    #[test]
    fn this_machine_needs_no_tls() {
        for here in ["http://localhost:8000/", "http://127.0.0.1/", "http://127.8.9.1:1/", "http://[::1]:80/"]
        {
            assert!(Guard::of(&url(here)).admits(&url(here)), "{here}");
        }
        for there in ["http://localhost.example.com/", "http://10.0.0.1/", "ftp://localhost/", "data:,a"] {
            assert!(!Guard::of(&url(there)).admits(&url(there)), "{there}");
        }
    }
}
