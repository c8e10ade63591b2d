//! `fourinsightd` as a child process: ready by the line it prints, its log in a file.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Child,
    time::timeout,
};

use super::{Home, TIME_LIMIT, signal};

/// A running daemon. It is killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    process: Child,
    log: PathBuf,
}

/// What became of a start.
#[derive(Debug)]
pub enum Start {
    /// It serves.
    Ready(Daemon),
    /// It ended without having been ready; its exit code and its log.
    Exited(Option<i32>, String),
}

impl Daemon {
    /// Starts the daemon of this home and returns when it is ready.
    pub async fn start(home: &Home) -> Result<Self> {
        match Self::launch(home, &[]).await? {
            Start::Ready(daemon) => Ok(daemon),
            Start::Exited(code, log) => {
                bail!("the daemon ended with exit code {code:?} before it was ready:\n{log}")
            }
        }
    }

    /// Starts the daemon with these arguments, and returns when it is ready or has ended.
    pub async fn launch(home: &Home, arguments: &[&str]) -> Result<Start> {
        let mut command = home.command(&home.programs().fourinsightd);
        command.args(arguments);
        Self::launch_as(home, command).await
    }

    /// Starts a command that is or becomes the daemon, and returns when it is ready or has ended.
    pub async fn launch_as(home: &Home, mut command: tokio::process::Command) -> Result<Start> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let log = home.logs().join(format!("daemon-{}.log", COUNT.fetch_add(1, Ordering::Relaxed)));
        let mut process = command.stdout(Stdio::piped()).stderr(File::create(&log)?).spawn()?;
        let output = process.stdout.take().context("the daemon has no standard output")?;
        let line = timeout(TIME_LIMIT, BufReader::new(output).lines().next_line())
            .await
            .with_context(|| format!("the daemon does not get ready:\n{}", read(&log)))??;
        if line.is_some() {
            return Ok(Start::Ready(Self { process, log }));
        }
        let status =
            timeout(TIME_LIMIT, process.wait()).await.context("the daemon closes its output and stays")??;
        Ok(Start::Exited(status.code(), read(&log)))
    }

    /// Its process.
    pub fn id(&self) -> Result<u32> {
        self.process.id().context("the daemon has ended")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// Asks it to read its configuration again.
    pub fn reload(&self) -> Result<()> {
        signal(self.id()?, "HUP")
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub async fn stop(self) -> Result<ExitStatus> {
        signal(self.id()?, "TERM")?;
        self.ended().await
    }

    /// Ends it without asking (SIGKILL) and waits for that.
    pub async fn kill(mut self) -> Result<ExitStatus> {
        self.process.start_kill()?;
        self.ended().await
    }

    /// Waits until it ends by itself.
    pub async fn ended(mut self) -> Result<ExitStatus> {
        let status = timeout(TIME_LIMIT, self.process.wait()).await;
        Ok(status.with_context(|| format!("the daemon does not end:\n{}", read(&self.log)))??)
    }
}

fn read(log: &PathBuf) -> String {
    fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
