//! `cargo xtask bench`: builds the release profile and runs the test kit's bench on it.

use crate::{artifacts, process};

/// Builds and measures; with `json` standard output holds the bench's JSON and nothing else.
pub(crate) fn run(short: bool, json: bool) -> anyhow::Result<()> {
    // Linking the release profile takes a minute a program: of the test kit only the bench is built, with the
    // baselines that it starts, which are named `bench-…`.
    let mut build = process::cargo(["build", "--release", "--locked"]);
    build.args([
        "--package",
        "fourinsightd",
        "--package",
        "testkit",
        "--bin",
        "fourinsightd",
        "--bin",
        "bench*",
    ]);
    let mut artifacts = artifacts::build(&mut build)?;
    // The command line is linked statically by a configuration in its own folder, which cargo reads only there.
    let mut command_line = process::cargo(["build", "--release", "--locked", "--bins"]);
    command_line.current_dir(process::root().join("crates/fourinsightctl"));
    artifacts.programs.extend(artifacts::build(&mut command_line)?.programs);
    let mut bench = process::command(artifacts.program("bench")?);
    artifacts.name_programs_to(&mut bench);
    bench.args(short.then_some("--short")).args(json.then_some("--json"));
    process::run(&mut bench)
}
