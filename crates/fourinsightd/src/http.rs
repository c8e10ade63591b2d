//! The only outbound HTTP client, behind the one port [`HttpExchange`].

use std::{fmt, future::Future, pin::Pin, time::Duration};

use serde::{Deserialize, Serialize};
use url::{Host, Url};
use zeroize::Zeroizing;

mod network;

pub use network::Network;

/// One request, one response: no redirect is followed, nothing is repeated, no connection is reused for a POST.
pub trait HttpExchange: Send + Sync {
    /// Sends the request and reads the whole response.
    fn exchange(&self, request: HttpRequest) -> ExchangeFuture<'_>;
}

/// What [`HttpExchange::exchange`] returns.
pub type ExchangeFuture<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, ExchangeError>> + Send + 'a>>;

/// A request to an authorization server. Its body may hold secrets: `Debug` shows neither body nor headers.
pub struct HttpRequest {
    /// `GET` or `POST`.
    pub method: http::Method,
    /// Where to.
    pub url: Url,
    /// Header fields.
    pub headers: http::HeaderMap,
    /// The body; empty for a GET.
    pub body: Zeroizing<Vec<u8>>,
    /// How this connection is made.
    pub route: Route,
    /// How long the whole exchange may take.
    pub time_limit: Duration,
    /// How long the response's body may be: no more of it is read.
    pub size_limit: usize,
}

/// How a connection to a server is made: part of a profile, kept in the session's record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Certificates trusted beside the system's (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_ca_file: Option<std::path::PathBuf>,
    /// The proxy; the usual variables count when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

/// A response. Its body may hold secrets: `Debug` shows its length only.
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// Header fields.
    pub headers: http::HeaderMap,
    /// The body, no longer than the request's limit.
    pub body: Zeroizing<Vec<u8>>,
}

/// The longest response body that is read where nothing smaller is known to do.
pub const BODY_LIMIT: usize = 1 << 20;

/// An exchange that brought no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct ExchangeError {
    /// Whether the server may have seen the request.
    pub sent: bool,
    /// Whether there is a response that is longer than it may be.
    pub too_long: bool,
    /// What happened, for people; never a URL's query, a header or a body.
    pub cause: String,
}

/// Whether secrets may travel to this URL: by TLS, or in the clear on this machine only.
pub fn is_confidential(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Whether the URL's host is this machine by its very name: `localhost` or a loopback literal.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What of a URL may be shown: its origin and path, never user information, query or fragment.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("target", &shown(&self.url))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("body_length", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_travel_by_tls_or_stay_on_this_machine() {
        for text in [
            "https://id.example.com/token",
            "http://localhost:8080/token",
            "http://127.0.0.1/",
            "http://127.8.9.1/",
            "http://[::1]:1/",
        ] {
            assert!(is_confidential(&Url::parse(text).unwrap()), "{text}");
        }
        for text in [
            "http://id.example.com/token",
            "http://localhost.example.com/",
            "http://0.0.0.0/",
            "http://10.0.0.1/",
            "http://[::ffff:127.0.0.1]/",
            "ftp://localhost/",
            "file:///etc/passwd",
            "unix:/run/x",
        ] {
            assert!(!is_confidential(&Url::parse(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn debug_shows_neither_query_nor_body_nor_headers() {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", "Basic s3cr3t".parse().unwrap());
        let request = HttpRequest {
            method: http::Method::POST,
            url: Url::parse("https://u:s3cr3t@id.example.com/token?code=s3cr3t#s3cr3t").unwrap(),
            headers,
            body: Zeroizing::new(b"s3cr3t".to_vec()),
            route: Route::default(),
            time_limit: Duration::from_secs(1),
            size_limit: BODY_LIMIT,
        };
        let text = format!("{request:?}");
        assert!(text.contains("https://id.example.com/token") && !text.contains("s3cr3t"), "{text}");
    }
}
