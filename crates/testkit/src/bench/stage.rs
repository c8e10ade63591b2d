//! The stage: the practice server, and homes whose sessions were signed in through real logins.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fourinsight_client::{Client, SessionKey};
use fourinsight_ipc::message::{LoginState, LoginStatus};
use serde_json::json;
use tokio::{runtime::Runtime, task::JoinSet};

use crate::{
    http::Request,
    practice::{self, Practice, Serving, Settings},
    process::{Daemon, Home},
};

/// Nothing is renewed unless the bench wants it.
const ACCESS_TOKEN_LIFE: Duration = Duration::from_hours(8);

/// How many logins are under way at once.
const LOGINS_AT_ONCE: usize = 8;

/// Who signs in.
const PERSON: &str = "ada";

/// The practice server, on a runtime of its own.
pub(super) struct Stage {
    pub(super) runtime: Runtime,
    pub(super) practice: Practice,
    serving: Serving,
}

/// The key of the session with this number.
pub(super) fn session(number: usize) -> SessionKey {
    SessionKey::new(&format!("s{number}")).expect("a letter and digits are a session key")
}

impl Stage {
    pub(super) fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let practice =
            Practice::new(Settings { access_token_life: ACCESS_TOKEN_LIFE, ..Settings::default() });
        let serving = runtime.block_on(practice.serve_plain())?;
        Ok(Self { runtime, practice, serving })
    }

    /// A home in which these sessions are signed in, and no daemon runs.
    pub(super) fn home(&self, sessions: &[SessionKey]) -> Result<Home> {
        let home = Home::new(&self.config())?;
        self.runtime.block_on(async {
            let daemon = Daemon::start(&home).await?;
            let mut waiting = sessions.iter();
            let mut under_way = JoinSet::new();
            loop {
                while under_way.len() < LOGINS_AT_ONCE
                    && let Some(session) = waiting.next()
                {
                    under_way.spawn(sign_in(home.socket(), self.practice.clone(), session.clone()));
                }
                match under_way.join_next().await {
                    Some(signed_in) => signed_in??,
                    None => break,
                }
            }
            let status = daemon.stop().await?;
            ensure!(status.success(), "the daemon ended with {status}");
            Ok(home)
        })
    }

    /// Starts the daemon of a home; it is ready when this returns.
    pub(super) fn start(&self, home: &Home) -> Result<Daemon> {
        self.runtime.block_on(Daemon::start(home))
    }

    pub(super) fn stop(&self, daemon: Daemon) -> Result<()> {
        let status = self.runtime.block_on(daemon.stop())?;
        ensure!(status.success(), "the daemon ended with {status}");
        Ok(())
    }

    /// How many requests the server has seen.
    pub(super) fn requests(&self) -> usize {
        self.practice.ledger().entries().len()
    }

    fn config(&self) -> String {
        format!(
            "default_profile = \"practice\"\n\n[profiles.practice]\nissuer = {}\nclient_id = {}\n\
             scopes = [\"openid\", \"offline_access\", \"api\"]\n",
            json!(self.serving.issuer),
            json!(practice::Client::public().id),
        )
    }
}

/// A client of a home's daemon, with connections of its own. It never starts one.
pub(super) fn client(home: &Home) -> Result<Client> {
    Ok(Client::at(home.endpoint()?))
}

/// A whole login: begun at the daemon, answered at the server, and its callback pasted.
async fn sign_in(socket: std::path::PathBuf, practice: Practice, session: SessionKey) -> Result<()> {
    let url = |path: &str| url::Url::parse("http://localhost")?.join(path).context("no URL");
    let begun = Request::json(url("/v1/logins")?, &json!({ "session": session })).send_to(&socket).await?;
    ensure!(begun.status == 201, "a login cannot begin: {}", begun.text());
    let login: LoginStatus = begun.json()?;
    let uri = login.authorization_uri.context("a login without an authorization URI")?;
    let callback = practice.sign_in(&uri, PERSON).await?;
    let place = url(&format!("/v1/logins/{}/response", login.id))?;
    Request::json(place, &json!({ "pasted": callback.as_str() })).send_to(&socket).await?;
    let place = url(&format!("/v1/logins/{}?wait=60", login.id))?;
    let ended: LoginStatus = Request::get(place).send_to(&socket).await?.json()?;
    ensure!(ended.state == LoginState::Succeeded, "a login failed: {:?}", ended.error);
    Ok(())
}
