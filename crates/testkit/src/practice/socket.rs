//! A connection that can be reset, and what it is about before a byte of it is read.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
};

use super::Endpoint;

/// The longest request line that is looked for.
const LINE_LIMIT: usize = 1024;

/// A connection. Once it is to be reset, its end is a reset (RST) instead of an orderly close (FIN).
pub(super) struct Socket {
    stream: TcpStream,
    resets: Arc<AtomicBool>,
}

impl Socket {
    pub(super) fn over(stream: TcpStream) -> Self {
        Self { stream, resets: Arc::default() }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Set it, and the connection is to be reset.
    pub(super) fn resets(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.resets)
    }

    /// Resets it now.
    pub(super) fn reset(self) {
        self.resets.store(true, Ordering::Relaxed);
    }

    /// Closes it in order, although nothing of what the client sends counts: what stays unread would make the
    /// kernel reset it.
    pub(super) async fn close(mut self) {
        // The client may be gone already, which is what this is about.
        let _ = self.stream.shutdown().await;
        let _ = tokio::io::copy(&mut self.stream, &mut tokio::io::sink()).await;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.resets.load(Ordering::Relaxed) {
            // Nobody is left to be told that it failed.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.resets.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The endpoint that a connection's first request names. Nothing is taken from the connection.
pub(super) async fn asked_for(stream: &TcpStream) -> Option<Endpoint> {
    let mut buffer = [0; LINE_LIMIT];
    let mut seen = 0;
    loop {
        let length = stream.peek(&mut buffer).await.ok()?;
        let line = buffer[..length].split_inclusive(|byte| *byte == b'\n').next()?;
        if line.ends_with(b"\n") || length == LINE_LIMIT {
            let target = str::from_utf8(line).ok()?.split(' ').nth(1)?;
            return Endpoint::at(target.split('?').next()?);
        }
        if length == seen {
            // The rest of the line is on its way, and peeking does not wait for it.
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        seen = length;
    }
}
