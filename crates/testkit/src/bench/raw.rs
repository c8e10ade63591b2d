//! The least that a client can do: write the request, read as many bytes as the answer has.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use anyhow::{Context as _, Result, bail};

use super::baseline::Sizes;

/// The daemon's plain request for a token, as the client crate writes it.
pub(super) const TOKEN_REQUEST: &[u8] = b"GET /v1/sessions/s0/token HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A connection.
pub(super) struct Raw {
    stream: UnixStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Raw {
    pub(super) fn connect(socket: &Path, sizes: Sizes) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        Ok(Self { stream, request: vec![b'x'; sizes.request], answer: vec![0; sizes.answer] })
    }

    /// The same connection, with a request that means something.
    pub(super) fn asking_for(self, request: &[u8]) -> Self {
        Self { request: request.to_vec(), ..self }
    }

    /// A request and its answer.
    pub(super) fn exchange(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.request)?;
        self.stream.read_exact(&mut self.answer)
    }
}

/// How big a token request and its answer are on the wire.
pub(super) fn sizes_of_a_token(socket: &Path) -> Result<Sizes> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(TOKEN_REQUEST)?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        answer.extend_from_slice(&buffer[..count]);
        if let Some(answer) = whole(&answer)? {
            return Ok(Sizes { request: TOKEN_REQUEST.len(), answer });
        }
        if count == 0 {
            bail!("the daemon ended the connection in the middle of its answer");
        }
    }
}

/// How long the answer is, once all of it is there; an error when it is no token.
pub(super) fn whole(answer: &[u8]) -> Result<Option<usize>> {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    if !head.starts_with("HTTP/1.1 200") {
        bail!("the daemon answered {}", head.lines().next().unwrap_or_default());
    }
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("the daemon's answer has no length")?;
    let length: usize = length.1.trim().parse()?;
    Ok((body.len() >= length).then_some(answer.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(whole(answer).unwrap(), Some(answer.len()));
        assert_eq!(whole(&answer[..answer.len() - 1]).unwrap(), None);
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\n").unwrap(), None);
        assert!(whole(b"HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n").is_err());
    }
}
