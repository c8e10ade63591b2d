//! `cargo xtask bench`: how fast fourinsightd is, as ratios to baselines measured in the same run.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use testkit::bench::{self, Options};

const HELP: &str = "\
bench: how fast the daemon, the client crate and the command line are

  --short   fewer rounds: under three minutes
  --json    the report as JSON on standard output

A bar that is missed is said so and is no failure; a figure that cannot be measured is one. The programs are those
that FOURINSIGHTD_BIN and FOURINSIGHTCTL_BIN name; as root, since the daemon's memory is private.
";

fn main() -> ExitCode {
    let mut options = Options::default();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--short" => options.short = true,
            "--json" => options.json = true,
            "--help" | "-h" => return say(&mut io::stdout(), HELP, ExitCode::SUCCESS),
            _ => return fail("an argument that is not understood; see --help", 2),
        }
    }
    match bench::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}"), 1),
    }
}

fn fail(problem: &str, code: u8) -> ExitCode {
    say(&mut io::stderr(), &format!("error: {problem}\n"), ExitCode::from(code))
}

fn say(to: &mut impl Write, text: &str, code: ExitCode) -> ExitCode {
    if to.write_all(text.as_bytes()).is_ok() { code } else { ExitCode::FAILURE }
}
