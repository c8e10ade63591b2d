//! Installs what `package-lock.json` pins: the provider, and the Node that runs it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// What is installed, and where.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The Node to run it with.
    pub node: PathBuf,
    /// The provider's program.
    pub server: PathBuf,
}

/// Runs `npm ci` in this crate's folder unless it already holds exactly what the lock file pins, and says so on
/// standard error when it does.
///
/// Install scripts stay off: none of the packages needs one. Tests that start at once wait for one another.
pub fn install() -> Result<Installation> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock_path = folder.join("package-lock.json");
    // Its own lock file would have to be ignored and cleaned up; the pins can be locked as well as read.
    let guard = File::open(&lock_path).with_context(|| format!("{} is missing", lock_path.display()))?;
    guard.lock().context("the lock file of npm's packages cannot be locked")?;
    let pins = fs::read(&lock_path)?;
    let stamp = folder.join("node_modules/.installed-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == pins) {
        return Ok(installation(folder));
    }
    say(&format!(
        "npm ci --ignore-scripts (in {}): oidc-provider and its Node are not installed yet",
        folder.display()
    ));
    let status = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(folder)
        .status()
        .context("npm cannot be started; install it with: apt-get install npm")?;
    ensure!(status.success(), "npm ci failed in {}", folder.display());
    fs::write(stamp, pins)?;
    Ok(installation(folder))
}

fn installation(folder: &Path) -> Installation {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let pinned = folder.join(format!("node_modules/node-{}-{architecture}/bin/node", std::env::consts::OS));
    // Where npm has no build of Node to pin, the one on the PATH has to do.
    let node = if pinned.exists() { pinned } else { PathBuf::from("node") };
    Installation { node, server: folder.join("provider/server.mjs") }
}

#[expect(clippy::print_stderr, reason = "an install that takes a minute and megabytes is announced")]
fn say(text: &str) {
    eprintln!("testkit: {text}");
}
