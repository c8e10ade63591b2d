//! The server: accepts, checks whose process it is, limits, and hands the connection to hyper.
//!
//! A client that is silent or slow costs one place out of many and, after a while, not even that: requests that
//! do not arrive in time end their connection. Nothing here waits for one client before it serves another.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, response::Response};
use fourinsight_ipc::{
    ErrorBody, ErrorCode,
    platform::{self, AsyncStream},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tower::Service;

use crate::{
    api::{self, Api},
    peer::Peer,
    socket::Socket,
};

/// The most connections served at once; the next ones are told to come back.
pub const MOST_CONNECTIONS: usize = 2048;

/// How many refused connections are told so at once; beyond that they are closed without a word.
const MOST_REFUSALS: usize = 64;

/// How many connections are served at once by a daemon that may have so many files open: half of them and more are for
/// the store, the journal, the connections to servers, and for telling the others to come back.
pub(crate) fn connections_within(open_files: u64) -> usize {
    usize::try_from(open_files / 2).unwrap_or(MOST_CONNECTIONS).clamp(1, MOST_CONNECTIONS)
}

/// How long a request's head may take, and how long a kept-alive connection may stay idle.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// The longest request head: hyper stops reading there. The longest claims take three quarters of it, percent-encoded.
const HEAD_LIMIT: usize = 32 * 1024;

/// How long connections may take to end when the daemon stops.
const GRACE: Duration = Duration::from_secs(2);

/// Serves so many connections at once until the daemon stops, then lets what is under way end.
pub(crate) async fn serve(
    mut socket: Socket,
    api: Arc<Api>,
    most_connections: usize,
    mut ticks: watch::Receiver<()>,
    mut stopping: watch::Receiver<bool>,
) {
    let server = Server { router: api::router(Arc::clone(&api)), api };
    let places = Arc::new(Semaphore::new(most_connections));
    let refusals = Arc::new(Semaphore::new(MOST_REFUSALS.min(most_connections.div_ceil(4))));
    let mut connections = JoinSet::new();
    let mut exhausted = false;
    loop {
        let accepted = tokio::select! {
            accepted = platform::accept(socket.listener()) => accepted,
            Some(_) = connections.join_next() => continue,
            Ok(()) = ticks.changed() => {
                socket.bind_again_if_gone();
                continue;
            }
            () = stopped(&mut stopping) => break,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                // Out of descriptors, most likely: places come free as connections end. Said once, not every time.
                if !std::mem::replace(&mut exhausted, true) {
                    tracing::warn!(%error, "connections cannot be accepted; trying until they can");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        exhausted = false;
        if !platform::async_peer_is_this_user(&stream).unwrap_or(false) {
            tracing::warn!("a process of another user was turned away");
            continue;
        }
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let peer = Peer::of(&stream, &server.api.clock);
            let connection = server.clone().connection(stream, peer, stopping.clone());
            connections.spawn(async move {
                connection.await;
                drop(place);
            });
        } else if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
            connections.spawn(async move {
                refuse(stream).await;
                drop(place);
            });
        }
    }
    socket.close();
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::debug!("some connections did not end in time");
    }
}

#[derive(Clone)]
struct Server {
    api: Arc<Api>,
    router: Router,
}

impl Server {
    async fn connection(self, stream: AsyncStream, peer: Peer, mut stopping: watch::Receiver<bool>) {
        let service = service_fn(move |request: Request<Incoming>| {
            let at_once = api::token_at_once(&self.api, &peer, &request);
            let mut router = self.router.clone();
            let peer = peer.clone();
            async move {
                if let Some(response) = at_once {
                    return Ok::<Response, Infallible>(response);
                }
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(peer);
                router.call(request).await
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_LIMIT)
            .auto_date_header(false)
            .writev(false)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(&mut stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Completes when the daemon stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A sender that is gone has stopped, too.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

/// Tells a client over the cap to come back, having read what it sent, so that it gets to read the answer.
async fn refuse(mut stream: AsyncStream) {
    let body = ErrorBody::new(ErrorCode::TemporarilyUnavailable, "too many connections are open")
        .hint("close idle connections, or ask again later")
        .retry_after(1);
    let body = serde_json::to_string(&body).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let exchange = async {
        let mut head = [0; 1024];
        let read = stream.read(&mut head).await?;
        tracing::debug!(read, "a connection over the cap was refused");
        stream.write_all(answer.as_bytes()).await
    };
    // A client that does not even send a request, or does not read, needs no answer.
    let _ = tokio::time::timeout(Duration::from_secs(1), exchange).await;
}

#[cfg(test)]
mod tests;
