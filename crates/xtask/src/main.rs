//! `cargo xtask`: builds, tests, checks and measures this workspace.
//!
//! Orchestration only. It depends on none of the workspace's crates, so that it compiles in seconds and says what
//! is wrong even when they do not compile.
//!
//! | module | what it does |
//! |---|---|
//! | [`arguments`] | what was asked for |
//! | [`demo`], [`mod@test`], [`lint`], [`mod@bench`], [`faults`] | the commands |
//! | [`tools`] | what the commands need from outside, and how to install it |
//! | [`artifacts`], [`release`] | what cargo built, and where it is; the release profile |
//! | [`libtest`] | what a test program printed |
//! | [`process`] | starting programs, and timing them |

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its terminal")]

mod arguments;
mod artifacts;
mod bench;
mod demo;
mod faults;
mod libtest;
mod lint;
mod process;
mod release;
mod test;
mod tools;

use std::process::ExitCode;

use arguments::Task;

fn main() -> ExitCode {
    let task = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(task) => task,
        Err(usage) => {
            eprintln!("error: {usage}");
            return ExitCode::from(2);
        }
    };
    let outcome = match task {
        Task::Help(topic) => {
            print!("{}", arguments::help(topic));
            return ExitCode::SUCCESS;
        }
        Task::Demo { browser } => demo::run(browser).map(|()| true),
        Task::Test { quick } => test::run(quick),
        Task::Lint => lint::run(),
        Task::Bench { short, json } => bench::run(short, json).map(|()| true),
        Task::Faults { arguments } => faults::run(&arguments).map(|()| true),
        Task::Tools => tools::install_all().map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        // What failed has been printed already, and for tests the figures are the last line.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
