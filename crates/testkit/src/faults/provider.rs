//! Hanging up and stopping in the middle of refreshes at a real server that forgives nothing: npm's `oidc-provider`
//! revokes the whole grant when a refresh token is used twice.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fourinsight_ipc::message::{LoginState, LoginStatus};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use super::{
    Figure, Options,
    chance::Chance,
    client::{ANY, NEWEST},
    stage,
};
use crate::{
    process::{Daemon, Home},
    provider::{self, Provider},
};

/// How many sessions there are; each has its turns.
const SESSIONS: usize = 4;

/// How long the provider thinks about each request, in milliseconds: long enough to be interrupted.
const THOUGHT: u64 = 20;

/// Of so many turns at least one must come in the middle of a refresh.
const RARELY: usize = 50;

/// When a client hangs up, or the daemon is asked to stop, at the latest.
const PATIENCE: Duration = Duration::from_millis(50);

pub(super) fn run(options: &Options) -> Result<Vec<Figure>> {
    let times = options.count(10, 100);
    let mut chance = Chance::new(options.seed.unwrap_or_default(), 300);
    stage::runtime()?.block_on(async {
        let options = provider::Options { answer_delay: THOUGHT, ..provider::Options::default() };
        let provider = Provider::start(options).await?;
        let home = Home::within(&stage::in_memory(), &provider.config())?;
        let daemon = Daemon::start(&home).await?;
        for session in 0..SESSIONS {
            sign_in(&home, session).await?;
        }
        let (mut hung_up, mut turn) = (0, 0);
        while hung_up < times {
            ensure!(turn < RARELY * times, "only {hung_up} of {turn} hung up in the middle");
            for session in 0..SESSIONS {
                make_due(&home, session, turn).await?;
                let mut asking = begin(&home, session, turn).await?;
                let answer = timeout(chance.within(PATIENCE), asking.read_exact(&mut [0])).await;
                drop(asking);
                hung_up += usize::from(answer.is_err());
                home.get(&format!("/v1/sessions/p{session}/token?{}", query(turn))).await?;
            }
            turn += 1;
        }
        let lost_by_hanging_up = lost(&home, &provider).await?;
        stop(daemon).await?;
        let (mut stopped, mut turn) = (0, 0);
        while stopped < times {
            ensure!(turn < RARELY * times, "only {stopped} of {turn} stops came in the middle");
            let daemon = Daemon::start(&home).await?;
            let mut asking = Vec::new();
            for session in 0..SESSIONS {
                make_due(&home, session, turn).await?;
                asking.push(begin(&home, session, turn).await?);
            }
            stage::pause(chance.within(PATIENCE)).await?;
            let before = granted(&provider).await?;
            stop(daemon).await?;
            stopped += usize::from(granted(&provider).await? > before);
            turn += 1;
        }
        let daemon = Daemon::start(&home).await?;
        let lost_by_stopping = lost(&home, &provider).await?;
        stop(daemon).await?;
        let ledger = provider.ledger().await?;
        let refreshes = ledger.refreshes().count();
        Ok(vec![
            Figure::none("oidc-provider: sessions lost by clients hanging up", lost_by_hanging_up, SESSIONS)
                .with(format!("{hung_up} hung up before their answer")),
            Figure::none("oidc-provider: sessions lost by SIGTERM", lost_by_stopping, SESSIONS)
                .with(format!("{stopped} in the middle of a refresh")),
            Figure::none(
                "oidc-provider: refresh tokens used twice",
                usize::try_from(ledger.refresh_tokens_reused)?,
                refreshes,
            ),
        ])
    })
}

async fn sign_in(home: &Home, session: usize) -> Result<()> {
    let begun = home.post("/v1/logins", &json!({ "session": format!("p{session}") })).await?;
    ensure!(begun.status == 201, "a login cannot begin: {}", begun.text());
    let login: LoginStatus = begun.json()?;
    let uri = login.authorization_uri.context("a login without an authorization URI")?;
    provider::sign_in(&uri, &format!("person-{session}")).await?;
    let ended: LoginStatus = home.get(&format!("/v1/logins/{}?wait=60", login.id)).await?.json()?;
    ensure!(ended.state == LoginState::Succeeded, "a login failed: {:?}", ended.error);
    Ok(())
}

/// Every other time an API refuses the token, so that the next request finds none and has to wait.
async fn make_due(home: &Home, session: usize, turn: usize) -> Result<()> {
    if turn % 2 == 1 {
        let token: Value = home.get(&format!("/v1/sessions/p{session}/token?wait=20")).await?.json()?;
        let report = json!({ "token_id": token["token_id"] });
        home.post(&format!("/v1/sessions/p{session}/rejections"), &report).await?;
    }
    Ok(())
}

/// Asks for a token that is not there yet, and leaves the answer unread.
async fn begin(home: &Home, session: usize, turn: usize) -> Result<UnixStream> {
    let mut stream = UnixStream::connect(home.socket()).await?;
    let path = format!("/v1/sessions/p{session}/token?{}", query(turn));
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    Ok(stream)
}

/// What finds no token: in turns, for a second refusal in a row would have to wait.
fn query(turn: usize) -> &'static str {
    if turn.is_multiple_of(2) { NEWEST } else { ANY }
}

/// How many sessions the provider does not refresh once more.
async fn lost(home: &Home, provider: &Provider) -> Result<usize> {
    let mut lost = 0;
    for session in 0..SESSIONS {
        let before = granted(provider).await?;
        // One of the two has it refreshed, whatever the token at hand was fetched for.
        for turn in 0..2 {
            make_due(home, session, turn).await?;
            home.get(&format!("/v1/sessions/p{session}/token?{}", query(turn))).await?;
        }
        let token: Value = home.get(&format!("/v1/sessions/p{session}/token")).await?.json()?;
        let lives = match token["access_token"].as_str() {
            Some(token) => provider.introspect(token).await?.active,
            None => false,
        };
        lost += usize::from(!lives || granted(provider).await? == before);
    }
    Ok(lost)
}

async fn granted(provider: &Provider) -> Result<usize> {
    Ok(provider.ledger().await?.refreshes().filter(|request| request.status == 200).count())
}

async fn stop(daemon: Daemon) -> Result<()> {
    let status = daemon.stop().await?;
    ensure!(status.success(), "the daemon ended with {status}");
    Ok(())
}
