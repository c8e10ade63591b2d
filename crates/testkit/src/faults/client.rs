//! Who asks the daemon for tokens: a client for each session, that never lets it rest.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use fourinsight_ipc::{SessionKey, message::SessionStatus};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::mpsc::UnboundedSender,
    time::{Instant, timeout},
};

use super::stage::{Stage, pause, token_request};
use crate::practice::Verdict;

/// What no token lives for, so that a request for it has the daemon fetch a newer one: once for each token, and not
/// for one that was fetched for such a request.
pub(super) const NEWEST: &str = "min_validity=86400&wait=20";

/// Whatever token there is; where there is none, the next one.
pub(super) const ANY: &str = "wait=20";

/// How long a session may take to recover before it counts as stuck.
const LONGEST_RECOVERY: Duration = Duration::from_secs(30);

/// What became of a session after a death of its daemon.
#[derive(Clone, Debug)]
pub(super) enum Recovery {
    /// It was refreshed since, by this access token.
    Refreshed(String),
    /// It needs a login.
    Lost {
        /// The code of its problem.
        error: String,
        /// The same for people.
        description: String,
    },
    /// Neither, for longer than that may take.
    Stuck(String),
}

/// What a client was given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Handouts {
    /// All tokens.
    pub(super) all: usize,
    /// Those that the server had ended before they were asked for.
    pub(super) dead: usize,
}

impl Handouts {
    pub(super) fn add(&mut self, other: Self) {
        self.all += other.all;
        self.dead += other.dead;
    }
}

/// A client of one session.
pub(super) struct Client {
    stage: Arc<Stage>,
    session: SessionKey,
    handouts: Handouts,
}

/// An answer to a request for a token.
enum Answer {
    Token(Handout),
    LoginRequired,
    Refused,
}

#[derive(Deserialize)]
struct Handout {
    access_token: String,
    token_id: String,
}

impl Client {
    pub(super) fn new(stage: Arc<Stage>, session: SessionKey) -> Self {
        Self { stage, session, handouts: Handouts::default() }
    }

    /// Sees that the session is refreshed once more than the server's first so many rotations, tells what came of it,
    /// and then refreshes it again and again until the daemon dies.
    pub(super) async fn run(
        mut self,
        rotations: usize,
        tell: UnboundedSender<(SessionKey, Recovery)>,
    ) -> Handouts {
        let recovery = match timeout(LONGEST_RECOVERY, self.recover(rotations)).await {
            Ok(Ok(recovery)) => recovery,
            // The daemon has died again.
            Ok(Err(_)) => return self.handouts,
            Err(_) => Recovery::Stuck(format!("not refreshed within {LONGEST_RECOVERY:?}")),
        };
        let goes_on = matches!(recovery, Recovery::Refreshed(_));
        // Whoever listened has heard enough when it is gone.
        let _ = tell.send((self.session.clone(), recovery));
        // The end is an error of the connection: the daemon has died.
        while goes_on && self.refresh().await.is_ok() {}
        self.handouts
    }

    /// Sees that the session is refreshed once more; an error when the daemon dies meanwhile.
    pub(super) async fn recover(&mut self, rotations: usize) -> Result<Recovery> {
        let mut query = NEWEST;
        loop {
            match self.ask(query).await? {
                Answer::Token(token) if self.stage.came_after(rotations, &token.access_token) => {
                    return Ok(Recovery::Refreshed(token.access_token));
                }
                Answer::Token(token) => {
                    self.reject(&token).await?;
                    query = ANY;
                }
                Answer::LoginRequired => return self.lost().await,
                Answer::Refused => pause(Duration::from_millis(20)).await?,
            }
        }
    }

    /// Has the session refreshed, and then once more because an API has refused the token. In turns: a second refusal
    /// in a row would have to wait.
    pub(super) async fn refresh(&mut self) -> Result<()> {
        if let Answer::Token(token) = self.ask(NEWEST).await? {
            self.reject(&token).await?;
            self.ask(ANY).await?;
        } else {
            pause(Duration::from_millis(20)).await?;
        }
        Ok(())
    }

    /// Reports the token at hand as refused by an API, so that it is served no more.
    pub(super) async fn reject_present(&mut self) -> Result<()> {
        match self.ask(ANY).await? {
            Answer::Token(token) => self.reject(&token).await,
            Answer::LoginRequired | Answer::Refused => Ok(()),
        }
    }

    /// Waits for the end of a refresh that another request with this query has begun.
    pub(super) async fn wait_for(&mut self, query: &str) -> Result<()> {
        self.ask(query).await.map(drop)
    }

    async fn ask(&mut self, query: &str) -> Result<Answer> {
        let asked = Instant::now();
        let answer = token_request(&self.session, query)?.send_to(&self.stage.home.socket()).await?;
        match answer.status {
            200 => {
                let token: Handout = answer.json()?;
                self.judge(&token.access_token, asked);
                Ok(Answer::Token(token))
            }
            409 => Ok(Answer::LoginRequired),
            _ => Ok(Answer::Refused),
        }
    }

    fn judge(&mut self, access_token: &str, asked: Instant) {
        self.handouts.all += 1;
        let practice = &self.stage.practice;
        let too_old = practice.dead_for(access_token).is_some_and(|dead| dead > asked.elapsed());
        if too_old || practice.verdict(access_token) == Verdict::Unknown {
            self.handouts.dead += 1;
        }
    }

    async fn reject(&self, token: &Handout) -> Result<()> {
        let path = format!("/v1/sessions/{}/rejections", self.session);
        self.stage.home.post(&path, &json!({ "token_id": token.token_id })).await.map(drop)
    }

    async fn lost(&self) -> Result<Recovery> {
        let status: SessionStatus =
            self.stage.home.get(&format!("/v1/sessions/{}", self.session)).await?.json()?;
        let problem = status.problem.context("a login is required, and no problem is named")?;
        Ok(Recovery::Lost { error: problem.error, description: problem.description })
    }
}
