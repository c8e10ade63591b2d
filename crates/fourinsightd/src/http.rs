//! The only outbound HTTP client, behind the one port [`HttpExchange`].

use std::{fmt, future::Future, pin::Pin, time::Duration};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// One request, one response: no redirect is followed, nothing is repeated, no connection is reused for a POST.
pub trait HttpExchange: Send + Sync {
    /// Sends the request and reads the whole response.
    fn exchange<'a>(&'a self, request: HttpRequest) -> ExchangeFuture<'a>;
}

/// What [`HttpExchange::exchange`] returns.
pub type ExchangeFuture<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, ExchangeError>> + Send + 'a>>;

/// A request to an authorization server. Its body may hold secrets: `Debug` shows neither body nor headers.
pub struct HttpRequest {
    /// `GET` or `POST`.
    pub method: http::Method,
    /// Where to.
    pub url: url::Url,
    /// Header fields.
    pub headers: http::HeaderMap,
    /// The body; empty for a GET.
    pub body: Zeroizing<Vec<u8>>,
    /// How this connection is made.
    pub route: Route,
    /// How long the whole exchange may take.
    pub time_limit: Duration,
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
    /// The body, at most [`BODY_LIMIT`] bytes.
    pub body: Zeroizing<Vec<u8>>,
}

/// The longest response body that is read.
pub const BODY_LIMIT: usize = 1 << 20;

/// An exchange that brought no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct ExchangeError {
    /// Whether the server may have seen the request.
    pub sent: bool,
    /// What happened, for people; never a URL's query, a header or a body.
    pub cause: String,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = format!("{}{}", self.url.origin().ascii_serialization(), self.url.path());
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("target", &target)
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
