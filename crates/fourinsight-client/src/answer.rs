//! An HTTP/1.1 answer as it arrives: pure, so that both clients read alike.
//!
//! What it holds may be a token: it is wiped before the memory is used again or given back.

use fourinsight_ipc::ErrorBody;

use crate::Error;

/// Most answers fit into one read of this size.
const USUAL: usize = 4 * 1024;
/// The longest head that is read.
const LONGEST_HEAD: usize = 16 * 1024;
/// The longest body that is read: a backup of thousands of sessions.
const LONGEST_BODY: usize = 64 * 1024 * 1024;
/// A buffer that grew beyond this is given back after the answer that needed it.
const KEPT: usize = 64 * 1024;
/// The most header fields that are read.
const MOST_FIELDS: usize = 32;

/// An answer on its way in.
pub(crate) struct Answer {
    buffer: Vec<u8>,
    filled: usize,
    head: Option<Head>,
}

/// What the head says.
#[derive(Clone, Copy)]
struct Head {
    status: u16,
    length: usize,
    body: usize,
    kept_alive: bool,
    retry_after: Option<u64>,
}

/// The bytes that arrived are no answer of this API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Answer {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; USUAL], filled: 0, head: None }
    }

    /// Where the next bytes belong; never empty while the answer is incomplete.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// Takes note of so many more bytes, and says whether the answer is complete.
    pub(crate) fn received(&mut self, count: usize) -> Result<bool, Malformed> {
        self.filled += count;
        let head = match self.head {
            Some(head) => head,
            None => match parse(&self.buffer[..self.filled])? {
                Some(head) => *self.head.insert(head),
                None if self.filled == LONGEST_HEAD => return Err(Malformed("its head is too long")),
                None => {
                    self.make_room((self.filled * 2).clamp(USUAL, LONGEST_HEAD));
                    return Ok(false);
                }
            },
        };
        let whole = head.length + head.body;
        self.make_room(whole);
        if self.filled > whole {
            return Err(Malformed("more follows than was announced"));
        }
        Ok(self.filled == whole)
    }

    /// What a complete answer means: `read` understands the body of a success.
    pub(crate) fn meaning<A>(&self, read: fn(&[u8]) -> serde_json::Result<A>) -> Result<A, Error> {
        let Some(head) = self.head else { return Err(Error::Protocol("it is incomplete")) };
        let body = &self.buffer[head.length..self.filled];
        // serde_json's errors repeat what they could not read, so they end here.
        if (200..300).contains(&head.status) {
            return read(body).map_err(|_| Error::Protocol("its JSON says something else than expected"));
        }
        let mut body: ErrorBody = serde_json::from_slice(body)
            .map_err(|_| Error::Protocol("it reports an error in an unknown way"))?;
        body.retry_after = body.retry_after.or(head.retry_after);
        Err(Error::answered(head.status, body))
    }

    /// Whether the connection can carry another request.
    pub(crate) fn kept_alive(&self) -> bool {
        self.head.is_some_and(|head| head.kept_alive)
    }

    /// Forgets and wipes the answer.
    pub(crate) fn clear(&mut self) {
        wipe(&mut self.buffer[..self.filled]);
        if self.buffer.len() > KEPT {
            self.buffer = vec![0; USUAL];
        }
        self.filled = 0;
        self.head = None;
    }

    /// Makes the buffer at least so long. What it held is wiped, not left behind in freed memory.
    fn make_room(&mut self, length: usize) {
        if length > self.buffer.len() {
            let mut longer = vec![0; length];
            longer[..self.filled].copy_from_slice(&self.buffer[..self.filled]);
            wipe(&mut self.buffer[..self.filled]);
            self.buffer = longer;
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        wipe(&mut self.buffer[..self.filled]);
    }
}

/// Overwrites at the speed of memset; the barrier keeps the compiler from leaving it out.
fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

/// Reads a head; `None` while it is incomplete.
fn parse(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= LONGEST_HEAD => length,
        Ok(httparse::Status::Complete(_)) => return Err(Malformed("its head is too long")),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Malformed("it is not HTTP/1.1")),
    };
    let mut body = None;
    let mut kept_alive = response.version == Some(1);
    let mut retry_after = None;
    for field in response.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            let announced = digits(field.value).ok_or(Malformed("its length is not a number"))?;
            if body.replace(announced).is_some() {
                return Err(Malformed("it announces two lengths"));
            }
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Malformed("it announces no length"));
        } else if field.name.eq_ignore_ascii_case("connection") {
            kept_alive &= !field.value.eq_ignore_ascii_case(b"close");
        } else if field.name.eq_ignore_ascii_case("retry-after") {
            retry_after = digits(field.value);
        }
    }
    let body = body.ok_or(Malformed("it announces no length"))?;
    let body = usize::try_from(body)
        .ok()
        .filter(|body| *body <= LONGEST_BODY)
        .ok_or(Malformed("its body is too long"))?;
    Ok(Some(Head { status: response.code.unwrap_or_default(), length, body, kept_alive, retry_after }))
}

/// A whole number without sign, space or overflow.
fn digits(value: &[u8]) -> Option<u64> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds bytes in pieces of `size`; the answer once it is complete.
    fn feed(bytes: &[u8], size: usize) -> Result<Option<Answer>, Malformed> {
        let mut answer = Answer::new();
        let mut complete = false;
        let mut left = bytes;
        while !left.is_empty() {
            let space = answer.space();
            let count = left.len().min(size).min(space.len());
            space[..count].copy_from_slice(&left[..count]);
            left = &left[count..];
            complete = answer.received(count)?;
        }
        Ok(complete.then_some(answer))
    }

    fn text(answer: &Answer) -> String {
        answer.meaning(|body| serde_json::from_slice::<String>(body)).unwrap()
    }

    #[test]
    fn an_answer_is_the_same_in_whatever_pieces_it_arrives() {
        let long = "x".repeat(100_000);
        let bytes = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n\"{long}\"", long.len() + 2);
        for size in [1, 7, 4096, usize::MAX] {
            let mut answer = feed(bytes.as_bytes(), size).unwrap().unwrap();
            assert_eq!(text(&answer), long, "pieces of {size}");
            assert!(answer.kept_alive());
            answer.clear();
            assert_eq!(answer.buffer.len(), USUAL);
        }
        assert!(feed(&bytes.as_bytes()[..bytes.len() - 1], 512).unwrap().is_none());
    }

    #[test]
    fn what_was_read_is_wiped_when_it_is_cleared() {
        let mut answer =
            feed(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n\"s3cr3t\"", 512).unwrap().unwrap();
        answer.clear();
        assert!(answer.buffer.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn anything_unclear_is_refused() {
        let padding = format!("HTTP/1.1 200 OK\r\nx: {}\r\n", "x".repeat(20_000));
        let fields = "x: y\r\n".repeat(40);
        for (bytes, why) in [
            ("SSH-2.0-OpenSSH\r\n", "it is not HTTP/1.1"),
            ("HTTP/1.1 200 OK\r\n\r\n", "it announces no length"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "it announces no length"),
            ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "its length is not a number"),
            ("HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n", "its length is not a number"),
            ("HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n", "its length is not a number"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n", "its length is not a number"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 67108865\r\n\r\n", "its body is too long"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n", "it announces two lengths"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP", "more follows than was announced"),
            (&padding, "its head is too long"),
            (&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), "it is not HTTP/1.1"),
        ] {
            assert_eq!(feed(bytes.as_bytes(), 1000).err(), Some(Malformed(why)), "{bytes:.60}");
        }
    }

    #[test]
    fn a_connection_ends_when_the_server_says_so() {
        let last =
            feed(b"HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length: 2\r\n\r\n\"\"", 512).unwrap();
        assert!(!last.unwrap().kept_alive());
        let old = feed(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n\"\"", 512).unwrap();
        assert!(!old.unwrap().kept_alive());
    }

    #[test]
    fn an_error_takes_its_delay_from_the_body_and_else_from_the_head() {
        let error = |body: &str| {
            let bytes = format!(
                "HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            feed(bytes.as_bytes(), 64)
                .unwrap()
                .unwrap()
                .meaning(|body| serde_json::from_slice::<String>(body))
                .unwrap_err()
        };
        let of_head = error(r#"{"error":"temporarily_unavailable"}"#);
        assert_eq!(of_head.retry_after().unwrap().as_secs(), 7);
        let of_body = error(r#"{"error":"temporarily_unavailable","retry_after":9}"#);
        assert_eq!(of_body.retry_after().unwrap().as_secs(), 9);
        assert!(matches!(error("<html>"), Error::Protocol(_)));
    }
}
