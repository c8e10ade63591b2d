//! An echo server for the bench: `bench-baseline KIND SOCKET REQUEST-BYTES ANSWER-BYTES`. It prints a line when it
//! listens, and ends when its standard input does.

use std::{
    env,
    io::{self, Read as _, Write as _},
    path::Path,
    process, thread,
};

use anyhow::{Context as _, Result, bail};
use testkit::bench::baseline::{self, Sizes};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [kind, socket, request, answer] = arguments.as_slice() else {
        bail!("usage: bench-baseline KIND SOCKET REQUEST-BYTES ANSWER-BYTES")
    };
    let bytes = |text: &str| text.parse().context("a number of bytes is a number");
    let sizes = Sizes { request: bytes(request)?, answer: bytes(answer)? };
    thread::spawn(|| {
        // Whether standard input ends or cannot be read, the bench is gone.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    baseline::serve(kind.parse()?, Path::new(socket), sizes, || Ok(writeln!(io::stdout(), "ready")?))
}
