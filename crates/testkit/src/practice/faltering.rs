//! The body of an answer that comes in pieces, and perhaps not whole.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Sleep, sleep};

/// It says nothing of its length by itself.
pub(super) struct Faltering {
    pieces: VecDeque<Bytes>,
    every: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    end: End,
}

/// What follows the last piece.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// The end of the answer.
    Whole,
    /// The end of the connection.
    Cut,
    /// Nothing, ever.
    Hang,
}

impl Faltering {
    /// A body of these pieces, and a pause between each two.
    pub(super) fn new(pieces: impl IntoIterator<Item = Bytes>, every: Duration, end: End) -> Self {
        Self { pieces: pieces.into_iter().collect(), every, pause: None, end }
    }
}

impl Body for Faltering {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        if let Some(piece) = self.pieces.pop_front() {
            let pauses = !self.every.is_zero() && !self.pieces.is_empty();
            self.pause = pauses.then(|| Box::pin(sleep(self.every)));
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match self.end {
            End::Whole => Poll::Ready(None),
            End::Cut => Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
            End::Hang => Poll::Pending,
        }
    }
}
