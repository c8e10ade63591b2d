//! Which URIs are opened, and how: only what a browser loads from a server, and never through a shell.

use std::{io, net::IpAddr};

use url::{Host, Url};

/// Opens the URI in the person's browser, as a process of its own.
///
/// It may take a moment to see whether the launcher works, so callers run it beside the wait.
pub(crate) fn open(uri: &str) -> io::Result<()> {
    if !may_open(uri) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "only https addresses and http ones of this machine are opened",
        ));
    }
    open::that_detached(uri)
}

/// Whether the URI is one to open: `https`, or `http` to this machine.
///
/// Anything that a launcher, a command line or a person could read in two ways is refused: spaces, controls, quotes,
/// letters beyond ASCII, and a user name in front of the host.
pub(crate) fn may_open(uri: &str) -> bool {
    let plain = uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'`\\<>^{|}".contains(&byte));
    if !plain {
        return false;
    }
    let Ok(url) = Url::parse(uri) else { return false };
    // The text itself must begin so: the parser forgives `https:host` and `HTTPS:///host`, launchers may not.
    let written = |scheme: &str| {
        uri.strip_prefix(scheme).is_some_and(|rest| !rest.starts_with(['/', '?', '#', ':', '@']))
    };
    let no_user = url.username().is_empty() && url.password().is_none();
    no_user
        && match (url.scheme(), url.host()) {
            ("https", Some(_)) => written("https://"),
            ("http", Some(host)) => written("http://") && is_this_machine(&host),
            _ => false,
        }
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => IpAddr::V4(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_servers_and_of_this_machine_may_be_opened() {
        for uri in [
            "https://id.example.com/authorize?response_type=code&client_id=abc&state=x%20y",
            "https://id.example.com",
            "https://id.example.com:8443/authorize",
            "https://203.0.113.7/authorize",
            "https://[2001:db8::1]/authorize",
            "https://login.example.com/tenant/oauth2/v2.0/authorize?scope=openid+offline_access#top",
            "https://xn--bcher-kva.example/authorize",
            "http://127.0.0.1:8080/authorize?client_id=abc",
            "http://127.8.9.1/authorize",
            "http://localhost:3000/authorize",
            "http://[::1]:3000/authorize",
        ] {
            assert!(may_open(uri), "{uri}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for uri in [
            "",
            " ",
            "-flag",
            "--help",
            "-https://id.example.com",
            "file:///etc/passwd",
            "FILE:///etc/passwd",
            "/etc/passwd",
            "./program",
            "program.desktop",
            "id.example.com/authorize",
            "//id.example.com/authorize",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,hello",
            "vbscript:x",
            "about:blank",
            "chrome://settings",
            "ms-settings:privacy",
            "ssh://id.example.com",
            "ftp://id.example.com/",
            "mailto:a@example.com",
            "x-scheme:whatever",
            "view-source:https://id.example.com",
            "blob:https://id.example.com/1",
            "http://id.example.com/authorize",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
            "http://localhost@id.example.com/",
            "http://127.0.0.1@id.example.com/",
            "http://10.0.0.1/",
            "http://192.168.1.1/",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://[2001:db8::1]/",
            "http://",
            "https://",
            "https:id.example.com",
            "https:///id.example.com",
            "HTTPS:/id.example.com",
            "https://user@id.example.com/",
            "https://user:word@id.example.com/",
            "https://id.example.com/ --flag",
            "https://id.example.com/\nfile:///etc/passwd",
            "https://id.example.com/\t",
            "https://id.example.com/\0",
            "https://id.example.com/\u{202e}moc",
            "https://bücher.example/",
            "https://id.example.com/\"&calc&\"",
            "https://id.example.com/`id`",
            "https://id.example.com\\@evil.example/",
            "https://id.example.com/$(id)|sh",
            "https://id.example.com:99999/",
            "\u{feff}https://id.example.com/",
        ] {
            assert!(!may_open(uri), "{uri:?}");
        }
    }
}
