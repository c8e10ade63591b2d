//! Python programs for tests, each set in a virtual environment of its own, installed from pinned wheels.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// The packages want this version or a later one.
const OLDEST: &str = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))";

/// The Python of the virtual environment that holds exactly what `python/requirements-NAME.txt` pins.
///
/// Makes it as `python/.venv-NAME` unless it is there, and says so on standard error when it does. Only wheels whose
/// hashes are pinned come in, so nothing is built and no package's own code runs. Tests that start at once wait for
/// one another.
pub fn environment(name: &str) -> Result<PathBuf> {
    let folder = folder();
    let requirements = folder.join(format!("requirements-{name}.txt"));
    // Its own lock file would have to be ignored and cleaned up; the pins can be locked as well as read.
    let guard =
        File::open(&requirements).with_context(|| format!("{} is missing", requirements.display()))?;
    guard.lock().context("the file of pinned Python packages cannot be locked")?;
    let pins = fs::read(&requirements)?;
    let environment = folder.join(format!(".venv-{name}"));
    let (python, stamp) = (environment.join("bin/python3"), environment.join("installed-requirements.txt"));
    // The file behind the link to Python is gone when the system's Python was replaced.
    if python.exists() && fs::read(&stamp).is_ok_and(|installed| installed == pins) {
        return Ok(python);
    }
    say(&format!("making {}: its Python packages are not installed yet", environment.display()));
    check_system_python()?;
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--require-hashes", "--only-binary", ":all:", "--requirement"])
        .arg(&requirements))?;
    fs::write(stamp, pins)?;
    Ok(python)
}

/// Where the scripts and the pinned packages are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

fn check_system_python() -> Result<()> {
    let status = Command::new("python3").args(["-c", OLDEST]).stderr(Stdio::null()).status();
    ensure!(
        status.is_ok_and(|status| status.success()),
        "these tests need Python 3.11 or later with its venv module; install it with: apt-get install python3-venv"
    );
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("{command:?} cannot start"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}

#[expect(clippy::print_stderr, reason = "an install that takes a minute and megabytes is announced")]
fn say(text: &str) {
    eprintln!("testkit: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_that_nothing_pins_is_an_error() {
        let error = environment("of-nobody").unwrap_err().to_string();
        assert!(error.contains("requirements-of-nobody.txt is missing"), "{error}");
        assert!(!folder().join(".venv-of-nobody").exists());
    }
}
