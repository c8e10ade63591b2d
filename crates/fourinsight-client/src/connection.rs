//! One blocking connection: a request out, an answer in.

use std::{
    io::{self, Read, Write},
    time::Duration,
};

use fourinsight_ipc::platform::{self, Stream};

use crate::{
    Error,
    answer::Answer,
    calls::Request,
    patience::{Interruption, Patience},
};

/// A stream on which waiting can be limited.
pub(crate) trait Limited: Read + Write {
    /// How long one read or one write may wait from now on.
    fn wait_at_most(&self, limit: Duration) -> io::Result<()>;
}

impl Limited for Stream {
    fn wait_at_most(&self, limit: Duration) -> io::Result<()> {
        platform::set_timeout(self, limit)
    }
}

/// A connection to a server known to be this user's.
pub(crate) struct Connection<S = Stream> {
    stream: S,
    answer: Answer,
    limit: Duration,
}

/// Why an exchange failed.
pub(crate) enum Failure {
    /// The other side ended the connection: the daemon may have been restarted.
    Ended(io::Error),
    /// Anything else.
    Other(Error),
}

impl<S: Limited> Connection<S> {
    /// Takes a stream whose other end was checked.
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, answer: Answer::new(), limit: Duration::ZERO }
    }

    /// Sends a request and reads its answer, unless the wait for it is interrupted.
    ///
    /// On the common path that is one write and one read, and no clock is read.
    pub(crate) fn exchange<A>(
        &mut self,
        request: &Request<A>,
        interruption: Option<&Interruption>,
    ) -> Result<Result<A, Error>, Failure> {
        self.answer.clear();
        let mut patience = Patience::new(request.limit, interruption);
        self.wait_at_most(patience.at_first())?;
        // A server that refuses a connection answers and closes without reading: its answer is there all the same.
        let written = self.send(&request.bytes, &mut patience);
        loop {
            let next = match self.stream.read(self.answer.space()) {
                Ok(0) => return Err(Failure::of(written.err().unwrap_or_else(ended))),
                Ok(count) => {
                    if self.answer.received(count)? {
                        return Ok(self.answer.meaning(request.read));
                    }
                    patience.after_some()
                }
                Err(error) => patience.after_none(error),
            };
            self.wait_at_most(next.map_err(Failure::of)?)?;
        }
    }

    fn send(&mut self, mut bytes: &[u8], patience: &mut Patience<'_>) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) => {
                    self.limit = patience.after_none(error)?;
                    self.stream.wait_at_most(self.limit)?;
                }
            }
        }
        Ok(())
    }

    /// Whether it can carry another request.
    pub(crate) fn is_reusable(&self) -> bool {
        self.answer.kept_alive()
    }

    /// Wipes the answer, so that an idle connection holds no token.
    pub(crate) fn wipe(&mut self) {
        self.answer.clear();
    }

    fn wait_at_most(&mut self, limit: Duration) -> Result<(), Failure> {
        if self.limit != limit {
            self.stream.wait_at_most(limit).map_err(|error| Failure::Other(error.into()))?;
            self.limit = limit;
        }
        Ok(())
    }
}

impl Failure {
    /// What an input or output error means for the exchange.
    pub(crate) fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected => Self::Ended(error),
            // A socket's receive time-out is reported as WouldBlock by some systems.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Other(late().into()),
            _ => Self::Other(error.into()),
        }
    }
}

impl From<crate::answer::Malformed> for Failure {
    fn from(malformed: crate::answer::Malformed) -> Self {
        Self::Other(Error::Protocol(malformed.0))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Ended(error) => Self::Io(error),
            Failure::Other(error) => error,
        }
    }
}

/// The other side closed the connection before the answer was whole.
pub(crate) fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it ended the connection before its answer was complete")
}

/// No answer came in time.
pub(crate) fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use zeroize::Zeroizing;

    use super::*;

    /// Gives what is left of it, then behaves as it is told.
    struct Scripted {
        given: &'static [u8],
        then: fn(&mut [u8]) -> io::Result<usize>,
    }

    impl Read for Scripted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.given.read(buffer)? {
                0 => (self.then)(buffer),
                count => Ok(count),
            }
        }
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Limited for Scripted {
        fn wait_at_most(&self, limit: Duration) -> io::Result<()> {
            // A limit of nothing means none at all to a socket.
            assert!(!limit.is_zero());
            Ok(())
        }
    }

    fn exchange(
        given: &'static [u8],
        then: fn(&mut [u8]) -> io::Result<usize>,
    ) -> Result<Result<String, Error>, Failure> {
        exchange_interrupted_by(None, given, then)
    }

    fn exchange_interrupted_by(
        interruption: Option<&Interruption>,
        given: &'static [u8],
        then: fn(&mut [u8]) -> io::Result<usize>,
    ) -> Result<Result<String, Error>, Failure> {
        let request = Request {
            bytes: Zeroizing::new(b"GET / HTTP/1.1\r\n\r\n".to_vec()),
            repeatable: true,
            starts_daemon: false,
            limit: Duration::from_millis(50),
            read: |body| serde_json::from_slice(body),
        };
        Connection::new(Scripted { given, then }).exchange(&request, interruption)
    }

    fn is_late(result: Result<Result<String, Error>, Failure>) -> bool {
        matches!(result, Err(Failure::Other(Error::Io(error))) if error.kind() == io::ErrorKind::TimedOut)
    }

    #[test]
    fn a_server_that_hangs_is_an_error_and_not_a_hang() {
        // What a read reports when its limit passes, on one system and on another.
        assert!(is_late(exchange(b"HTTP/1.1 2", |_| Err(io::ErrorKind::WouldBlock.into()))));
        assert!(is_late(exchange(b"", |_| Err(io::ErrorKind::TimedOut.into()))));
    }

    #[test]
    fn neither_crumbs_nor_signals_stretch_the_limit() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 8000000\r\n\r\n";
        assert!(is_late(exchange(head, |buffer| {
            buffer[0] = b'x';
            Ok(1)
        })));
        assert!(is_late(exchange(head, |_| Err(io::ErrorKind::Interrupted.into()))));
    }

    #[test]
    fn a_signal_while_the_answer_comes_changes_nothing() {
        static INTERRUPTED: std::sync::Once = std::sync::Once::new();
        let answer = exchange(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\"", |buffer| {
            let mut first = false;
            INTERRUPTED.call_once(|| first = true);
            if first {
                return Err(io::ErrorKind::Interrupted.into());
            }
            buffer[0] = b'"';
            Ok(1)
        });
        assert_eq!(answer.ok().and_then(Result::ok).as_deref(), Some(""));
    }

    #[test]
    fn whoever_wants_to_is_asked_during_the_wait_whether_it_is_over() {
        for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut, io::ErrorKind::Interrupted] {
            let silent: fn(&mut [u8]) -> io::Result<usize> = match kind {
                io::ErrorKind::WouldBlock => |_| Err(io::ErrorKind::WouldBlock.into()),
                io::ErrorKind::TimedOut => |_| Err(io::ErrorKind::TimedOut.into()),
                _ => |_| Err(io::ErrorKind::Interrupted.into()),
            };
            let asked = AtomicU32::new(0);
            let third_time = move || asked.fetch_add(1, Ordering::Relaxed) == 2;
            let ended = exchange_interrupted_by(Some(&third_time), b"", silent);
            let Err(Failure::Other(Error::Io(error))) = ended else {
                panic!("{kind}: it was not interrupted")
            };
            assert_eq!(error.kind(), io::ErrorKind::Interrupted);
            // Its end is the limit's for whoever never wants to.
            assert!(is_late(exchange_interrupted_by(Some(&|| false), b"", silent)), "{kind}");
        }
    }
}
