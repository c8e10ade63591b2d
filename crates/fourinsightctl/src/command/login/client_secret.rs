//! The client secret of `--client-secret-stdin`: the first line of standard input.

use std::{
    io::{self, BufRead, IsTerminal},
    str,
};

use fourinsight_client::SecretString;
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};

/// Longer than any client secret.
const LONGEST: usize = 64 * 1024;

/// Reads it. At a terminal it would be seen while it is typed, so there it is not read.
pub(super) fn read() -> Result<SecretString, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            "standard input is a terminal, which would show the client secret",
            "pipe it in, as in `pass show x | fourinsightctl login --client-secret-stdin`",
        ));
    }
    first_line(stdin.lock())
}

fn first_line(input: impl BufRead) -> Result<SecretString, Failure> {
    let fail = |what: &str| Err(Failure::new(Exit::Usage, what, "pipe in the client secret alone on a line"));
    // With room for the longest line from the start, no copy is left behind by a growing buffer.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    if input.take(LONGEST as u64 + 1).read_until(b'\n', &mut line).is_err() {
        return fail("standard input cannot be read");
    }
    match str::from_utf8(&line).map(|line| line.trim_end_matches(['\n', '\r'])) {
        Ok("") => fail("standard input holds no client secret"),
        Ok(_) if line.len() > LONGEST => {
            fail("the first line of standard input is too long for a client secret")
        }
        Ok(secret) => Ok(SecretString::from(secret)),
        Err(_) => fail("the first line of standard input is no text"),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_first_line_counts_and_keeps_its_spaces() {
        for input in ["s3cr3t ", "s3cr3t \n", "s3cr3t \r\nsecond\n"] {
            assert_eq!(first_line(input.as_bytes()).unwrap().expose_secret(), "s3cr3t ", "{input:?}");
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_repeated() {
        let long = vec![b'x'; LONGEST + 1];
        for input in [&b""[..], b"\nsecond", b"s3cr3t\xff\n", &long] {
            let failure = first_line(input).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(!failure.to_string().contains("s3cr3t"), "{failure}");
        }
    }
}
