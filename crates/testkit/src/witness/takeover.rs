//! What an import is held to, whichever program's cache it takes over: nothing is sent or changed by a dry run, a file
//! that it cannot take over stays as it was, and the token that comes of it is one that an API accepts.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, chown},
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use url::Url;

use super::Stage;
use crate::{http::Request, leak::Search, process::Output};

/// Whoever the user `nobody` is: in any case not the one who runs tests.
const SOMEBODY_ELSE: u32 = 65_534;

impl Stage {
    /// How many requests have arrived at the server, of whatever kind.
    pub fn arrived(&self) -> usize {
        self.practice.ledger().entries().len()
    }

    /// Has the server's API greet the bearer of the session's token, and gives whom it takes them for.
    pub async fn greeted(&self, session: &str) -> Result<String> {
        let token = self.home.ctl(&["token", session]).await?.success()?;
        // The same server on another socket: only programs under test have to speak TLS.
        let plain = self.practice.serve_plain().await?;
        let answer =
            Request::get(Url::parse(&plain.origin)?.join("/api/hello")?).bearer(&token).send().await?;
        ensure!(answer.status == 200, "the API answers {}: {}", answer.status, answer.text());
        let said: Value = answer.json()?;
        Ok(said["sub"].as_str().context("the API greets nobody")?.to_owned())
    }

    /// Runs an import of these arguments as a dry run, and insists that nothing is sent, and no file changed.
    pub async fn dry_run(&self, arguments: &[&str]) -> Result<Output> {
        let (arrived, mut before) = (self.arrived(), self.home.files()?);
        let output = self.home.ctl(&[&["import"], arguments, &["--dry-run"]].concat()).await?;
        let mut after = self.home.files()?;
        for files in [&mut before, &mut after] {
            files.retain(|(path, _)| !path.starts_with(self.home.logs()));
            files.sort();
        }
        ensure!(before == after, "a dry run has changed a file");
        ensure!(self.arrived() == arrived, "a dry run has sent something");
        Ok(output)
    }

    /// Puts what is no cache where the genuine one is, and insists that importing it fails for the reason given,
    /// repeats no secret, sends nothing, and leaves the file as it is. The genuine one is put back.
    pub async fn leaves_wrecks_alone(&self, arguments: &[&str], path: &Path, foreign: &str) -> Result<()> {
        let genuine = fs::read_to_string(path)?;
        let half = &genuine[..genuine.len() / 2];
        let tail = &genuine[genuine.len() - 20..];
        for (content, says) in [
            (String::new(), "is empty"),
            (half.to_owned(), "half-written"),
            (format!("{half}}}"), "JSON object"),
            (format!("{genuine}{tail}"), "two programs wrote it at once"),
            (genuine.replace(':', ";"), "JSON object"),
            (r#"{"name": "somebody's", "version": 1}"#.to_owned(), foreign),
        ] {
            fs::write(path, &content)?;
            self.leaves_alone(arguments, path, says).await.with_context(|| format!("{says}: {content}"))?;
        }
        fs::write(path, &genuine)?;
        self.leaves_alone_what_somebody_else_has(arguments, path).await
    }

    /// The same of a file that belongs to another user.
    pub async fn leaves_alone_what_somebody_else_has(&self, arguments: &[&str], path: &Path) -> Result<()> {
        let own = fs::metadata(path)?.uid();
        if chown(path, Some(SOMEBODY_ELSE), None).is_err() {
            say("only root can give a file to another user: NOT TESTED that such a file is refused");
            return Ok(());
        }
        self.leaves_alone(arguments, path, "belongs to another user").await?;
        ensure!(fs::metadata(path)?.uid() == SOMEBODY_ELSE, "the file has changed hands");
        Ok(chown(path, Some(own), None)?)
    }

    /// Insists that an import of this file fails for the reason given, repeats no secret, sends nothing, and leaves the
    /// file as it is.
    pub async fn leaves_alone(&self, arguments: &[&str], path: &Path, says: &str) -> Result<()> {
        let (arrived, content) = (self.arrived(), fs::read(path)?);
        let output = self.home.ctl(&[&["import"], arguments].concat()).await?;
        ensure!(matches!(output.code, Some(1 | 2)), "{output:?}");
        ensure!(output.stderr.contains(says), "{output:?}");
        ensure!(fs::read(path)? == content, "the file has changed");
        ensure!(self.arrived() == arrived, "something was sent");
        let ledger = self.practice.ledger();
        let search = Search::new(ledger.secrets().iter().map(|secret| secret.text.as_str()));
        ensure!(search.leaks(format!("{output:?}").as_bytes()).is_empty(), "a secret is repeated");
        Ok(())
    }

    /// Insists that no refresh token was ever presented twice.
    pub fn nobody_fought(&self) -> Result<()> {
        let ledger = self.practice.ledger();
        let most = ledger.most_redemptions();
        ensure!(most == 1, "a refresh token was presented {most} times");
        ensure!(ledger.reuse_events().is_empty(), "a spent refresh token was presented");
        Ok(())
    }
}

#[expect(clippy::print_stderr, reason = "what is not tested is said")]
fn say(text: &str) {
    eprintln!("testkit: {text}");
}
