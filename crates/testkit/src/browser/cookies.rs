//! The cookies of one browser window (RFC 6265, as far as loopback needs it: by host and path, never by port).

use std::collections::BTreeMap;

use hyper::{HeaderMap, header};
use url::Url;

/// What servers asked the browser to keep.
#[derive(Debug, Default)]
pub(super) struct Cookies(BTreeMap<(String, String, String), String>);

impl Cookies {
    /// Keeps what an answer sets and drops what it expires.
    pub(super) fn keep(&mut self, from: &Url, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let mut parts = cookie.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let mut path = "/".to_owned();
            let mut expired = false;
            for attribute in parts {
                match attribute.split_once('=').unwrap_or((attribute, "")) {
                    (key, value) if key.eq_ignore_ascii_case("path") => value.clone_into(&mut path),
                    (key, value) if key.eq_ignore_ascii_case("max-age") => expired |= value == "0",
                    // Servers that delete a cookie date it to the epoch.
                    (key, value) if key.eq_ignore_ascii_case("expires") => {
                        expired |= value.contains(" 1970 ");
                    }
                    _ => {}
                }
            }
            let key = (from.host_str().unwrap_or_default().to_owned(), path, name.to_owned());
            if expired {
                self.0.remove(&key);
            } else {
                self.0.insert(key, value.to_owned());
            }
        }
    }

    /// The `Cookie` header for a request, if there is anything to send.
    pub(super) fn header(&self, to: &Url) -> Option<String> {
        let sent: Vec<String> = self
            .0
            .iter()
            .filter(|((host, path, _), _)| to.host_str() == Some(host) && covers(path, to.path()))
            .map(|((_, _, name), value)| format!("{name}={value}"))
            .collect();
        (!sent.is_empty()).then(|| sent.join("; "))
    }
}

/// RFC 6265 section 5.1.4.
fn covers(cookie_path: &str, path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|cookie| (header::SET_COOKIE, cookie.parse().unwrap())).collect()
    }

    #[test]
    fn a_cookie_goes_back_to_its_own_path_only() {
        let mut cookies = Cookies::default();
        let server = Url::parse("http://127.0.0.1:1/auth").unwrap();
        cookies.keep(&server, &answer(&["a=1; path=/interaction/x; httponly", "b=2"]));
        let sent = |path: &str| cookies.header(&server.join(path).unwrap());
        assert_eq!(sent("/interaction/x").as_deref(), Some("b=2; a=1"));
        assert_eq!(sent("/interaction/x/abort").as_deref(), Some("b=2; a=1"));
        assert_eq!(sent("/interaction/xy").as_deref(), Some("b=2"));
        assert_eq!(cookies.header(&Url::parse("http://localhost:1/").unwrap()), None);
    }

    #[test]
    fn an_expired_cookie_is_dropped() {
        let mut cookies = Cookies::default();
        let server = Url::parse("http://127.0.0.1:1/").unwrap();
        cookies.keep(&server, &answer(&["a=1; path=/"]));
        cookies.keep(&server, &answer(&["a=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT"]));
        assert_eq!(cookies.header(&server), None);
    }
}
