//! `cargo xtask faults`: builds the release profile as it is shipped, and once more with named points, and has the
//! test kit's fault harness do its worst to both.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{
    artifacts::{self, Artifacts},
    process, release,
};

/// The harness and the programs that it harms.
pub(crate) struct Harness {
    built: Artifacts,
    with_points: PathBuf,
}

impl Harness {
    /// Builds all of it.
    pub(crate) fn build() -> anyhow::Result<Self> {
        let mut build = process::cargo(["build", "--release", "--locked", "--package", "fourinsightd"]);
        build.args(["--features", "fault-points", "--bin", "fourinsightd"]);
        // Kept apart, and built first: the program in the place where everything looks is the one without points.
        let with_points = keep_apart(artifacts::build(&mut build)?.program("fourinsightd")?)?;
        Ok(Self { built: release::build(&["fourinsightd", "faults"])?, with_points })
    }

    /// What the campaigns are called.
    pub(crate) fn campaigns(&self) -> anyhow::Result<Vec<String>> {
        let names = process::read(process::command(self.built.program("faults")?).arg("--list"))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// The harness, to be given arguments.
    pub(crate) fn command(&self) -> anyhow::Result<Command> {
        let mut faults = process::command(self.built.program("faults")?);
        self.built.name_programs_to(&mut faults);
        faults.env("FOURINSIGHTD_WITH_POINTS_BIN", &self.with_points);
        Ok(faults)
    }
}

/// Builds everything and runs the harness.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    process::run(Harness::build()?.command()?.args(arguments))
}

fn keep_apart(program: &Path) -> anyhow::Result<PathBuf> {
    let folder = program.with_file_name("with-fault-points");
    let kept = folder.join(program.file_name().context("a program has a name")?);
    fs::create_dir_all(&folder)?;
    // What still runs keeps its own file.
    let fresh = kept.with_extension("new");
    fs::copy(program, &fresh).with_context(|| format!("cannot copy {}", program.display()))?;
    fs::rename(&fresh, &kept)?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_kept_apart_each_time_anew() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("daemon");
        for content in ["one", "two"] {
            fs::write(&program, content).unwrap();
            let kept = keep_apart(&program).unwrap();
            assert_eq!(kept, folder.path().join("with-fault-points/daemon"));
            assert_eq!(fs::read_to_string(kept).unwrap(), content);
        }
    }
}
