//! Writing to standard output and standard error. A reader that has gone away is no error of ours.

use std::io::{self, Write};

use crate::failure::{Exit, Failure};

/// Writes everything to standard output at once.
pub(crate) fn to_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            Exit::Failure,
            format!("standard output cannot be written: {error}"),
            "look at where it goes: a full disk, or a closed file",
        )),
        _ => Ok(()),
    }
}

/// Writes styled text to standard output: colours only on a terminal, and never against `NO_COLOR`.
pub(crate) fn styled_to_stdout(text: &str) -> Result<(), Failure> {
    match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => to_stdout(anstream::adapter::strip_str(text).to_string().as_bytes()),
        _ => to_stdout(text.as_bytes()),
    }
}

/// Writes a value as one line of JSON to standard output.
pub(crate) fn json_to_stdout(value: &impl serde::Serialize) -> Result<(), Failure> {
    let mut line = zeroize::Zeroizing::new(serde_json::to_vec(value).map_err(|error| {
        Failure::new(
            Exit::Failure,
            format!("the answer cannot be written as JSON: {error}"),
            "run it without --json",
        )
    })?);
    line.push(b'\n');
    to_stdout(&line)
}

/// Writes a line to standard error. There is nowhere left to report that this failed.
pub(crate) fn line_to_stderr(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes a question to standard error, and leaves the cursor behind it.
pub(crate) fn prompt_on_stderr(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{text}");
    let _ = stderr.flush();
}

/// Whether lines can be replaced on this terminal: `TERM=dumb` says that they cannot.
pub(crate) fn can_move_the_cursor() -> bool {
    std::env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}

/// Whether colours may be used on standard error: on a terminal that shows them, and never against `NO_COLOR`.
pub(crate) fn can_colour_stderr() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Replaces the terminal's current line with this text, and leaves the cursor behind it.
pub(crate) fn replace_line_on_stderr(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "\r\x1b[2K{text}");
    let _ = stderr.flush();
}
