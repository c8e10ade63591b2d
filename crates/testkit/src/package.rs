//! The Python package as its users get it: a source distribution, a wheel built from that, and virtual environments
//! into which they are installed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{process::forget_this_package, python};

/// The environment with the tools: maturin, pip, pytest, mypy, ruff.
const TOOLS: &str = "package";

/// The package's files, built.
#[derive(Clone, Debug)]
pub struct Package {
    /// The source distribution.
    pub sdist: PathBuf,
    /// The wheel.
    pub wheel: PathBuf,
}

impl Package {
    /// Builds the source distribution, and from nothing else the wheel, as both are published. What cargo makes for it
    /// goes to this target folder, with the files.
    pub fn build(target: &Path) -> Result<Self> {
        let folder = Self::folder(target);
        // An earlier version's wheel must not be taken for this one's.
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let mut maturin = build_command("maturin", target)?;
        // Not `--locked`: in the source distribution the lock file names more crates than are there.
        maturin.args(["build", "--sdist", "--out"]).arg(&folder);
        succeed(maturin.current_dir(sources()))?;
        Ok(Self { sdist: file_in(&folder, ".tar.gz")?, wheel: file_in(&folder, ".whl")? })
    }

    /// Where its files are, and what is made for its tests beside them.
    pub fn folder(target: &Path) -> PathBuf {
        target.join("python-package")
    }

    /// The wheel alone, built where the sources are.
    pub fn wheel(target: &Path) -> Result<PathBuf> {
        let folder = target.join("python-wheel");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let mut maturin = build_command("maturin", target)?;
        maturin.args(["build", "--locked", "--quiet", "--out"]).arg(&folder);
        succeed(maturin.current_dir(sources()))?;
        file_in(&folder, ".whl")
    }

    /// The wheel that pip makes of the source distribution, in this folder.
    pub fn wheel_by_pip(&self, target: &Path, folder: &Path) -> Result<PathBuf> {
        let mut pip = build_command("python3", target)?;
        pip.args(["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"])
            .args(["--no-build-isolation", "--wheel-dir"])
            .arg(folder)
            .arg(&self.sdist);
        succeed(&mut pip)?;
        file_in(folder, ".whl")
    }
}

/// A virtual environment that holds a wheel and nothing else.
#[derive(Clone, Debug)]
pub struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// A new one in this folder, with no tools either.
    pub fn with(wheel: &Path, folder: &Path) -> Result<Self> {
        let environment = Self { folder: folder.to_owned() };
        let python = tool("python3")?;
        succeed(Command::new(&python).args(["-m", "venv", "--without-pip", "--clear"]).arg(folder))?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "--python"]).arg(environment.python());
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]).arg(wheel);
        succeed(&mut pip)?;
        Ok(environment)
    }

    /// The same, and all that is pinned for its tests.
    pub fn with_tools(wheel: &Path, folder: &Path) -> Result<Self> {
        let environment = Self::with(wheel, folder)?;
        let [ours, tools] = [&environment.python(), &tool("python3")?].map(|python| site_packages(python));
        fs::write(ours?.join("tools.pth"), format!("{}\n", tools?.display()))?;
        Ok(environment)
    }

    /// Its Python.
    pub fn python(&self) -> PathBuf {
        self.folder.join("bin/python3")
    }
}

/// Where the package's sources are.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("fourinsight-python")
}

/// A program of the environment with the tools.
pub fn tool(name: &str) -> Result<PathBuf> {
    Ok(python::environment(TOOLS)?.with_file_name(name))
}

/// Runs a command to its end, and insists on its success; its output is shown where it has none.
pub fn succeed(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{command:?} ended with {}:\n{said}{complained}", output.status);
    Ok(said)
}

/// A tool that calls cargo, which fetches nothing: what it needs is there since the workspace was built.
fn build_command(name: &str, target: &Path) -> Result<Command> {
    let program = tool(name)?;
    let folder = program.parent().context("a program has a folder")?.to_owned();
    let mut folders = vec![folder];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut command = Command::new(program);
    forget_this_package(&mut command);
    command.env("PATH", env::join_paths(folders)?);
    command.env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true");
    Ok(command)
}

fn site_packages(python: &Path) -> Result<PathBuf> {
    let path = "import sysconfig; print(sysconfig.get_path('purelib'))";
    Ok(succeed(Command::new(python).args(["-I", "-c", path]))?.trim_end().into())
}

fn file_in(folder: &Path, end: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(end) {
            return Ok(path);
        }
    }
    bail!("no file in {} ends with {end}", folder.display())
}
