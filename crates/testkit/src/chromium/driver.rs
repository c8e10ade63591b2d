//! The two programs: chromedriver on a free port, and the Chromium that it starts.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;
use tokio::{sync::oneshot, time::timeout};
use url::Url;

use super::wire::Wire;
use crate::wait;

/// Starting a browser takes a second or two; a busy machine takes longer.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How long killed processes may take to be gone.
const END_LIMIT: Duration = Duration::from_secs(30);

/// How long an element may take to appear, and a page to load, in milliseconds: less than a command may take.
const PATIENCE: u64 = 50_000;

/// What brings both programs where they are missing.
const INSTALL: &str =
    "apt-get update && apt-get install --yes --no-install-recommends chromium chromium-driver";

/// A running chromedriver. When this is dropped it is killed, every process of the Chromium it has started has
/// ended, and so has their folder.
#[derive(Debug)]
pub(super) struct Driver {
    wire: Wire,
    chromium: PathBuf,
    process: Child,
    /// Says that the output has ended. Every process of Chromium holds it open, so that is the end of them all.
    ended: mpsc::Receiver<()>,
    folder: TempDir,
}

impl Driver {
    /// Starts it, and returns when it says that it takes sessions.
    pub(super) async fn start() -> Result<Self> {
        let (chromium, chromedriver) = (program("chromium")?, program("chromedriver")?);
        let folder = tempfile::Builder::new().prefix("fi-chromium-").tempdir()?;
        let mut process = Command::new(chromedriver)
            .arg("--port=0")
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            // Chromium writes below these, whatever its profile folder is.
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("chromedriver cannot be started")?;
        let output = process.stdout.take().context("chromedriver has no standard output")?;
        let (started, port) = oneshot::channel();
        let (ending, ended) = mpsc::channel();
        std::thread::spawn(move || {
            listen(output, started);
            // The driver may have been dropped already.
            let _ = ending.send(());
        });
        // From here on whatever fails takes the process along.
        let mut driver =
            Self { wire: Wire::new(Url::parse("http://127.0.0.1/")?), chromium, process, ended, folder };
        let port = timeout(START_LIMIT, port)
            .await
            .context("chromedriver does not say that it has started")?
            .context("chromedriver ended before it had started")?;
        driver.wire = Wire::new(Url::parse(&format!("http://127.0.0.1:{port}/"))?);
        wait::until("a chromedriver that takes sessions", START_LIMIT, async || {
            Ok(driver.wire.ask::<Status>("status").await?.ready.then_some(()))
        })
        .await?;
        Ok(driver)
    }

    /// Starts a Chromium that knows nothing of any other, and reaches nothing but this machine.
    pub(super) async fn session(&self) -> Result<Wire> {
        let mut arguments = vec![
            format!("--user-data-dir={}", self.folder.path().join("profile").display()),
            "--headless=new".to_owned(),
            // With a pipe instead of a port, Chromium ends when chromedriver does, however that ends.
            "--remote-debugging-pipe".to_owned(),
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE [::1]"
                .to_owned(),
        ];
        let quiet = [
            "--disable-gpu",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
        ];
        arguments.extend(quiet.map(str::to_owned));
        if nix::unistd::geteuid().is_root() {
            // Its sandbox refuses root.
            arguments.push("--no-sandbox".to_owned());
        }
        let capabilities = json!({
            "browserName": "chrome",
            "timeouts": { "implicit": PATIENCE, "pageLoad": PATIENCE, "script": PATIENCE },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "goog:chromeOptions": { "binary": self.chromium, "args": arguments },
        });
        let wish = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let session: Session = self.wire.tell("session", &wish).await.context("Chromium does not start")?;
        self.wire.session(&session.id)
    }

    /// Where everything is written.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
        // The folder goes next, so nobody may write to it any more.
        let _ = self.ended.recv_timeout(END_LIMIT);
    }
}

#[derive(Deserialize)]
struct Status {
    ready: bool,
}

#[derive(Deserialize)]
struct Session {
    #[serde(rename = "sessionId")]
    id: String,
}

fn program(name: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not installed; have root run:\n{INSTALL}"))
}

/// Reads to the end, and hands out the port from the line in which chromedriver says that it has started.
fn listen(output: ChildStdout, started: oneshot::Sender<u16>) {
    let mut started = Some(started);
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some(port) = port(&line)
            && let Some(started) = started.take()
        {
            // Nobody listens once the start took too long.
            let _ = started.send(port);
        }
    }
}

fn port(line: &str) -> Option<u16> {
    let (_, port) = line.split_once(" started successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_in_the_line_of_the_start() {
        assert_eq!(port("ChromeDriver was started successfully on port 40001."), Some(40001));
        assert_eq!(port("Starting ChromeDriver 1.2.3 on port 0"), None);
    }

    #[test]
    fn a_missing_program_names_what_to_run() {
        let error = program("no-such-browser").unwrap_err().to_string();
        assert!(error.contains("no-such-browser") && error.contains("apt-get install"), "{error}");
    }
}
