//! The release profile as it is shipped, with a program of the test kit's that works on it.

use crate::{
    artifacts::{self, Artifacts},
    process,
};

/// Builds the daemon and the command line, and these programs: linking takes a minute for each, so of the test kit
/// nothing else is built.
pub(crate) fn build(programs: &[&str]) -> anyhow::Result<Artifacts> {
    let mut build = process::cargo(["build", "--release", "--locked"]);
    build.args(["--package", "fourinsightd", "--package", "testkit"]);
    for program in programs {
        build.args(["--bin", program]);
    }
    let mut artifacts = artifacts::build(&mut build)?;
    // The command line is linked statically by a configuration in its own folder, which cargo reads only there.
    let mut command_line = process::cargo(["build", "--release", "--locked", "--bins"]);
    command_line.current_dir(process::root().join("crates/fourinsightctl"));
    artifacts.programs.extend(artifacts::build(&mut command_line)?.programs);
    Ok(artifacts)
}
