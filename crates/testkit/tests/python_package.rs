//! The Python package as its users get it: built, installed, checked, and its own tests run with the genuine packages
//! that it serves. Each file of its tests is a test here, so that failures are told apart.

#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use testkit::{
    chromium::Chromium,
    package::{Environment, Package, sources, succeed, tool},
    process::Programs,
};

/// What a program that has just installed it can do.
const FIRST_STEPS: &str = "
import sys
import fourinsight_broker as broker
late = {'asyncio', 'threading', 'typing', 'json', 'requests', 'httpx', 'importlib.metadata'} & set(sys.modules)
assert not late, late
from pathlib import Path
assert (Path(broker.__file__).parent / 'py.typed').is_file(), 'no type is known to whoever installs it'
assert broker.__version__ == sys.argv[1], broker.__version__
try:
    broker.Session(state_dir='/nowhere', socket='/nowhere/s').status()
except broker.NotRunning as error:
    assert error.action == 'fourinsightd', error.action
else:
    raise SystemExit('nobody listens there')
";

/// The largest that a wheel may be, in bytes.
const LARGEST_WHEEL: u64 = 1_000_000;

/// The files of tests, each of which is run by the test of its name below.
const FILES: &[&str] = &[
    "adapters",
    "azure",
    "beside",
    "chromium",
    "cognite",
    "expiry",
    "fourinsight",
    "fourinsight_hostile",
    "fourinsight_moving_in",
    "fourinsight_refused",
    "fourinsight_sessions",
    "fourinsight_users",
    "google",
    "httpx_auth",
    "notebook",
    "oauth2_session",
    "origin",
    "provider",
    "proxies",
    "requests_auth",
    "session",
    "sharing",
    "terminal",
];

#[test]
fn the_wheel_installs_in_a_clean_environment() {
    let wheel = &package().unwrap().wheel;
    let name = wheel.file_name().unwrap().to_string_lossy();
    assert!(name.contains("-cp310-abi3-"), "{name} is not for every Python from 3.10 on");
    assert!(fs::metadata(wheel).unwrap().len() < LARGEST_WHEEL, "{name} is large");
    takes_first_steps(wheel).unwrap();
}

#[test]
fn the_source_distribution_builds_and_installs_by_pip() {
    let folder = tempfile::tempdir().unwrap();
    let wheel = package().unwrap().wheel_by_pip(target(), folder.path()).unwrap();
    takes_first_steps(&wheel).unwrap();
}

#[test]
fn types_are_strict() {
    let mut mypy = Command::new(tool("mypy").unwrap());
    let cache = tempfile::tempdir().unwrap();
    succeed(mypy.arg("--cache-dir").arg(cache.path()).current_dir(sources())).unwrap();
}

#[test]
fn the_linter_has_no_complaints() {
    for arguments in [&["check", "--no-cache"][..], &["format", "--check", "--no-cache"]] {
        succeed(Command::new(tool("ruff").unwrap()).args(arguments).current_dir(sources())).unwrap();
    }
}

#[test]
fn every_file_of_tests_is_run() {
    let mut found = vec![];
    for entry in fs::read_dir(sources().join("tests")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        found.extend(name.strip_prefix("test_").and_then(|name| name.strip_suffix(".py")).map(str::to_owned));
    }
    found.sort();
    assert_eq!(found, FILES);
}

#[test]
fn sessions() {
    run("session", None).unwrap();
}

#[test]
fn threads_forks_and_event_loops() {
    run("sharing", None).unwrap();
}

#[test]
fn a_person_at_a_terminal() {
    run("terminal", None).unwrap();
}

#[test]
fn a_person_in_a_notebook() {
    run("notebook", None).unwrap();
}

#[test]
fn ten_processes_and_tokens_that_live_for_seconds() {
    run("expiry", None).unwrap();
}

#[test]
fn the_sessions_of_fourinsight_api() {
    run("fourinsight", None).unwrap();
}

#[test]
fn the_sessions_of_fourinsight_api_and_who_signs_in() {
    run("fourinsight_sessions", None).unwrap();
}

#[test]
fn the_sessions_of_fourinsight_api_and_refused_tokens() {
    run("fourinsight_refused", None).unwrap();
}

#[test]
fn the_sessions_of_fourinsight_api_and_hostile_servers() {
    run("fourinsight_hostile", None).unwrap();
}

#[test]
fn a_persons_session_of_fourinsight_api_and_ours() {
    run("fourinsight_users", None).unwrap();
}

#[test]
fn logins_of_fourinsight_api_and_whoever_changes_the_import() {
    run("fourinsight_moving_in", None).unwrap();
}

#[test]
fn where_a_token_may_go() {
    run("origin", None).unwrap();
}

#[test]
fn waits_beside_other_threads() {
    run("beside", None).unwrap();
}

#[test]
fn proxies_between() {
    run("proxies", None).unwrap();
}

#[test]
fn adapters_alike() {
    run("adapters", None).unwrap();
}

#[test]
fn functions_that_give_tokens() {
    run("provider", None).unwrap();
}

#[test]
fn the_clients_of_azure() {
    run("azure", None).unwrap();
}

#[test]
fn the_client_of_cognite() {
    run("cognite", None).unwrap();
}

#[test]
fn the_sessions_of_google() {
    run("google", None).unwrap();
}

#[test]
fn httpx() {
    run("httpx_auth", None).unwrap();
}

#[test]
fn requests() {
    run("requests_auth", None).unwrap();
}

#[test]
fn scripts_of_requests_oauthlib() {
    run("oauth2_session", None).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_signed_in_with_a_real_browser() {
    let browser = Chromium::start().await.unwrap();
    let commands = browser.commands().unwrap();
    tokio::task::spawn_blocking(move || run("chromium", Some(commands.as_str()))).await.unwrap().unwrap();
}

/// Runs a file of tests with the wheel installed; a skipped test is a failure.
fn run(file: &str, browser: Option<&str>) -> Result<()> {
    let stage = stage()?;
    let mut pytest = Command::new(&stage.python);
    pytest
        .args(["-m", "pytest", "-q", "-rs", "--color=no"])
        .arg(format!("tests/test_{file}.py"))
        .current_dir(sources())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("FOURINSIGHT_TEST_PROGRAMS", &stage.programs);
    if let Some(commands) = browser {
        pytest.env("FOURINSIGHT_TEST_BROWSER", commands);
    }
    let said = succeed(&mut pytest)?;
    ensure!(said.contains(" passed") && !said.contains(" skipped"), "not all of it ran:\n{said}");
    Ok(())
}

fn takes_first_steps(wheel: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let environment = Environment::with(wheel, folder.path())?;
    let mut python = Command::new(environment.python());
    succeed(python.args(["-I", "-c", FIRST_STEPS, env!("CARGO_PKG_VERSION")])).map(drop)
}

/// The package, built once.
fn package() -> Result<&'static Package> {
    static BUILT: LazyLock<Result<Package, String>> =
        LazyLock::new(|| Package::build(target()).map_err(|error| format!("{error:#}")));
    BUILT.as_ref().map_err(|error| anyhow!("the package cannot be built: {error}"))
}

/// One environment for all files of tests, which change nothing in it, and the programs that they start beside it.
fn stage() -> Result<&'static Stage> {
    static MADE: LazyLock<Result<Stage, String>> =
        LazyLock::new(|| Stage::make().map_err(|error| format!("{error:#}")));
    MADE.as_ref().map_err(|error| anyhow!("{error}"))
}

struct Stage {
    python: PathBuf,
    programs: PathBuf,
}

impl Stage {
    fn make() -> Result<Self> {
        let wheel = &package()?.wheel;
        let folder = Package::folder(target());
        let environment = Environment::with_tools(wheel, &folder.join("environment"))?;
        let programs = folder.join("programs");
        fs::create_dir(&programs)?;
        let built = Programs::build()?;
        let practice = PathBuf::from(env!("CARGO_BIN_EXE_practice-server"));
        for program in [&built.fourinsightd, &built.fourinsightctl, &practice] {
            symlink(program, programs.join(program.file_name().context("a program has a name")?))?;
        }
        Ok(Self { python: environment.python(), programs })
    }
}

/// The target folder of this build.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("/"))
}
