//! What the commands need from outside, why, and how to install it: Debian packages, npm packages, Python packages,
//! cargo tools.

use std::{
    fs,
    io::IsTerminal,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::process::{self, Stopwatch};

/// A program that is started, and the Debian package that has it.
struct Requirement {
    program: &'static str,
    package: &'static str,
    reason: &'static str,
    /// Arguments with which it must succeed to count as there, where being there is not enough.
    probe: &'static [&'static str],
    /// Whether the demo alone needs it as well.
    demo: bool,
}

const REQUIREMENTS: &[Requirement] = &[
    Requirement {
        program: "curl",
        package: "curl",
        reason: "asks the daemon for tokens as any program can",
        probe: &[],
        demo: true,
    },
    Requirement {
        program: "systemd-analyze",
        package: "systemd",
        reason: "verifies the unit files; systemd-socket-activate of the same package hands a socket over",
        probe: &[],
        demo: false,
    },
    Requirement {
        program: "npm",
        package: "npm",
        reason: "installs the OpenID Provider and the Node it runs on",
        probe: &[],
        demo: false,
    },
    Requirement {
        program: "node",
        package: "nodejs",
        reason: "npm itself runs on it",
        probe: &[],
        demo: false,
    },
    Requirement {
        program: "python3",
        package: "python3",
        reason: "reads the launchd property list",
        probe: &[],
        demo: false,
    },
    Requirement {
        program: "python3",
        package: "python3-venv",
        reason: "makes the virtual environments of the Python programs that tests compare us with",
        probe: &["-c", "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"],
        demo: false,
    },
    Requirement {
        program: "chromium",
        package: "chromium",
        reason: "is the browser in which the tests sign in; its package brings xdg-open, which opens it",
        probe: &[],
        demo: false,
    },
    Requirement {
        program: "chromedriver",
        package: "chromium-driver",
        reason: "drives that browser",
        probe: &[],
        demo: false,
    },
    Requirement {
        program: "gnome-keyring-daemon",
        package: "gnome-keyring",
        reason: "is the keyring in which the tests have the sealing key kept",
        probe: &[],
        demo: false,
    },
    Requirement {
        program: "dbus-daemon",
        package: "dbus-daemon",
        reason: "is the private bus on which that keyring runs",
        probe: &[],
        demo: false,
    },
    Requirement {
        program: "dbus-send",
        package: "dbus-bin",
        reason: "locks that keyring, and asks whether it is locked",
        probe: &[],
        demo: false,
    },
    Requirement {
        program: "secret-tool",
        package: "libsecret-tools",
        reason: "looks into that keyring as another program does",
        probe: &[],
        demo: false,
    },
];

/// Who needs programs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// The demo alone.
    Demo,
    /// The tests, and the demo among them.
    Tests,
}

/// cargo-deny: the dependencies' licences and sources, and the crates that must not come in.
const CARGO_DENY: &str = "0.20.2";

/// Installs all of it, where missing.
pub(crate) fn install_all() -> anyhow::Result<()> {
    install_debian_packages(For::Tests)?;
    install_npm_packages()?;
    install_python_packages()?;
    cargo_deny().map(|_| ())
}

/// Installs the Debian packages whose programs are missing, and says what it does.
pub(crate) fn install_debian_packages(purpose: For) -> anyhow::Result<()> {
    let missing = missing(purpose);
    if missing.is_empty() {
        return Ok(());
    }
    for required in &missing {
        eprintln!("missing: {} (package {}): {}", required.program, required.package, required.reason);
    }
    let packages: Vec<&str> = missing.iter().map(|required| required.package).collect();
    let install = [vec!["install", "--yes", "--no-install-recommends"], packages.clone()].concat();
    let Some(apt_get) = process::find("apt-get") else {
        bail!("this is no Debian system; install {} with its own package tool", packages.join(", "));
    };
    let by_hand = format!("have root run this line:\napt-get update && apt-get {}", install.join(" "));
    let Some(prefix) = privilege()? else {
        bail!("neither root nor sudo; {by_hand}");
    };
    let watch = Stopwatch::start();
    for arguments in [vec!["update"], install] {
        let mut words = prefix.iter().map(String::as_str).chain(["env", "DEBIAN_FRONTEND=noninteractive"]);
        let mut command = process::command(words.next().expect("`env` is always among the words"));
        command.args(words).arg(&apt_get).args(arguments);
        process::run(&mut command).with_context(|| by_hand.clone())?;
    }
    if let Some(required) = self::missing(purpose).first() {
        bail!("package {} is installed and brought no working {}", required.package, required.program);
    }
    eprintln!("Debian packages installed in {}", watch.read());
    Ok(())
}

/// Installs the test kit's npm packages when they are missing or differ from the lock file.
pub(crate) fn install_npm_packages() -> anyhow::Result<()> {
    let folder = process::root().join("crates/testkit");
    let lock =
        fs::read(folder.join("package-lock.json")).context("cannot read the test kit's npm lock file")?;
    // npm keeps no copy of what it installed from. This one, which the test kit writes and reads as well, tells a
    // changed lock file from a finished installation.
    let installed = folder.join("node_modules/.installed-lock.json");
    if fs::read(&installed).is_ok_and(|earlier| earlier == lock) {
        return Ok(());
    }
    eprintln!("installing the OpenID Provider of the tests and its Node into crates/testkit/node_modules");
    let watch = Stopwatch::start();
    let mut npm = process::command("npm");
    process::run(npm.current_dir(&folder).args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]))?;
    fs::write(&installed, lock).with_context(|| format!("cannot write {}", installed.display()))?;
    eprintln!("npm packages installed in {}", watch.read());
    Ok(())
}

/// Makes the test kit's virtual environments where they are missing or differ from what is pinned.
pub(crate) fn install_python_packages() -> anyhow::Result<()> {
    let folder = process::root().join("crates/testkit/python");
    let files = fs::read_dir(&folder).context("the test kit has no folder of pinned Python packages")?;
    for file in files {
        let name = file?.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_prefix("requirements-").and_then(|name| name.strip_suffix(".txt")) {
            install_python_environment(&folder, name)?;
        }
    }
    Ok(())
}

/// One environment, with the stamp that the test kit writes and reads as well.
fn install_python_environment(folder: &Path, name: &str) -> anyhow::Result<()> {
    let requirements = folder.join(format!("requirements-{name}.txt"));
    let pins = fs::read(&requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let environment = folder.join(format!(".venv-{name}"));
    let (python, stamp) = (environment.join("bin/python3"), environment.join("installed-requirements.txt"));
    if python.exists() && fs::read(&stamp).is_ok_and(|earlier| earlier == pins) {
        return Ok(());
    }
    eprintln!("installing the tests' Python packages `{name}` into crates/testkit/python/.venv-{name}");
    let watch = Stopwatch::start();
    process::run(process::command("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let mut pip = process::command(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--require-hashes", "--only-binary", ":all:", "--requirement"])
        .arg(&requirements);
    process::run(&mut pip)?;
    fs::write(&stamp, pins).with_context(|| format!("cannot write {}", stamp.display()))?;
    eprintln!("Python packages installed in {}", watch.read());
    Ok(())
}

/// The pinned cargo-deny, built once into the ignored folder `.tools`.
pub(crate) fn cargo_deny() -> anyhow::Result<PathBuf> {
    let folder = process::root().join(".tools");
    let program = folder.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    let version = process::read(process::command(&program).arg("--version"));
    if version.is_ok_and(|version| version.trim() == format!("cargo-deny {CARGO_DENY}")) {
        return Ok(program);
    }
    eprintln!("building cargo-deny {CARGO_DENY} once into .tools");
    let watch = Stopwatch::start();
    let mut install = process::cargo(["install", "--locked", "--force", "--quiet", "--debug", "cargo-deny"]);
    install.args(["--version", CARGO_DENY, "--root"]).arg(&folder);
    // It runs for seconds: an optimised build would take longer than it ever saves. A target folder that is set for
    // this workspace would keep its hundred crates for nothing.
    install.env("CARGO_PROFILE_DEV_DEBUG", "0").env_remove("CARGO_TARGET_DIR");
    process::run(&mut install)?;
    eprintln!("cargo-deny built in {}", watch.read());
    Ok(program)
}

fn missing(purpose: For) -> Vec<&'static Requirement> {
    let wanted = REQUIREMENTS.iter().filter(|required| required.demo || purpose == For::Tests);
    wanted.filter(|required| !required.is_met()).collect()
}

impl Requirement {
    fn is_met(&self) -> bool {
        let there = process::find(self.program).is_some();
        let mut probe = process::command(self.program);
        there && (self.probe.is_empty() || process::read(probe.args(self.probe)).is_ok())
    }
}

/// The words that give a command the right to install: none for root, sudo when there is one, else `None`.
fn privilege() -> anyhow::Result<Option<Vec<String>>> {
    if process::read(process::command("id").arg("-u"))?.trim() == "0" {
        return Ok(Some(Vec::new()));
    }
    let Some(sudo) = process::find("sudo") else { return Ok(None) };
    let sudo = sudo.to_string_lossy().into_owned();
    // Without a terminal nobody can type a password, so sudo must not ask; with one it asks there by itself.
    if std::io::stderr().is_terminal() {
        return Ok(Some(vec![sudo]));
    }
    let allowed = process::read(process::command(&sudo).args(["-n", "true"])).is_ok();
    Ok(allowed.then(|| vec![sudo, "-n".to_owned()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_names_its_package_and_its_reason() {
        for required in REQUIREMENTS {
            assert!(!required.package.is_empty() && required.reason.len() > 10, "{}", required.program);
        }
    }

    #[test]
    fn someone_who_may_not_install_is_told_so() {
        // Whoever runs this test is root, has sudo, or neither; in no case is it an error to ask.
        assert!(privilege().is_ok());
    }
}
