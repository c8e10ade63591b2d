//! `cargo xtask bench`: builds the release profile and runs the test kit's bench on it.

use crate::{artifacts, process};

/// Builds and measures; with `json` standard output holds the bench's JSON and nothing else.
pub(crate) fn run(short: bool, json: bool) -> anyhow::Result<()> {
    let mut artifacts =
        artifacts::build(process::cargo(["build", "--release", "--locked", "--bins"]).args([
            "--package",
            "fourinsightd",
            "--package",
            "testkit",
        ]))?;
    // The command line is linked statically by a configuration in its own folder, which cargo reads only there.
    let mut command_line = process::cargo(["build", "--release", "--locked", "--bins"]);
    command_line.current_dir(process::root().join("crates/fourinsightctl"));
    artifacts.programs.extend(artifacts::build(&mut command_line)?.programs);
    let mut bench = process::command(artifacts.program("bench")?);
    artifacts.name_programs_to(&mut bench);
    bench.args(short.then_some("--short")).args(json.then_some("--json"));
    process::run(&mut bench)
}
