//! A home folder of its own, so that the programs' defaults can be tested and nothing outside is touched.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process::Stdio,
    sync::mpsc,
};

use anyhow::{Context as _, Result};
use fourinsight_ipc::{Endpoint, location::Lock, platform};
use tempfile::TempDir;
use tokio::process::Command;
use url::Url;

use super::{Programs, TIME_LIMIT, signal};
use crate::http::{Request, Response};

/// A user's home: state, configuration, runtime folder and logs, all below one temporary folder.
///
/// When it is dropped, a daemon that a client has started in it is stopped first.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    programs: &'static Programs,
    environment: BTreeMap<String, String>,
}

impl Home {
    /// An empty home with this configuration file; builds the programs if that has not been done.
    pub fn new(config: &str) -> Result<Self> {
        Self::within(&std::env::temp_dir(), config)
    }

    /// The same below a folder of the caller's choice.
    pub fn within(parent: &Path, config: &str) -> Result<Self> {
        // A short name: socket paths are limited to about a hundred bytes.
        let folder = tempfile::Builder::new().prefix("fi-").tempdir_in(parent)?;
        let home = Self { folder, programs: Programs::build()?, environment: BTreeMap::new() };
        platform::private_folder(&home.runtime_dir())?;
        fs::create_dir_all(home.logs())?;
        home.write_config(config)?;
        Ok(home)
    }

    /// Sets a variable for every program started from now on.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The programs that run here.
    pub fn programs(&self) -> &'static Programs {
        self.programs
    }

    /// The home folder itself.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The state folder, by default.
    pub fn state_dir(&self) -> PathBuf {
        platform::default_state_dir(self.path())
    }

    /// `XDG_RUNTIME_DIR`.
    pub fn runtime_dir(&self) -> PathBuf {
        self.path().join("run")
    }

    /// The socket, by default.
    pub fn socket(&self) -> PathBuf {
        self.runtime_dir().join("fourinsight/broker.sock")
    }

    /// The socket as clients name it.
    pub fn endpoint(&self) -> Result<Endpoint> {
        Ok(Endpoint::new(self.socket())?)
    }

    /// Where the logs of daemons started by tests go.
    pub fn logs(&self) -> PathBuf {
        self.path().join("logs")
    }

    /// The configuration file, by default.
    pub fn config(&self) -> PathBuf {
        self.path().join(".config/fourinsight/config.toml")
    }

    /// Replaces the configuration file.
    pub fn write_config(&self, text: &str) -> Result<()> {
        let path = self.config();
        fs::create_dir_all(path.parent().context("the configuration file has no folder")?)?;
        Ok(fs::write(path, text)?)
    }

    /// A program as this home's user runs it, with nothing of this process's environment but where programs are.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let system = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:{system}", self.programs.folder().display()))
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.runtime_dir())
            .env("LANG", "C.UTF-8")
            .envs(&self.environment)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// A request to the daemon at the default socket, by plain HTTP.
    pub async fn get(&self, path_and_query: &str) -> Result<Response> {
        Request::get(local(path_and_query)?).send_to(&self.socket()).await
    }

    /// A `POST` of JSON to the daemon at the default socket.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Response> {
        Request::json(local(path)?, body).send_to(&self.socket()).await
    }

    /// A `DELETE` at the daemon at the default socket.
    pub async fn delete(&self, path: &str) -> Result<Response> {
        Request::delete(local(path)?).send_to(&self.socket()).await
    }

    /// The process that holds this home's state, whoever started it; `None` when none does.
    pub fn running_daemon(&self) -> Option<u32> {
        let path = self.state_dir().join("broker.lock");
        match File::open(&path).ok()?.try_lock() {
            Err(TryLockError::WouldBlock) => Lock::read(&path).map(|lock| lock.pid),
            _ => None,
        }
    }

    /// Every file below this home, with its content: what the programs have written anywhere.
    pub fn files(&self) -> Result<Vec<(PathBuf, Vec<u8>)>> {
        let mut files = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if entry.file_type()?.is_file() {
                    files.push((entry.path(), fs::read(entry.path())?));
                }
            }
        }
        Ok(files)
    }

    fn stop_running_daemon(&self) -> Option<()> {
        let process = self.running_daemon()?;
        signal(process, "TERM").ok()?;
        // The state is locked for as long as the process lives, so getting the lock is the sign of its end.
        let lock = File::open(self.state_dir().join("broker.lock")).ok()?;
        let (sender, ended) = mpsc::channel();
        std::thread::spawn(move || sender.send(lock.lock()));
        if ended.recv_timeout(TIME_LIMIT).is_err() {
            signal(process, "KILL").ok()?;
        }
        Some(())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.stop_running_daemon();
    }
}

fn local(path_and_query: &str) -> Result<Url> {
    Ok(Url::parse("http://localhost")?.join(path_and_query)?)
}
