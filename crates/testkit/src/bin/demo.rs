//! `cargo xtask demo`: shows on a scratch home what fourinsightd does.

use std::{io, process::ExitCode};

use testkit::demo::{self, Options};
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
demo: one login, and separate processes that always get a living token while tokens are renewed under them

  --browser   sign in by hand, in your own browser
  --check     show each figure that must hold, and no moving picture

Exit code 1 when a figure does not hold. The programs are those that FOURINSIGHTD_BIN and FOURINSIGHTCTL_BIN name,
else they are built.
";

fn main() -> ExitCode {
    let mut options = Options::default();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--browser" => options.browser = true,
            "--check" => options.check = true,
            "--help" | "-h" => return say(&mut io::stdout(), HELP, ExitCode::SUCCESS),
            _ => return fail("an argument that is not understood; see --help", 2),
        }
    }
    match run(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => fail("interrupted", 130),
        Err(error) => fail(&format!("{error:#}"), 1),
    }
}

/// False when it was interrupted. Either way every process it started has ended when it returns, and every file is
/// gone.
#[tokio::main]
async fn run(options: Options) -> anyhow::Result<bool> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        ended = demo::run(options) => ended.map(|()| true),
        _ = interrupt.recv() => Ok(false),
        _ = terminate.recv() => Ok(false),
        _ = hangup.recv() => Ok(false),
    }
}

fn fail(problem: &str, code: u8) -> ExitCode {
    say(&mut io::stderr(), &format!("error: {problem}\n"), ExitCode::from(code))
}

fn say(to: &mut impl io::Write, text: &str, code: ExitCode) -> ExitCode {
    if to.write_all(text.as_bytes()).is_ok() { code } else { ExitCode::FAILURE }
}
