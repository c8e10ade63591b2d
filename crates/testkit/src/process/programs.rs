//! The two programs, built once per test process or named by whoever runs the tests.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The daemon.
    pub fourinsightd: PathBuf,
    /// The command line.
    pub fourinsightctl: PathBuf,
}

impl Programs {
    /// Takes the programs that `FOURINSIGHTD_BIN` and `FOURINSIGHTCTL_BIN` name, else builds both with cargo.
    pub fn build() -> Result<&'static Self> {
        static BUILT: OnceLock<Result<Programs, String>> = OnceLock::new();
        BUILT
            .get_or_init(|| named().map_or_else(compile, Ok).map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow!("the programs cannot be built: {error}"))
    }

    /// The folder of the command line, next to which it looks for the daemon.
    pub fn folder(&self) -> &Path {
        self.fourinsightctl.parent().unwrap_or(Path::new("/"))
    }
}

fn named() -> Option<Programs> {
    let path = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    Some(Programs { fourinsightd: path("FOURINSIGHTD_BIN")?, fourinsightctl: path("FOURINSIGHTCTL_BIN")? })
}

fn compile() -> Result<Programs> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    forget_this_package(&mut build);
    let output = build
        .args(["build", "--quiet", "-p", "fourinsightd", "-p", "fourinsightctl", "--message-format=json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    ensure!(output.status.success(), "cargo build failed");
    let mut executables: HashMap<String, PathBuf> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, message["executable"].as_str()?.into()))
        })
        .collect();
    let mut take = |name| executables.remove(name).with_context(|| format!("cargo built no {name}"));
    Ok(Programs { fourinsightd: take("fourinsightd")?, fourinsightctl: take("fourinsightctl")? })
}

/// Keeps what cargo tells a test about its own package from a command that builds: build scripts would run again, each
/// time.
pub fn forget_this_package(build: &mut Command) {
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            build.env_remove(&variable);
        }
    }
}
