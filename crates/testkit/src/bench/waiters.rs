//! A thousand who wait for one renewal: how long after the server's answer the last of them has its own.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fourinsight_client::SessionKey;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    task::JoinSet,
    time::timeout,
};

use super::{
    MANY,
    clock::Moment,
    figure::{Bar, Figure, Measured, Spread, Unit},
    processes, raw,
    stage::{self, Stage},
};
use crate::{
    practice::{Answer, Gate},
    process::Home,
};

const WAITERS: Figure = Figure {
    name: "1,000 waiters: last answer after the server's",
    unit: Unit::Milliseconds,
    bar: Bar::AtMost(50.0),
};

/// How long a renewal may be on its way.
const LIMIT: Duration = Duration::from_secs(30);

/// One round for each session: a token that was rejected once is not renewed as readily a second time.
pub(super) fn measure(
    stage: &Stage,
    home: &Home,
    daemon: u32,
    sessions: &[SessionKey],
) -> Result<Vec<Measured>> {
    let waiters = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
    for session in sessions {
        let renewals = stage.practice.ledger().refreshes().len();
        let answers = waiters.block_on(round(stage, home, daemon, session))?;
        let renewed = stage.practice.ledger().refreshes().len() - renewals;
        ensure!(renewed == 1, "a thousand waiters caused {renewed} renewals instead of one");
        let spread = Spread::of(&answers);
        ensure!(spread.rounds == MANY, "only {} of {MANY} waiters were answered", spread.rounds);
        firsts.push(spread.lowest);
        lasts.push(spread.highest);
    }
    let detail = format!("the first after {:.1} ms", Spread::of(&firsts).median);
    Ok(vec![WAITERS.measured(&lasts, detail)])
}

/// When each of the waiters was answered, in milliseconds after the server's answer.
async fn round(stage: &Stage, home: &Home, daemon: u32, session: &SessionKey) -> Result<Vec<f64>> {
    let gate = Gate::new();
    // The server has done its work and only its answer is held back.
    let held = Answer::genuine().after_committing().held_by(&gate);
    stage.practice.answer_next_token_requests([held]);
    let client = stage::client(home)?;
    client.reject(&client.token(session)?)?;
    timeout(LIMIT, gate.arrived(1)).await.context("no renewal after a rejection")?;
    let mut waiting = JoinSet::new();
    for _ in 0..MANY {
        let mut stream = UnixStream::connect(home.socket()).await?;
        let request = format!("GET /v1/sessions/{session}/token HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        waiting.spawn(answered(stream));
    }
    // All of them wait when the daemon has nothing left to do.
    processes::come_to_rest(daemon)?;
    let start = Moment::now();
    gate.open();
    let mut answers = Vec::with_capacity(MANY);
    while let Some(answer) = timeout(LIMIT, waiting.join_next()).await.context("not all were answered")? {
        answers.push(answer??.since(start).as_secs_f64() * 1e3);
    }
    Ok(answers)
}

/// When the whole answer had come.
async fn answered(mut stream: UnixStream) -> Result<Moment> {
    let mut answer = Vec::new();
    while stream.read_buf(&mut answer).await? > 0 {
        let now = Moment::now();
        if raw::whole(&answer)?.is_some() {
            return Ok(now);
        }
    }
    raw::whole(&answer)?;
    anyhow::bail!("the daemon ended a connection that waited")
}
