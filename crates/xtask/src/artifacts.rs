//! What cargo built, and where it is: read from cargo's own messages, so that no target folder is guessed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::process;

/// The executables of one build.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Artifacts {
    /// Programs by name.
    pub(crate) programs: BTreeMap<String, PathBuf>,
    /// Test programs, in the order of [`TestProgram::label`].
    pub(crate) tests: Vec<TestProgram>,
}

/// One test program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestProgram {
    /// Package and target, as a person would name them.
    pub(crate) label: String,
    /// The package's folder, in which cargo runs its tests.
    pub(crate) folder: PathBuf,
    /// The executable.
    pub(crate) executable: PathBuf,
}

impl Artifacts {
    /// The path of a program that was built.
    pub(crate) fn program(&self, name: &str) -> anyhow::Result<&Path> {
        let path = self.programs.get(name).map(PathBuf::as_path);
        path.with_context(|| format!("cargo built no program named `{name}`"))
    }

    /// Tells a program where the built daemon and command line are.
    pub(crate) fn name_programs_to(&self, command: &mut Command) {
        for (variable, name) in
            [("FOURINSIGHTD_BIN", "fourinsightd"), ("FOURINSIGHTCTL_BIN", "fourinsightctl")]
        {
            if let Some(path) = self.programs.get(name) {
                command.env(variable, path);
            }
        }
    }

    fn absorb(&mut self, message: &Value) {
        let Some(executable) = message["executable"].as_str() else { return };
        let name = message["target"]["name"].as_str().unwrap_or_default().to_owned();
        let kind = message["target"]["kind"][0].as_str().unwrap_or_default();
        if message["profile"]["test"] != Value::Bool(true) {
            if kind == "bin" {
                self.programs.insert(name, executable.into());
            }
            return;
        }
        let manifest = Path::new(message["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().unwrap_or(manifest).to_path_buf();
        let package = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let label = match kind {
            "lib" => package,
            _ => format!("{package} {kind} {name}"),
        };
        self.tests.push(TestProgram { label, folder, executable: executable.into() });
    }
}

/// Runs a `cargo build` and collects its executables; compiler messages go to the terminal as usual.
pub(crate) fn build(cargo: &mut Command) -> anyhow::Result<Artifacts> {
    process::announce(cargo);
    let shown = process::shown(cargo);
    let output = cargo
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("`{shown}` failed ({})", output.status);
    }
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(messages: &str) -> anyhow::Result<Artifacts> {
    let mut artifacts = Artifacts::default();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value = serde_json::from_str(line).context("cannot read a message of cargo's")?;
        if message["reason"] == "compiler-artifact" {
            artifacts.absorb(&message);
        }
    }
    artifacts.tests.sort_by(|a, b| a.label.cmp(&b.label));
    Ok(artifacts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"
{"reason":"compiler-artifact","manifest_path":"/w/crates/fourinsightd/Cargo.toml","target":{"kind":["bin"],"name":"fourinsightd"},"profile":{"test":false},"executable":"/t/debug/fourinsightd"}
{"reason":"compiler-artifact","manifest_path":"/w/crates/fourinsightd/Cargo.toml","target":{"kind":["lib"],"name":"fourinsightd"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","manifest_path":"/w/crates/testkit/Cargo.toml","target":{"kind":["test"],"name":"spine"},"profile":{"test":true},"executable":"/t/debug/deps/spine-1"}
{"reason":"compiler-artifact","manifest_path":"/w/crates/fourinsightd/Cargo.toml","target":{"kind":["lib"],"name":"fourinsightd"},"profile":{"test":true},"executable":"/t/debug/deps/fourinsightd-1"}
{"reason":"compiler-artifact","manifest_path":"/w/crates/fourinsight-client/Cargo.toml","target":{"kind":["example"],"name":"call_api"},"profile":{"test":false},"executable":"/t/debug/examples/call_api"}
{"reason":"build-finished","success":true}
"#;

    #[test]
    fn programs_and_test_programs_are_told_apart() {
        let artifacts = parse(MESSAGES).unwrap();
        assert_eq!(artifacts.program("fourinsightd").unwrap(), Path::new("/t/debug/fourinsightd"));
        assert!(artifacts.program("call_api").is_err(), "an example is no program");
        let labels: Vec<_> = artifacts.tests.iter().map(|test| test.label.as_str()).collect();
        assert_eq!(labels, ["fourinsightd", "testkit test spine"]);
        assert_eq!(artifacts.tests[1].folder, Path::new("/w/crates/testkit"));
    }

    #[test]
    fn a_message_that_is_no_json_is_an_error() {
        assert!(parse("{half").is_err());
    }
}
