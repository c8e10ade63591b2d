//! A practice server in this process, a home whose sessions are signed in at it, and the daemons that run there one
//! after the other.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use fourinsight_ipc::SessionKey;
use serde_json::json;
use tokio::runtime::Runtime;

use super::{login, mode::Mode};
use crate::{
    http::Request,
    practice::{self, Practice, Serving, Settings},
    process::{Daemon, Home, Start},
};

/// The server and the home.
pub(super) struct Stage {
    pub(super) practice: Practice,
    pub(super) home: Home,
    pub(super) sessions: Vec<SessionKey>,
    _serving: Serving,
}

/// A runtime for a campaign, of one thread: the server takes requests in the order in which they arrive. With several
/// it may be interrupted in the middle of a request of a daemon that is dead by now, answer the next daemon's first,
/// and then replace what that was given; no client could do anything about it.
pub(super) fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Where files are in memory: a death of the process takes nothing from there that it would not take from a disk,
/// and thousands of deaths a minute wear nothing out.
pub(super) fn in_memory() -> PathBuf {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() }
}

impl Stage {
    /// A server of this kind, and a home below `folder` that knows it. No daemon runs and nobody is signed in.
    pub(super) async fn new(folder: &Path, mode: &Mode, sessions: usize, settings: Settings) -> Result<Self> {
        let practice = Practice::new(Settings { rotation: mode.rotation, ..settings });
        let serving = practice.serve_plain().await?;
        let rotation = mode.configured.map(|word| format!("rotation = {word}\n")).unwrap_or_default();
        let session = |number| SessionKey::new(&format!("s{number}")).context("no session key");
        let sessions: Vec<_> = (0..sessions).map(session).collect::<Result<_>>()?;
        // An address of its own for each: one token endpoint is asked ten times a second at most, and here nobody is
        // to wait.
        let profile = |session: &SessionKey| {
            format!(
                "[profiles.{session}]\nissuer = {}\ntoken_endpoint = {}\nclient_id = {}\n\
                 scopes = [\"offline_access\", \"api\"]\n{rotation}\n",
                json!(serving.issuer),
                json!(format!("{}/token?session={session}", serving.origin)),
                json!(practice::Client::public().id),
            )
        };
        let config: String = sessions.iter().map(profile).collect();
        let home = Home::within(folder, &config)?.with_variable("FOURINSIGHT_LOG", "trace");
        Ok(Self { practice, home, sessions, _serving: serving })
    }

    /// The same with every session signed in, by one daemon that has stopped again.
    pub(super) async fn signed_in(
        folder: &Path,
        mode: &Mode,
        sessions: usize,
        settings: Settings,
    ) -> Result<Self> {
        let stage = Self::new(folder, mode, sessions, settings).await?;
        let daemon = stage.start().await?;
        for session in &stage.sessions {
            stage.sign_in(session).await?;
        }
        let status = daemon.stop().await?;
        ensure!(status.success(), "the daemon ended with {status}");
        Ok(stage)
    }

    /// Starts the daemon under test; it is ready when this returns.
    pub(super) async fn start(&self) -> Result<Daemon> {
        Daemon::start(&self.home).await
    }

    /// Starts another build of the daemon with this order for its points; `None` when it ended before it was ready.
    pub(super) async fn start_with_points(&self, program: &Path, order: &str) -> Result<Option<Daemon>> {
        let mut command = self.home.command(program);
        command.env("FOURINSIGHT_FAULT", order);
        match Daemon::launch_as(&self.home, command).await? {
            Start::Ready(daemon) => Ok(Some(daemon)),
            Start::Exited(None, _) => Ok(None),
            Start::Exited(code, log) => bail!("the daemon ended with exit code {code:?}:\n{log}"),
        }
    }

    /// Signs a session in.
    pub(super) async fn sign_in(&self, session: &SessionKey) -> Result<()> {
        let request = json!({ "session": session, "profile": session, "force": true });
        login::sign_in(&self.home, &self.practice, &request).await
    }

    /// How many rotations the server has committed.
    pub(super) fn rotations(&self) -> usize {
        self.practice.look(|ledger| ledger.refreshes().len())
    }

    /// How often a spent refresh token was presented.
    pub(super) fn reuse_events(&self) -> usize {
        self.practice.look(|ledger| ledger.reuse_events().len())
    }

    /// Whether this access token came with one of the rotations after the first so many.
    pub(super) fn came_after(&self, rotations: usize, access_token: &str) -> bool {
        self.practice.look(|ledger| {
            let new = ledger.refreshes().get(rotations..).unwrap_or_default();
            new.iter().any(|refresh| refresh.access_token == access_token)
        })
    }
}

/// Lets so much time pass, to a fraction of a millisecond.
pub(super) async fn pause(length: Duration) -> Result<()> {
    // Not tokio's own: that counts in whole milliseconds.
    Ok(tokio::task::spawn_blocking(move || std::thread::park_timeout(length)).await?)
}

/// A request to the daemon for a token.
pub(super) fn token_request(session: &SessionKey, query: &str) -> Result<Request> {
    let base = url::Url::parse("http://localhost")?;
    Ok(Request::get(base.join(&format!("/v1/sessions/{session}/token?{query}"))?))
}
