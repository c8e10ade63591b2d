//! Where the browser comes back to (RFC 6749 section 3.1.2, RFC 8252 section 7.3).
//!
//! The server compares redirect URIs as text, so the text of the profile is kept byte for byte and only a port of
//! 0 is replaced. What arrives is compared with the parts that a browser makes of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Position, Url};

/// A redirect URI: to a loopback address of this machine where a browser is waited for, else to anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedirectUri {
    text: String,
    url: Url,
    /// Where it is listened at.
    host: Option<LoopbackHost>,
}

/// How a redirect URI names this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoopbackHost {
    /// `127.0.0.1`.
    V4,
    /// `[::1]`.
    V6,
    /// `localhost`: whichever of both the browser tries.
    Localhost,
}

/// The text is no redirect URI of a loopback listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("redirect_uri is no http:// address of this machine (127.0.0.1, [::1] or localhost)")]
pub(super) struct NotLoopback;

impl RedirectUri {
    /// Takes the profile's text.
    pub(super) fn parse(text: &str) -> Result<Self, NotLoopback> {
        let url = Url::parse(text).map_err(|_| NotLoopback)?;
        let host = match url.host() {
            Some(url::Host::Ipv4(Ipv4Addr::LOCALHOST)) => LoopbackHost::V4,
            Some(url::Host::Ipv6(Ipv6Addr::LOCALHOST)) => LoopbackHost::V6,
            Some(url::Host::Domain("localhost")) => LoopbackHost::Localhost,
            _ => return Err(NotLoopback),
        };
        let plain = url.scheme() == "http"
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
            && authority_range(text).is_some();
        if plain { Ok(Self { text: text.to_owned(), url, host: Some(host) }) } else { Err(NotLoopback) }
    }

    /// Takes the profile's text for a login at which nobody listens: whatever the server has registered.
    ///
    /// A port of 0 is replaced by one of those that are nobody's in particular, so that the browser ends on an
    /// address that cannot be shown, and that the person can copy.
    pub(super) fn for_pasting(text: &str) -> Option<Self> {
        let anywhere = |text: String| Url::parse(&text).ok().map(|url| Self { text, url, host: None });
        match Self::parse(text) {
            Ok(loopback) => {
                let port =
                    PRIVATE_PORTS + u16::from_be_bytes(crate::random::bytes()) % (u16::MAX - PRIVATE_PORTS);
                anywhere(loopback.with_port(port).ok()?.text)
            }
            Err(NotLoopback) => anywhere(text.to_owned()),
        }
    }

    /// The port to listen on; 0 stands for any free one, or for none.
    pub(super) fn port(&self) -> u16 {
        if self.host.is_none() { 0 } else { self.url.port_or_known_default().unwrap_or(80) }
    }

    /// How it names this machine, where it is listened at.
    pub(super) fn host(&self) -> Option<LoopbackHost> {
        self.host
    }

    /// The same redirect URI with its port of 0 replaced.
    pub(super) fn with_port(&self, port: u16) -> Result<Self, NotLoopback> {
        if self.port() != 0 {
            return Ok(self.clone());
        }
        let range = authority_range(&self.text).ok_or(NotLoopback)?;
        let colon = self.text[range.clone()].rfind(':').ok_or(NotLoopback)? + range.start;
        let text = format!("{}:{port}{}", &self.text[..colon], &self.text[range.end..]);
        Self::parse(&text)
    }

    /// As it is sent to the server.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The `Host` that a browser sends.
    pub(super) fn authority(&self) -> &str {
        &self.url[Position::BeforeHost..Position::AfterPort]
    }

    /// The path that a browser asks for; an empty one becomes `/`.
    pub(super) fn path(&self) -> &str {
        self.url.path()
    }

    /// The scheme that an address here begins with.
    pub(super) fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// Whether an address leads here, whatever its parameters are.
    pub(super) fn leads_here(&self, other: &Url) -> bool {
        other[..Position::AfterPath] == self.url[..Position::AfterPath]
    }
}

impl LoopbackHost {
    /// The addresses to listen on.
    pub(super) fn addresses(self) -> &'static [IpAddr] {
        const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
        const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
        match self {
            Self::V4 => &[V4],
            Self::V6 => &[V6],
            Self::Localhost => &[V4, V6],
        }
    }
}

/// The first of the ports that are assigned to nobody (RFC 6335 section 6).
const PRIVATE_PORTS: u16 = 49_152;

/// Where host and port stand in the text as written.
fn authority_range(text: &str) -> Option<std::ops::Range<usize>> {
    let start = text.find("://")? + 3;
    let length = text[start..].find(['/', '?', '#', '\\']).unwrap_or(text.len() - start);
    Some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_port_of_0_is_replaced() {
        for (written, sent) in [
            ("http://127.0.0.1:0/callback", "http://127.0.0.1:4711/callback"),
            ("http://127.0.0.1:0", "http://127.0.0.1:4711"),
            ("http://localhost:0/", "http://localhost:4711/"),
            ("http://[::1]:0/a:b?c=:0", "http://[::1]:4711/a:b?c=:0"),
            ("HTTP://LocalHost:00/x%2fy", "HTTP://LocalHost:4711/x%2fy"),
            ("http://localhost:53000", "http://localhost:53000"),
            ("http://localhost", "http://localhost"),
        ] {
            let uri = RedirectUri::parse(written).unwrap().with_port(4711).unwrap();
            assert_eq!(uri.as_str(), sent);
        }
    }

    #[test]
    fn host_and_path_are_what_a_browser_sends() {
        for (text, authority, path, port) in [
            ("http://127.0.0.1:4711/callback", "127.0.0.1:4711", "/callback", 4711),
            ("http://LOCALHOST:4711", "localhost:4711", "/", 4711),
            ("http://[::1]:4711/a b", "[::1]:4711", "/a%20b", 4711),
            ("http://localhost/x", "localhost", "/x", 80),
        ] {
            let uri = RedirectUri::parse(text).unwrap();
            assert_eq!((uri.authority(), uri.path(), uri.port()), (authority, path, port), "{text}");
        }
    }

    #[test]
    fn for_pasting_any_uri_will_do_and_nobody_listens() {
        for text in [
            "https://app.example/cb?x=1",
            "com.example.app:/cb",
            "urn:ietf:wg:oauth:2.0:oob",
            "http://localhost:53000",
        ] {
            let uri = RedirectUri::for_pasting(text).unwrap();
            assert_eq!((uri.as_str(), uri.port(), uri.host()), (text, 0, None));
        }
        let uri = RedirectUri::for_pasting("http://127.0.0.1:0/callback").unwrap();
        let port = uri.url.port().unwrap();
        assert!(port >= PRIVATE_PORTS);
        assert_eq!((uri.as_str(), uri.port()), (format!("http://127.0.0.1:{port}/callback").as_str(), 0));
        assert_eq!(RedirectUri::for_pasting("callback"), None);
    }

    #[test]
    fn other_places_are_refused() {
        for text in [
            "",
            "callback",
            "https://127.0.0.1:0/",
            "http://127.0.0.2:0/",
            "http://0.0.0.0:0/",
            "http://[::]:0/",
            "http://example.org/",
            "http://localhost.example.org/",
            "http://me@localhost:0/",
            "http://:pw@localhost:0/",
            "http://localhost:0/#here",
            "http:/localhost:0/",
        ] {
            assert_eq!(RedirectUri::parse(text), Err(NotLoopback), "{text}");
        }
    }
}
