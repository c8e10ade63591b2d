//! Reading what the person types or pastes, a line each.

use std::{
    io::{self, BufRead},
    str,
};

use fourinsight_client::SecretString;
use zeroize::{Zeroize, Zeroizing};

/// Longer than any callback URL; a longer line is something else.
const LONGEST: usize = 64 * 1024;

/// Hands each line of the input to `take` until it answers `false` or the input ends. With `keys` the input is a
/// terminal, which may hand over the keys that correct a line or end the input instead of obeying them.
///
/// The lines may hold an authorization code or a password: they are wiped, and printed nowhere. Only their ends are
/// cut off, because a password may begin or end with a space.
pub(in crate::command) fn each_line(
    mut input: impl BufRead,
    keys: bool,
    mut take: impl FnMut(Result<SecretString, NotAnAddress>) -> bool,
) -> io::Result<()> {
    // With room for the longest line from the start, no copy is left behind by a growing buffer.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    loop {
        line.zeroize();
        let Length { bytes, ended } = next_line(&mut input, keys, &mut line)?;
        let pasted = str::from_utf8(&line).map(|line| line.trim_end_matches('\r'));
        let goes_on = match pasted {
            _ if bytes > LONGEST => take(Err(NotAnAddress)),
            Ok(text) if text.trim().is_empty() => true,
            Ok(text) => take(Ok(SecretString::from(text))),
            Err(_) => take(Err(NotAnAddress)),
        };
        if ended || !goes_on {
            return Ok(());
        }
    }
}

/// How much was read.
struct Length {
    /// How long the line is, whether or not it was kept whole.
    bytes: usize,
    /// Nothing follows it.
    ended: bool,
}

/// Reads up to the end of a line, and keeps as much of it as there is room for.
fn next_line(input: &mut impl BufRead, keys: bool, line: &mut Vec<u8>) -> io::Result<Length> {
    let mut bytes = 0;
    loop {
        let piece = input.fill_buf()?;
        if piece.is_empty() {
            return Ok(Length { bytes, ended: true });
        }
        let mut used = 0;
        let mut end = None;
        for &byte in piece {
            used += 1;
            match byte {
                b'\n' => end = Some(false),
                END_OF_INPUT if keys => end = Some(bytes == 0),
                ERASE | BACKSPACE if keys => {
                    // A character goes with the bytes that continue it.
                    while line.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
                    bytes = line.len();
                }
                ERASE_LINE if keys => {
                    line.zeroize();
                    bytes = 0;
                }
                byte => {
                    bytes += 1;
                    if line.len() < LONGEST {
                        line.push(byte);
                    }
                }
            }
            if end.is_some() {
                break;
            }
        }
        input.consume(used);
        if let Some(ended) = end {
            return Ok(Length { bytes, ended });
        }
    }
}

/// The keys as terminals send them.
const END_OF_INPUT: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const ERASE_LINE: u8 = 0x15;
const ERASE: u8 = 0x7f;

/// What was pasted is no text, or far too long.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::command) struct NotAnAddress;

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn lines(input: &[u8]) -> Vec<Option<String>> {
        lines_of(input, false)
    }

    fn lines_of(input: &[u8], keys: bool) -> Vec<Option<String>> {
        let mut lines = Vec::new();
        each_line(input, keys, |line| {
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
        let mut longest = vec![b'x'; LONGEST + 1];
        longest.extend_from_slice(b"\nnext\n");
        assert_eq!(lines(&longest), [None, Some("next".to_owned())]);
    }

    #[test]
    fn the_keys_of_a_terminal_correct_a_line_and_end_the_input() {
        let some = |text: &str| Some(text.to_owned());
        for (typed, read) in [
            ("paß\u{7f}ss\n", vec![some("pass")]),
            ("\u{8}\u{7f}a\n", vec![some("a")]),
            ("wrong\u{15}right\n", vec![some("right")]),
            ("one\n\u{4}two\n", vec![some("one")]),
            ("one\u{4}two\n", vec![some("one"), some("two")]),
        ] {
            assert_eq!(lines_of(typed.as_bytes(), true), read, "{typed:?}");
        }
        // In a pipe they are bytes like any other.
        assert_eq!(lines(b"a\x7fb\x04\n"), [some("a\u{7f}b\u{4}")]);
    }

    #[test]
    fn reading_stops_when_nobody_wants_more() {
        let mut count = 0;
        each_line(&b"one\ntwo\n"[..], false, |_| {
            count += 1;
            false
        })
        .unwrap();
        assert_eq!(count, 1);
    }
}
