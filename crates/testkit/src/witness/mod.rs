//! Genuine programs as witnesses: the programs that people come from sign in at the practice server over TLS, our
//! own programs do the same, and what both have sent is compared field by field.
//!
//! The programs are run by the scripts in `python/witness`. A [`Stage`] is one practice server with a home for them
//! and another for ours; [`compare`] judges the [`Entry`] pairs against a table of [`Difference`]s.

mod difference;
mod fields;
mod script;

use std::{fs, path::PathBuf};

use anyhow::Result;
use tempfile::TempDir;

pub use difference::{ABSENT, Difference, compare, differs};
pub use script::Script;

use crate::{
    practice::{Endpoint, Practice, Serving, Settings, ledger::Entry},
    process::{Daemon, Home},
    python,
};

/// A practice server over TLS, a daemon with a profile of it, and a home for the genuine program.
pub struct Stage {
    /// The server.
    pub practice: Practice,
    /// Its socket.
    pub serving: Serving,
    /// The home of our programs.
    pub home: Home,
    /// The Python that has the genuine programs.
    python: PathBuf,
    /// The home of the genuine program.
    their_home: TempDir,
    _daemon: Daemon,
}

impl Stage {
    /// Sets it up. In the configuration, `{issuer}` stands for the server's issuer, `{trust}` for the line that
    /// makes a profile trust its certificate authority, `{secret}` for the path of a file with the secret of the
    /// last registered client, `{home}` for the home folder, and `{python}` and `{scripts}` for the witnesses' Python
    /// and the folder of their scripts.
    pub async fn new(settings: Settings, config: &str) -> Result<Self> {
        let python = tokio::task::spawn_blocking(witness_python).await??;
        let practice = Practice::new(settings);
        let serving = practice.serve_tls().await?;
        let home = Home::new("")?;
        let (authorities, secret) = (home.path().join("ca.pem"), home.path().join("secret"));
        let pem = serving.ca_pem.as_deref().unwrap_or_default();
        fs::write(&authorities, pem)?;
        if config.contains("{secret}") {
            let client = practice.settings().clients.last();
            fs::write(&secret, client.and_then(|client| client.secret.as_deref()).unwrap_or_default())?;
        }
        let trust = format!("tls_ca_file = \"{}\"", authorities.display());
        let config = config
            .replace("{issuer}", &serving.issuer)
            .replace("{trust}", &trust)
            .replace("{secret}", &secret.to_string_lossy())
            .replace("{home}", &home.path().to_string_lossy())
            .replace("{python}", &python.to_string_lossy())
            .replace("{scripts}", &script::folder().to_string_lossy());
        home.write_config(&config)?;
        let daemon = Daemon::start(&home).await?;
        let their_home = tempfile::Builder::new().prefix("witness-").tempdir()?;
        fs::write(their_home.path().join("ca.pem"), pem)?;
        Ok(Self { practice, serving, home, python, their_home, _daemon: daemon })
    }

    /// Starts a script of `python/witness`, and gives it what it asks for as one line of JSON.
    pub async fn script(&self, name: &str, given: &serde_json::Value) -> Result<Script> {
        Script::start(&self.python, self.their_home.path(), name, given).await
    }

    /// Runs a script to its end, and gives what it says last.
    pub async fn run_script(&self, name: &str, given: &serde_json::Value) -> Result<serde_json::Value> {
        self.script(name, given).await?.finish().await
    }

    /// How much has been sent so far.
    pub fn mark(&self) -> usize {
        self.sent().len()
    }

    /// What was sent after the mark: authorization requests, device authorization requests and token requests.
    pub fn sent_since(&self, mark: usize) -> Vec<Entry> {
        self.sent().split_off(mark)
    }

    fn sent(&self) -> Vec<Entry> {
        let ledger = self.practice.ledger();
        let counts = |entry: &&Entry| match entry.endpoint() {
            Some(Endpoint::Token | Endpoint::DeviceAuthorization) => true,
            // The login page posts its form to the same place.
            Some(Endpoint::Authorization) => entry.method == "GET",
            _ => false,
        };
        ledger.entries().iter().filter(counts).cloned().collect()
    }
}

/// The Python that has the genuine programs.
pub fn witness_python() -> Result<PathBuf> {
    python::environment("witness")
}

/// A constant of the installed `fourinsight.api`, read from it now.
pub fn fourinsight_constant(name: &str) -> Result<String> {
    let mut command = std::process::Command::new(witness_python()?);
    let output = command.arg(script::folder().join("fourinsight_constant.py")).arg(name).output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "fourinsight.api has no constant {name}: {}", complaint.trim());
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
