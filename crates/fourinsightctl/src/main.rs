//! `fourinsightctl`, the command line of `fourinsightd`: sign in, ask for tokens, look, revoke.
//!
//! | module | what it settles |
//! |---|---|
//! | [`cli`] | what can be typed, and its help |
//! | [`usage`] | what was typed wrongly, in one line that repeats none of it |
//! | [`command`] | what each command does: a file each |
//! | [`browser`] | which URIs are opened, and how |
//! | [`render`] | how times, states and foreign text look on a terminal |
//! | [`output`] | writing to standard output and standard error |
//! | [`package`] | where the caller's Python has `fourinsight.api` |
//! | [`failure`] | exit codes, and the one line that explains each |
//! | [`daemon_log`] | why the daemon did not start |
//!
//! It speaks to the daemon through `fourinsight-client` only; there is no runtime and no logging here, since `token`
//! runs once per shell command.

mod browser;
mod cli;
mod command;
mod daemon_log;
mod failure;
#[cfg(test)]
mod golden;
mod output;
mod package;
mod render;
mod usage;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let outcome = match cli::Cli::try_parse() {
        Ok(cli) => command::run(cli),
        Err(error) => usage::answer(&error),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::line_to_stderr(&failure.to_string());
            failure.exit.into()
        }
    }
}
