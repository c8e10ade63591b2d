//! The real programs and a practice server of any dialect, for tests that go from a login to its end.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use tokio::time::timeout;
use url::Url;

use crate::{
    http::Request,
    leak::Search,
    practice::{Client, Practice, Serving, Settings, Transport, Verdict, ledger::Entry},
    process::{Daemon, Home, TIME_LIMIT},
};

/// One practice server, and our programs in a home of their own.
pub struct World {
    /// The server.
    pub practice: Practice,
    /// Its socket.
    pub serving: Serving,
    /// Where the programs run.
    pub home: Home,
    /// The daemon; its log shows everything.
    pub daemon: Daemon,
}

impl World {
    /// A server over TLS, and a daemon with its profile and these lines besides, where `{secret}` is a file with the
    /// secret of the confidential client.
    pub async fn new(settings: Settings, lines: &str) -> Result<Self> {
        Self::over(Transport::Tls, settings, lines).await
    }

    /// The same over plain HTTP or TLS.
    pub async fn over(transport: Transport, settings: Settings, lines: &str) -> Result<Self> {
        Self::with_profile("practice", transport, settings, lines).await
    }

    /// The same with the profile called so.
    pub async fn with_profile(
        profile: &str,
        transport: Transport,
        settings: Settings,
        lines: &str,
    ) -> Result<Self> {
        let practice = Practice::new(settings);
        let serving = practice.serve(transport, 0).await?;
        let home = Home::new("")?.with_variable("FOURINSIGHT_LOG", "trace");
        let (ca, secret) = (home.path().join("ca.pem"), home.path().join("secret"));
        let trust = match &serving.ca_pem {
            Some(pem) => {
                fs::write(&ca, pem)?;
                format!("tls_ca_file = \"{}\"\n", ca.display())
            }
            None => String::new(),
        };
        fs::write(&secret, Client::confidential().secret.context("the client has a secret")?)?;
        let lines = lines.replace("{secret}", &format!("{{ file = \"{}\" }}", secret.display()));
        home.write_config(&format!("[profiles.{profile}]\n{}{trust}{lines}\n", practice.profile(&serving)))?;
        let daemon = Daemon::start(&home).await?;
        Ok(Self { practice, serving, home, daemon })
    }

    /// A login in the browser.
    pub async fn sign_in(&self) -> Result<String> {
        let login = self.home.begin_login(&[]).await?;
        let callback = self.practice.sign_in(&login.authorization_uri, "ada").await?;
        let answer = Request::get(callback.clone()).send().await?;
        let page: Url = answer.redirect(&callback).context("the listener shows no page")?;
        Request::get(page).send().await?;
        login.finish().await?.success()
    }

    /// A login by the device flow.
    pub async fn sign_in_by_device(&self) -> Result<String> {
        let login = self.home.begin_device_login(&[]).await?;
        let uri = login.login.authorization_uri.clone();
        self.practice.answer_device(&uri, &login.user_code, Some("ada")).await?;
        login.login.finish().await?.success()
    }

    /// The session's token, which is to live.
    pub async fn living_token(&self) -> Result<String> {
        let token = self.home.ctl(&["token"]).await?.success()?;
        ensure!(self.practice.verdict(&token) == Verdict::Live, "the token is dead");
        Ok(token)
    }

    /// Has the token renewed, and gives the new one.
    pub async fn renewed_token(&self) -> Result<String> {
        let old = self.living_token().await?;
        let life = self.practice.settings().access_token_life.as_secs();
        self.home.ctl(&["token", "--min-validity", &life.to_string()]).await?.success()?;
        let token = self.living_token().await?;
        ensure!(token != old, "the token was not renewed:\n{}", self.daemon.log());
        Ok(token)
    }

    /// Waits for so many refreshes, which the daemon makes by itself where tokens are short-lived, and then still
    /// has a token to give.
    pub async fn keeps_refreshing(&self, count: usize) -> Result<()> {
        let enough = self.practice.wait_until(|ledger| ledger.refreshes().len() >= count);
        timeout(TIME_LIMIT, enough).await.context("the daemon does not refresh")?;
        self.home.ctl(&["token"]).await?.success().map(drop)
    }

    /// Rejects the token as an API would.
    pub async fn reject(&self) -> Result<()> {
        let answer: serde_json::Value = self.home.ctl(&["token", "--json"]).await?.json()?;
        let rejection = serde_json::json!({ "token_id": answer["token_id"] });
        let rejected = self.home.post("/v1/sessions/default/rejections", &rejection).await?;
        ensure!(rejected.status == 202, "{}", rejected.text());
        Ok(())
    }

    /// The requests with this `grant_type`.
    pub fn requests(&self, grant_type: &str) -> Vec<Entry> {
        self.practice.ledger().token_requests(grant_type).into_iter().cloned().collect()
    }

    /// The family is dead, and with it the login: the next renewal finds that out, and asks for a new login.
    pub async fn loses_its_login(&self) -> Result<()> {
        let token = self.living_token().await?;
        self.practice.revoke_all();
        self.reject().await?;
        let output = self.home.ctl(&["token"]).await?;
        ensure!(output.code == Some(3), "{output:?}");
        ensure!(!output.stdout.contains(&token), "a dead token was served");
        Ok(())
    }

    /// Ends the daemon, and starts another on the same state.
    pub async fn restart(mut self) -> Result<Self> {
        ensure!(self.daemon.stop().await?.success(), "the daemon did not end well");
        self.daemon = Daemon::start(&self.home).await?;
        Ok(self)
    }

    /// Insists that nothing below the home holds a secret but those that a test put there.
    pub fn has_no_leak(&self) -> Result<()> {
        let ledger = self.practice.ledger();
        let search = Search::new(ledger.secrets().iter().map(|secret| secret.text.as_str()));
        for (path, content) in self.home.files()? {
            let own = path.ends_with("secret") || path.ends_with("config.toml");
            ensure!(own || search.leaks(&content).is_empty(), "a secret in {}", path.display());
        }
        Ok(())
    }
}
