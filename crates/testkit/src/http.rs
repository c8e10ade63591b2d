//! Plain HTTP to loopback servers and Unix sockets: one request, one connection, no redirect followed, nothing remembered.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use url::{Url, form_urlencoded};

/// No loopback server is this slow unless it hangs.
const TIME_LIMIT: Duration = Duration::from_mins(1);

/// A request to a loopback server.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: String,
}

impl Request {
    /// A `GET`.
    pub fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: String::new() }
    }

    /// A `POST` of a form.
    pub fn form<'a>(url: Url, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self { method: Method::POST, url, headers: HeaderMap::new(), body }
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
    }

    /// A `POST` of JSON.
    pub fn json(url: Url, body: &serde_json::Value) -> Self {
        Self { method: Method::POST, url, headers: HeaderMap::new(), body: body.to_string() }
            .header(header::CONTENT_TYPE, "application/json")
    }

    /// A `DELETE`.
    pub fn delete(url: Url) -> Self {
        Self { method: Method::DELETE, ..Self::get(url) }
    }

    /// Where it goes.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The same request with one more header.
    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: &str) -> Self {
        if let Ok(value) = value.parse() {
            self.headers.append(name, value);
        }
        self
    }

    /// The same request with a client's id and secret (RFC 6749 section 2.3.1).
    #[must_use]
    pub fn basic(self, client_id: &str, client_secret: &str) -> Self {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(client_id), encode(client_secret));
        self.header(header::AUTHORIZATION, &format!("Basic {}", STANDARD.encode(pair)))
    }

    /// The same request with a bearer token (RFC 6750 section 2.1).
    #[must_use]
    pub fn bearer(self, access_token: &str) -> Self {
        self.header(header::AUTHORIZATION, &format!("Bearer {access_token}"))
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> Result<Response> {
        ensure!(self.url.scheme() == "http", "only plain http is spoken here");
        let port = self.url.port_or_known_default().context("the URL has no port")?;
        let host = self.url.host_str().context("the URL has no host")?.trim_matches(['[', ']']).to_owned();
        self.within_limit(async move || Ok(TcpStream::connect((host, port)).await?)).await
    }

    /// Sends it to a server on a Unix socket and reads the whole answer.
    pub async fn send_to(self, socket: &Path) -> Result<Response> {
        self.within_limit(async || Ok(UnixStream::connect(socket).await?)).await
    }

    async fn within_limit<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self,
        connect: impl AsyncFnOnce() -> Result<S>,
    ) -> Result<Response> {
        let place = format!("{} {}", self.method, self.url.path());
        tokio::time::timeout(TIME_LIMIT, async { self.exchange(connect().await?).await })
            .await
            .with_context(|| format!("{place} was not answered within {TIME_LIMIT:?}"))?
            .with_context(|| format!("{place} failed"))
    }

    async fn exchange(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Response> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let path = &self.url[url::Position::BeforePath..url::Position::AfterQuery];
        let mut request =
            hyper::Request::builder().method(self.method).uri(path).body(Full::<Bytes>::from(self.body))?;
        *request.headers_mut() = self.headers;
        request.headers_mut().insert(header::HOST, self.url.authority().parse()?);
        request.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        // The connection moves the bytes; nobody needs it once the answer is read.
        let mover = tokio::spawn(connection);
        let answer = sender.send_request(request).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        mover.abort();
        Ok(Response { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, whatever the status.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("a {} that is not the JSON expected", self.status))
    }

    /// Where it redirects to, if it does.
    pub fn redirect(&self, from: &Url) -> Option<Url> {
        let target = self.headers.get(header::LOCATION)?.to_str().ok()?;
        (300..400).contains(&self.status).then(|| from.join(target).ok())?
    }
}
