//! `cargo xtask bench`: builds the release profile and runs the test kit's bench on it.

use crate::{process, release};

/// Builds and measures; with `json` standard output holds the bench's JSON and nothing else.
pub(crate) fn run(short: bool, json: bool) -> anyhow::Result<()> {
    // The bench starts its baselines by itself; they are named `bench-…`.
    let artifacts = release::build(&["fourinsightd", "bench*"])?;
    let mut bench = process::command(artifacts.program("bench")?);
    artifacts.name_programs_to(&mut bench);
    bench.args(short.then_some("--short")).args(json.then_some("--json"));
    process::run(&mut bench)
}
