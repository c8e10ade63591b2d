//! `cargo xtask demo`: builds the programs and runs the test kit's demo on them.

use std::process::Stdio;

use crate::{artifacts, process, tools};

/// Builds and runs the demo; with `browser` the person signs in by hand.
pub(crate) fn run(browser: bool) -> anyhow::Result<()> {
    tools::install_debian_packages(tools::For::Demo)?;
    let artifacts = artifacts::build(process::cargo(["build", "--locked", "--bins"]).args([
        "--package",
        "fourinsightd",
        "--package",
        "fourinsightctl",
        "--package",
        "testkit",
    ]))?;
    let mut demo = process::command(artifacts.program("demo")?);
    artifacts.name_programs_to(&mut demo);
    demo.stdin(Stdio::inherit());
    if browser {
        demo.arg("--browser");
    }
    process::run(&mut demo)
}
