//! The stage: a scratch home, the practice server in this process, the daemon as a process, the login.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use url::Url;

use super::ACCESS_TOKEN_LIFE;
use crate::{
    browser::Answer,
    practice::{Client, Practice, Serving, Settings},
    process::{Daemon, Home},
};

/// Who signs in where no person does.
const PERSON: &str = "ada";

/// Everything that runs beside the workers. Dropped, it stops the daemon and removes the home.
pub(super) struct Stage {
    pub(super) home: Home,
    pub(super) practice: Practice,
    daemon: Daemon,
    serving: Serving,
}

impl Stage {
    pub(super) async fn set() -> Result<Self> {
        let practice =
            Practice::new(Settings { access_token_life: ACCESS_TOKEN_LIFE, ..Settings::default() });
        let serving = practice.serve_plain().await?;
        let home = Home::new(&config(&serving))?;
        let daemon = Daemon::start(&home).await?;
        Ok(Self { home, practice, daemon, serving })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.serving.issuer
    }

    /// Where the API is that wants a token.
    pub(super) fn api(&self) -> Result<Url> {
        Ok(Url::parse(&self.serving.issuer)?.join("/api/hello")?)
    }

    /// Signs in, and returns what the command said.
    pub(super) async fn login(&self, browser: bool) -> Result<String> {
        if browser {
            self.login_by_hand().await?;
            return self.home.ctl(&["status", "default"]).await?.success();
        }
        let (login, landing) = self.home.login(&["--no-autostart"], &Answer::allow(PERSON)).await?;
        ensure!(landing.page.status == 200, "the page at the end answered {}", landing.page.status);
        Ok(format!("{}{}", login.stderr.clone(), login.success()?))
    }

    /// The daemon's end, and the home's.
    pub(super) async fn clear(self) -> Result<()> {
        let status = self.daemon.stop().await?;
        ensure!(status.success(), "the daemon ended with {status}");
        Ok(())
    }

    /// The command runs in the person's own surroundings, where their browser is, but for the locations.
    async fn login_by_hand(&self) -> Result<()> {
        let mut login = tokio::process::Command::new(&self.home.programs().fourinsightctl);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FOURINSIGHT") {
                login.env_remove(name);
            }
        }
        login.args(["login", "--no-autostart", "--socket"]).arg(self.home.socket());
        login.arg("--state-dir").arg(self.home.state_dir()).arg("--config").arg(self.home.config());
        login.stdin(Stdio::inherit()).kill_on_drop(true);
        let status = login.status().await.context("fourinsightctl cannot be started")?;
        ensure!(status.success(), "nobody signed in ({status})");
        Ok(())
    }
}

/// The login as a person would type it.
pub(super) fn login_command(browser: bool) -> &'static str {
    if browser { "fourinsightctl login" } else { "fourinsightctl login --no-browser" }
}

/// A JSON string is a TOML string too.
fn config(serving: &Serving) -> String {
    format!(
        "default_profile = \"practice\"\n\n[profiles.practice]\nissuer = {}\nclient_id = {}\n\
         scopes = [\"openid\", \"offline_access\", \"api\"]\n",
        json!(serving.issuer),
        json!(Client::public().id),
    )
}
