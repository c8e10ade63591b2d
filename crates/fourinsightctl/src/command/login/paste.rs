//! Reading what the person types or pastes, a line each.

use std::{
    io::{self, BufRead, Read},
    str,
};

use fourinsight_client::SecretString;
use zeroize::{Zeroize, Zeroizing};

/// Longer than any callback URL; a longer line is something else.
const LONGEST: usize = 64 * 1024;

/// Hands each line of the input to `take` until it answers `false` or the input ends.
///
/// The lines may hold an authorization code or a password: they are wiped, and printed nowhere. Only their ends are
/// cut off, because a password may begin or end with a space.
pub(super) fn each_line(
    mut input: impl BufRead,
    mut take: impl FnMut(Result<SecretString, NotAnAddress>) -> bool,
) -> io::Result<()> {
    // With room for the longest line from the start, no copy is left behind by a growing buffer.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    loop {
        line.zeroize();
        let read = input.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let pasted = if line.len() > LONGEST {
            if line.last() != Some(&b'\n') {
                input.skip_until(b'\n')?;
            }
            Err(NotAnAddress)
        } else {
            str::from_utf8(&line).map(|line| line.trim_end_matches(['\r', '\n'])).map_err(|_| NotAnAddress)
        };
        let goes_on = match pasted {
            Ok(text) if text.trim().is_empty() => true,
            Ok(text) => take(Ok(SecretString::from(text))),
            Err(error) => take(Err(error)),
        };
        if !goes_on {
            return Ok(());
        }
    }
}

/// What was pasted is no text, or far too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAnAddress;

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn lines(input: &[u8]) -> Vec<Option<String>> {
        let mut lines = Vec::new();
        each_line(input, |line| {
            lines.push(line.ok().map(|line| line.expose_secret().to_owned()));
            true
        })
        .unwrap();
        lines
    }

    #[test]
    fn line_ends_are_cut_off_and_empty_lines_skipped() {
        assert_eq!(lines(b" one \r\n\n \ntwo"), [Some(" one ".to_owned()), Some("two".to_owned())]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn what_is_no_text_or_too_long_is_reported_and_the_next_line_read() {
        let mut input = vec![b'x'; LONGEST + 100];
        input.extend_from_slice(b"\n\xff\xfe\nnext\n");
        assert_eq!(lines(&input), [None, None, Some("next".to_owned())]);
        let mut longest = vec![b'x'; LONGEST];
        longest.extend_from_slice(b"\nnext\n");
        assert_eq!(lines(&longest), [None, Some("next".to_owned())]);
    }

    #[test]
    fn reading_stops_when_nobody_wants_more() {
        let mut count = 0;
        each_line(&b"one\ntwo\n"[..], |_| {
            count += 1;
            false
        })
        .unwrap();
        assert_eq!(count, 1);
    }
}
