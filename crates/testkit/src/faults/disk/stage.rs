//! A strict server and a home with the real daemon, and what a campaign asks of them.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use fourinsight_ipc::message::{Durability, SessionStatus};
use serde_json::{Value, json};
use tokio::{
    process::Command,
    time::{Instant, timeout},
};

use crate::{
    faults::login,
    http::Response,
    practice::{Practice, Serving, Settings, Verdict},
    process::{Daemon, Home, Start},
    wait,
};

/// How soon a session is on the disk again once the disk takes it.
pub(super) const HEALING: Duration = Duration::from_secs(5);

/// How soon a session says that the disk refuses it.
pub(super) const TELLING: Duration = Duration::from_secs(1);

/// How long anything may take while calls fail here and there.
const PATIENCE: Duration = Duration::from_secs(15);

/// Access tokens that outlive a campaign: only what is asked for is renewed.
pub(super) const LONG: Duration = Duration::from_hours(1);

/// A server and a home.
pub(super) struct Stage {
    pub(super) practice: Practice,
    pub(super) home: Home,
    _serving: Serving,
}

impl Stage {
    /// A server whose access tokens live so long, and a home that knows it.
    pub(super) async fn new(access_token_life: Duration) -> Result<Self> {
        let practice = Practice::new(Settings { access_token_life, ..Settings::default() });
        let serving = practice.serve_plain().await?;
        let home = Home::new(&format!(
            "default_profile = \"practice\"\n[profiles.practice]\nissuer = {}\nclient_id = \"practice-client\"\n\
             scopes = [\"openid\", \"offline_access\", \"api\", \"read\", \"write\"]\n",
            json!(serving.issuer)
        ))?;
        Ok(Self { practice, home, _serving: serving })
    }

    /// The daemon as a command.
    pub(super) fn daemon(&self) -> Command {
        self.home.command(&self.home.programs().fourinsightd)
    }

    /// Starts the daemon; nothing is wrong with the disk.
    pub(super) async fn start(&self) -> Result<Daemon> {
        Daemon::start(&self.home).await
    }

    /// Starts a daemon by a command under which the disk may refuse; `None` when it has refused to start, and has said
    /// why.
    pub(super) async fn try_to_start(&self, command: Command) -> Result<Option<Daemon>> {
        match Daemon::launch_as(&self.home, command).await? {
            Start::Ready(daemon) => Ok(Some(daemon)),
            Start::Exited(code, log) => {
                let is_clear = log.contains("ERROR") && !log.contains("panicked");
                ensure!(code == Some(1) && is_clear, "it ended with {code:?} before it was ready:\n{log}");
                Ok(None)
            }
        }
    }

    /// Signs a session in.
    pub(super) async fn sign_in(&self, session: &str) -> Result<()> {
        login::sign_in(&self.home, &self.practice, &json!({ "session": session })).await
    }

    /// Asks for a session's token.
    pub(super) async fn ask(&self, session: &str, query: &str) -> Result<Response> {
        self.home.get(&format!("/v1/sessions/{session}/token?{query}")).await
    }

    /// The session's own token, at once and alive.
    pub(super) async fn living_token(&self, session: &str) -> Result<String> {
        let answer = self.ask(session, "wait=0").await?;
        ensure!(answer.status == 200, "{session} has no token: {}", answer.text());
        self.alive(&answer)
    }

    /// One more redemption of the refresh token, for an audience that has no token yet. It may need several tries.
    pub(super) async fn rotate(&self, session: &str, scope: &str) -> Result<()> {
        let before = self.rotations();
        wait::until(&format!("a token of {session} for {scope}"), PATIENCE, async || {
            let answer = self.ask(session, &format!("scope={scope}&wait=5")).await?;
            match answer.status {
                200 => self.alive(&answer).map(Some),
                503 => Ok(None),
                _ => bail!("{session} is refused a token for {scope}: {}", answer.text()),
            }
        })
        .await?;
        ensure!(self.rotations() > before, "a token for {scope} came without a redemption");
        Ok(())
    }

    /// A session as `status` shows it.
    pub(super) async fn status(&self, session: &str) -> Result<SessionStatus> {
        self.home.get(&format!("/v1/sessions/{session}")).await?.json()
    }

    /// Waits until a session is on the disk and nothing is wrong with it; how long that took.
    pub(super) async fn healed(&self, session: &str, limit: Duration) -> Result<Duration> {
        let began = Instant::now();
        let mut last = None;
        let healing = wait::until("healing", limit, async || {
            let status = self.status(session).await?;
            let well = status.durability == Durability::Durable && status.problem.is_none();
            last = Some(status);
            Ok(well.then_some(()))
        });
        healing.await.with_context(|| format!("{session} does not heal: {last:?}"))?;
        Ok(began.elapsed())
    }

    /// Waits until a session says that the disk refuses it; how long that took.
    pub(super) async fn degraded(&self, session: &str) -> Result<Duration> {
        let began = Instant::now();
        wait::until(&format!("`durability: degraded` of {session}"), TELLING, async || {
            let status = self.status(session).await?;
            Ok((status.durability == Durability::Degraded && status.problem.is_some()).then_some(()))
        })
        .await?;
        Ok(began.elapsed())
    }

    /// Waits until everything has been moved from the database's log into the database.
    pub(super) async fn settled(&self) -> Result<()> {
        let log = self.home.state_dir().join("broker.db-wal");
        wait::until("an empty log", HEALING, async || Ok((fs::metadata(&log)?.len() == 0).then_some(())))
            .await
    }

    /// Waits until all of these are on the disk and well; how long that took.
    pub(super) async fn all_healed(&self, sessions: &[&str], limit: Duration) -> Result<Duration> {
        let mut slowest = Duration::ZERO;
        let began = Instant::now();
        for session in sessions {
            self.healed(session, limit.saturating_sub(began.elapsed())).await?;
            slowest = began.elapsed();
        }
        Ok(slowest)
    }

    /// For so long, each of these sessions has a living token at every moment: this one, where one is given.
    pub(super) async fn serves(&self, sessions: &[(&str, Option<&str>)], lasts: Duration) -> Result<()> {
        let began = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        while began.elapsed() < lasts {
            ticks.tick().await;
            for (session, expected) in sessions {
                let token = self.living_token(session).await?;
                ensure!(expected.is_none_or(|expected| expected == token), "{session} has another token");
            }
        }
        Ok(())
    }

    /// Revokes a session.
    pub(super) async fn revoke(&self, session: &str) -> Result<()> {
        let answer: Value = self.home.delete(&format!("/v1/sessions/{session}")).await?.json()?;
        ensure!(answer["revocation"] == "revoked", "{session} is not revoked: {answer}");
        Ok(())
    }

    /// Ends a daemon in order.
    pub(super) async fn stop(&self, daemon: Daemon) -> Result<()> {
        let id = daemon.id()?;
        let log = daemon.log();
        let status = timeout(Duration::from_mins(1), daemon.stop()).await.context("it does not stop")??;
        ensure!(status.code() == Some(0), "process {id} ended with {status}:\n{log}");
        Ok(())
    }

    /// The server's own word: no refresh token was presented twice, so no login was harmed.
    pub(super) fn nothing_was_reused(&self) -> Result<()> {
        let reused = self.practice.ledger().reuse_events().len();
        ensure!(reused == 0, "{reused} refresh tokens were presented again");
        Ok(())
    }

    fn alive(&self, answer: &Response) -> Result<String> {
        let answer: Value = answer.json()?;
        let token = answer["access_token"].as_str().context("no access token")?;
        let verdict = self.practice.verdict(token);
        ensure!(verdict == Verdict::Live, "a token was served that is {verdict:?} at the server");
        Ok(token.to_owned())
    }

    fn rotations(&self) -> usize {
        self.practice.ledger().refreshes().len()
    }
}
