//! How long one exchange may take, and who may end it early.

use std::{io, time::Duration};

use crate::{connection::late, deadline::Deadline};

/// How often a caller that may end its waits is asked.
const ASK: Duration = Duration::from_millis(200);

/// Asked while a call waits: whether nobody wants its answer any more.
pub(crate) type Interruption = dyn Fn() -> bool + Send + Sync;

/// The patience of one exchange. On the common path no clock is read for it.
pub(crate) struct Patience<'a> {
    limit: Duration,
    deadline: Option<Deadline>,
    interruption: Option<&'a Interruption>,
}

impl<'a> Patience<'a> {
    /// Waits so long, unless it is interrupted.
    pub(crate) fn new(limit: Duration, interruption: Option<&'a Interruption>) -> Self {
        Self { limit, deadline: None, interruption }
    }

    /// How long the first read or write may wait.
    pub(crate) fn at_first(&self) -> Duration {
        self.slice(self.limit)
    }

    /// After a read that brought something, but not all: how long the next one may wait.
    pub(crate) fn after_some(&mut self) -> io::Result<Duration> {
        // The stream's limit holds for each read; neither crumbs nor signals may stretch the whole.
        let deadline = *self.deadline.get_or_insert_with(|| Deadline::after(self.limit));
        deadline.remaining().map(|left| self.slice(left)).ok_or_else(late)
    }

    /// After a read or write that brought nothing: how long the next one may wait, if its error leaves any hope.
    pub(crate) fn after_none(&mut self, error: io::Error) -> io::Result<Duration> {
        match (error.kind(), self.interruption) {
            (io::ErrorKind::Interrupted, None) => self.after_some(),
            // A socket's receive time-out is reported as WouldBlock by some systems.
            (
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut,
                Some(is_over),
            ) => {
                if is_over() {
                    return Err(io::Error::new(
                        io::ErrorKind::Interrupted,
                        "the wait for it was interrupted",
                    ));
                }
                self.after_some()
            }
            _ => Err(error),
        }
    }

    fn slice(&self, left: Duration) -> Duration {
        if self.interruption.is_some() { left.min(ASK) } else { left }
    }
}
