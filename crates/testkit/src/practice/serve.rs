//! The server on a loopback socket, plain or with TLS.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::{
    Endpoint, Practice,
    certificates::Certificates,
    fault::{self, Kind},
    script::Read,
    socket::{Socket, asked_for},
};

/// How clients connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Plain http.
    Plain,
    /// https, under a throwaway certificate authority.
    Tls,
}

/// A server on a socket. It accepts connections from the moment this exists; dropping it ends all of them.
pub struct Serving {
    /// Its issuer identifier; the base of all its URLs too, unless its dialect has another.
    pub issuer: String,
    /// The base of all its URLs: scheme, host and port.
    pub origin: String,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The certificate authority to trust, with TLS: the same at each start of one [`Practice`].
    pub ca_pem: Option<String>,
    accepting: JoinHandle<()>,
}

impl Practice {
    /// Serves plain http on any free port of 127.0.0.1.
    pub async fn serve_plain(&self) -> anyhow::Result<Serving> {
        self.serve(Transport::Plain, 0).await
    }

    /// Serves https on any free port of 127.0.0.1.
    pub async fn serve_tls(&self) -> anyhow::Result<Serving> {
        self.serve(Transport::Tls, 0).await
    }

    /// Serves on this port of 127.0.0.1; 0 is any free one.
    pub async fn serve(&self, transport: Transport, port: u16) -> anyhow::Result<Serving> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = listener.local_addr()?.port();
        let (scheme, tls) = match transport {
            Transport::Plain => ("http", None),
            Transport::Tls => ("https", Some(self.certificates()?)),
        };
        let origin = format!("{scheme}://127.0.0.1:{port}");
        let acceptor = tls.map(|tls| TlsAcceptor::from(Arc::clone(&tls.server)));
        let served = Served { practice: self.clone(), router: self.router(&origin) };
        let accepting = tokio::spawn(accept(listener, acceptor, served));
        let issuer = self.settings().dialect.issuer(&origin);
        Ok(Serving { issuer, origin, port, ca_pem: tls.map(|tls| tls.ca_pem.clone()), accepting })
    }

    fn certificates(&self) -> anyhow::Result<&Certificates> {
        let certificates = &self.shared.certificates;
        if let Some(made) = certificates.get() {
            return Ok(made);
        }
        let made = Certificates::generate()?;
        Ok(certificates.get_or_init(|| made))
    }
}

impl Serving {
    /// Ends all connections and waits until the port is free again: an outage begins.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // The only error is the cancellation just asked for.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What a connection leads to.
#[derive(Clone)]
struct Served {
    practice: Practice,
    router: Router,
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, served: Served) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(connection(stream, tls.clone(), served.clone())); }
                // Out of descriptors: nothing announces when there are some again.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, served: Served) {
    let socket = Socket::over(stream);
    let endpoint = match tls {
        None => asked_for(socket.stream()).await,
        Some(_) => Some(Endpoint::Token),
    };
    let kind = endpoint.and_then(|endpoint| served.practice.befalls_connection(endpoint));
    let kind = match kind {
        Some(Kind::Reset) => return socket.reset(),
        Some(Kind::Close) => return socket.close().await,
        Some(Kind::Hang) => std::future::pending().await,
        Some(Kind::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            None
        }
        other => other,
    };
    let resets = socket.resets();
    match tls {
        None => exchange(socket, served, kind, resets).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(socket).await {
                exchange(stream, served, kind, resets).await;
            }
        }
    }
}

/// Serves one connection to its end, or has what stands in front of the server answer. An error is the client's
/// going, or an answer that a test wants lost.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    served: Served,
    instead: Option<Kind>,
    resets: Arc<AtomicBool>,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (served, resets) = (served.clone(), Arc::clone(&resets));
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Read);
            let response = if let Some(kind) = instead {
                kind.instead(&served.practice).await
            } else {
                let Ok(response) = served.router.oneshot(request).await;
                response
            };
            if fault::is_reset(&response) {
                resets.store(true, Ordering::Relaxed);
            }
            if fault::is_lost(&response) { Err(fault::aborted()) } else { Ok(response) }
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
