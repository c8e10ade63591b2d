//! The real [`HttpExchange`]: reqwest on rustls.
//!
//! A token request must reach the server at most once, so everything that repeats requests unseen is off:
//! redirects, retries, HTTP/2 and the pool of idle connections.

use std::{
    collections::HashMap,
    error::Error,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Mutex, Once, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use url::Url;
use zeroize::Zeroizing;

use super::{
    ExchangeError, ExchangeFuture, HttpExchange, HttpRequest, HttpResponse, Route, is_confidential,
    is_loopback, shown,
};
use crate::{clock::Clock, fault};

/// How long connecting may take, TLS included: less than a token request's time limit, so that a server that
/// cannot be reached is told apart from one that does not answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// Speaks to authorization servers over the network.
///
/// A client is built at the first exchange over its [`Route`], and kept.
#[derive(Debug)]
pub struct Network {
    clock: Clock,
    clients: Mutex<HashMap<(Route, Reach), Client>>,
}

#[expect(clippy::disallowed_types, reason = "this is the file that talks to the network")]
type Client = reqwest::Client;

impl Network {
    /// A network without connections; the clock serves the log's durations.
    pub fn new(clock: Clock) -> Self {
        Self { clock, clients: Mutex::default() }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ExchangeError> {
        if !is_confidential(&request.url) {
            return Err(unsent("plain http is refused except to a loopback host; use an https URL"));
        }
        let client = self.client(&request.route, Reach::of(&request.url))?;
        let exchange = async {
            let response = client
                .request(request.method, request.url)
                .headers(request.headers)
                .body(Bytes::from_owner(request.body))
                .send()
                .await
                .map_err(failed)?;
            fault::point("answer_begun");
            read(response, request.size_limit).await
        };
        tokio::time::timeout(request.time_limit, exchange).await.unwrap_or_else(|_| {
            Err(lost(format!("no complete answer within {} s", request.time_limit.as_secs())))
        })
    }

    fn client(&self, route: &Route, reach: Reach) -> Result<Client, ExchangeError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&(route.clone(), reach)) {
            return Ok(client.clone());
        }
        let client = build(route, reach)?;
        clients.insert((route.clone(), reach), client.clone());
        Ok(client)
    }
}

impl HttpExchange for Network {
    fn exchange(&self, request: HttpRequest) -> ExchangeFuture<'_> {
        Box::pin(async move {
            let (method, target) = (request.method.clone(), shown(&request.url));
            let started = self.clock.now();
            tracing::trace!(%method, target_url = target, "request");
            let result = self.send(request).await;
            let milliseconds = self.clock.now().since(started).as_millis();
            match &result {
                Ok(response) => {
                    tracing::debug!(%method, target_url = target, response.status, milliseconds, "response");
                }
                Err(error) => {
                    tracing::debug!(%method, target_url = target, %error, error.sent, milliseconds, "no response");
                }
            }
            result
        })
    }
}

/// What a client may reach: the rest of its settings follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reach {
    /// This machine, in the clear: no certificates are needed, and no proxy ever sees it.
    LoopbackPlain,
    /// This machine, by TLS: no proxy.
    LoopbackTls,
    /// Any host, by TLS.
    Anywhere,
}

impl Reach {
    fn of(url: &Url) -> Self {
        match (is_loopback(url), url.scheme()) {
            (true, "http") => Self::LoopbackPlain,
            (true, _) => Self::LoopbackTls,
            (false, _) => Self::Anywhere,
        }
    }
}

#[expect(clippy::disallowed_types, reason = "this is the file that talks to the network")]
fn build(route: &Route, reach: Reach) -> Result<Client, ExchangeError> {
    install_crypto();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("fourinsightd/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT_LIMIT);
    if reach == Reach::Anywhere {
        if let Some(proxy) = &route.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|_| {
                unsent("the profile's `proxy` is no proxy URL; correct it in the configuration")
            })?;
            builder = builder.proxy(proxy);
        }
    } else {
        let here = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        builder = builder.no_proxy().resolve_to_addrs("localhost", &here.map(|ip| SocketAddr::new(ip, 0)));
    }
    if reach == Reach::LoopbackPlain {
        builder = builder.tls_certs_only([]);
    } else if let Some(path) = &route.tls_ca_file {
        let certificates = std::fs::read(path)
            .map_err(|error| error.to_string())
            .and_then(|pem| reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| chain(&error)))
            .and_then(
                |list| if list.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(list) },
            )
            .map_err(|cause| {
                unsent(format!("the profile's `tls_ca_file` {} cannot be used: {cause}", path.display()))
            })?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| unsent(format!("cannot prepare TLS: {}", chain(&error))))
}

/// Makes ring the process's TLS cryptography, unless the process has chosen already.
fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that a provider is installed: then there is nothing to do.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Reads the response to its end, or to this limit.
async fn read(mut response: reqwest::Response, limit: usize) -> Result<HttpResponse, ExchangeError> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(4096).min(limit)));
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if chunk.len() > limit - body.len() {
            let too_long = lost(format!("the answer is longer than {} KiB", limit >> 10));
            return Err(ExchangeError { too_long: true, ..too_long });
        }
        append(&mut body, &chunk);
    }
    Ok(HttpResponse {
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        body,
    })
}

/// Appends, and leaves no copy behind when the buffer has to move.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let needed = body.len() + chunk.len();
    if needed > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * body.capacity())));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}

fn failed(error: reqwest::Error) -> ExchangeError {
    let sent = !(error.is_connect() || error.is_builder());
    let timed_out = error.is_timeout();
    let error = error.without_url();
    let cause = match (sent, timed_out) {
        (false, true) => format!("no connection within {} s", CONNECT_LIMIT.as_secs()),
        _ => chain(&error),
    };
    let cause = match plainer(&cause) {
        Some(plain) => plain.to_owned(),
        None => cause,
    };
    ExchangeError { sent, too_long: false, cause }
}

fn unsent(cause: impl Into<String>) -> ExchangeError {
    ExchangeError { sent: false, too_long: false, cause: cause.into() }
}

fn lost(cause: impl Into<String>) -> ExchangeError {
    ExchangeError { sent: true, too_long: false, cause: cause.into() }
}

/// What commonly goes wrong with TLS, in words that name the next step; the library's are for its own readers.
fn plainer(cause: &str) -> Option<&'static str> {
    const PLAIN: [(&str, &str); 6] = [
        (
            "UnknownIssuer",
            "this machine does not trust the authority that issued its certificate; name that authority's certificate as `tls_ca_file` in the profile",
        ),
        (
            "CaUsedAsEndEntity",
            "its certificate is that of a certificate authority; have it serve one of its own",
        ),
        ("not valid for name", "its certificate is for another host; check the host in the profile's URLs"),
        ("certificate expired", "its certificate has expired; renew it, or set this machine's clock"),
        (
            "certificate not valid yet",
            "its certificate is not valid yet; set this machine's clock, or wait until it is",
        ),
        (
            "corrupt message of type InvalidContentType",
            "it does not speak TLS on this port; check scheme and port in the profile's URLs",
        ),
    ];
    PLAIN.into_iter().find(|(theirs, _)| cause.contains(theirs)).map(|(_, ours)| ours)
}

/// An error with its causes; reqwest's own outermost text says little and is left out where a cause follows.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let part = cause.to_string();
        // hyper's own layer names where in its code an error came up.
        let names_a_layer = part.starts_with("client error (") && cause.source().is_some();
        if !names_a_layer && !text.ends_with(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        next = cause.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;
