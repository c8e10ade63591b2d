//! Genuine programs as witnesses: the programs that people come from sign in at the practice server over TLS, our
//! own programs do the same, and what both have sent is compared field by field.
//!
//! The programs are run by the scripts in `python/witness`. A [`Stage`] is one practice server with a home for them
//! and another for ours; [`compare`] judges the [`Entry`] pairs against a table of [`Difference`]s.

mod difference;
mod fields;
pub mod msal;
mod script;
mod takeover;

use std::{fs, path::PathBuf, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, time::timeout};

pub use difference::{ABSENT, Difference, compare, differs, reasons};
pub use script::Script;

use crate::{
    practice::{Endpoint, Practice, Serving, Settings, Verdict, ledger::Entry},
    process::{Daemon, Home, TIME_LIMIT},
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
    their_home: PathBuf,
    _their_own_home: Option<TempDir>,
    _daemon: Daemon,
}

impl Stage {
    /// Sets it up. In the configuration, `{issuer}` stands for the server's issuer, `{trust}` for the line that
    /// makes a profile trust its certificate authority, `{secret}` for the path of a file with the secret of the
    /// last registered client, `{home}` for the home folder, and `{python}` and `{scripts}` for the witnesses' Python
    /// and the folder of their scripts.
    pub async fn new(settings: Settings, config: &str) -> Result<Self> {
        let their_home = tempfile::Builder::new().prefix("witness-").tempdir()?;
        Self::set(settings, config, Some(their_home)).await
    }

    /// The same with one home for both, whose user has the witnesses' virtual environment active: a person who has
    /// the genuine program, and moves to ours. The variable `CLIENT_SECRET` has the secret of the last registered
    /// client.
    pub async fn in_one_home(settings: Settings, config: &str) -> Result<Self> {
        Self::set(settings, config, None).await
    }

    async fn set(settings: Settings, config: &str, their_own_home: Option<TempDir>) -> Result<Self> {
        let python = tokio::task::spawn_blocking(witness_python).await??;
        let practice = Practice::new(settings);
        let serving = practice.serve_tls().await?;
        let mut home = Home::new("")?;
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
        let their_home = if let Some(folder) = &their_own_home {
            fs::write(folder.path().join("ca.pem"), pem)?;
            folder.path().to_owned()
        } else {
            let environment = python.ancestors().nth(2).context("Python is in no environment")?;
            let secret = practice.settings().clients.last().and_then(|client| client.secret.clone());
            home = home
                .with_variable("VIRTUAL_ENV", &environment.to_string_lossy())
                .with_variable("CLIENT_SECRET", &secret.unwrap_or_default());
            home.path().to_owned()
        };
        let daemon = Daemon::start(&home).await?;
        Ok(Self {
            practice,
            serving,
            home,
            python,
            their_home,
            _their_own_home: their_own_home,
            _daemon: daemon,
        })
    }

    /// Starts a script of `python/witness`, and gives it what it asks for as one line of JSON.
    pub async fn script(&self, name: &str, given: &serde_json::Value) -> Result<Script> {
        Script::start(&self.python, &self.their_home, name, given).await
    }

    /// Runs a script to its end, which is to have a living access token.
    pub async fn run_script(&self, name: &str, given: &serde_json::Value) -> Result<()> {
        self.finish_script(self.script(name, given).await?).await
    }

    /// Waits for a script's end, which is to have a living access token.
    pub async fn finish_script(&self, script: Script) -> Result<()> {
        let said = script.finish().await?;
        self.lives(said["access_token"].as_str().context("the script has no access token")?)
    }

    /// How much has been sent so far.
    pub fn mark(&self) -> usize {
        self.sent().len()
    }

    /// Insists that what was sent before the mark, by the genuine program, and what was sent after it, by ours, are
    /// requests of these names in this order, and differ as listed.
    ///
    /// Polls that came before the person was done are left out: how many there are is a matter of time.
    pub fn compare(&self, mark: usize, names: &[&'static str], listed: &[Difference]) -> Result<()> {
        let sent = self.sent();
        let [theirs, ours] = [&sent[..mark], &sent[mark..]]
            .map(|sent| sent.iter().filter(|entry| !is_early_poll(entry)).collect::<Vec<_>>());
        let counts = (theirs.len(), ours.len());
        ensure!(counts == (names.len(), names.len()), "they and we sent {counts:?} requests of {names:?}");
        let pairs = theirs.into_iter().zip(ours);
        let requests: Vec<_> =
            names.iter().zip(pairs).map(|(name, (theirs, ours))| (*name, theirs, ours)).collect();
        let problems = compare(&self.practice.ledger(), &requests, listed);
        ensure!(problems.is_empty(), "{}", problems.join("\n"));
        Ok(())
    }

    /// `fourinsightctl login` with these lines as its whole standard input.
    pub async fn login_with(&self, arguments: &[&str], lines: &[&str]) -> Result<()> {
        let mut command = self.home.command(&self.home.programs().fourinsightctl);
        let mut login = command
            .args(["login", "--no-browser"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = login.stdin.take().context("login has no standard input")?;
        input.write_all(format!("{}\n", lines.join("\n")).as_bytes()).await?;
        drop(input);
        let output = timeout(TIME_LIMIT, login.wait_with_output()).await.context("login does not end")??;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Has our daemon renew: asks for a token that lives longer than the one there is.
    pub async fn renew(&self) -> Result<()> {
        let token = self.home.ctl(&["token", "--min-validity", "2h"]).await?.success()?;
        self.lives(&token)
    }

    /// Insists that the server calls this access token a living one.
    pub fn lives(&self, access_token: &str) -> Result<()> {
        let verdict = self.practice.verdict(access_token);
        ensure!(verdict == Verdict::Live, "the access token is {verdict:?}");
        Ok(())
    }

    /// Authorization requests, device authorization requests and token requests, so far.
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

fn is_early_poll(entry: &Entry) -> bool {
    let is_poll = entry.form.get("grant_type") == Some("urn:ietf:params:oauth:grant-type:device_code");
    is_poll && entry.status != Some(200)
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
    ensure!(output.status.success(), "fourinsight.api has no constant {name}: {}", complaint.trim());
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
