//! Clients that hang up in the middle of a refresh, and daemons that are asked to stop in the middle of one: neither
//! loses anything, even at a strict server.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    Figure, Options,
    chance::Chance,
    client::{ANY, Client, NEWEST, Recovery},
    mode::STRICT,
    stage::{self, Stage},
};
use crate::{
    practice::{Answer, Settings},
    process::TIME_LIMIT,
};

const SESSIONS: usize = 20;

/// When a client hangs up, at the latest.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long an answer may be on its way after the server has committed.
const TRANSIT: Duration = Duration::from_millis(20);

/// Of so many requests or stops at least one must come in the middle of a refresh.
const RARELY: usize = 50;

/// How long a stop may take when the server answers within five seconds.
const STOP_LIMIT: Duration = Duration::from_secs(10);

pub(super) fn disconnect(options: &Options) -> Result<Vec<Figure>> {
    let clients = options.count(200, 10_000);
    let chance = Chance::new(options.seed.unwrap_or_default(), 100);
    stage::runtime()?.block_on(disconnects(clients, chance))
}

pub(super) fn stop(options: &Options) -> Result<Vec<Figure>> {
    let stops = options.count(50, 1000);
    let chance = Chance::new(options.seed.unwrap_or_default(), 200);
    stage::runtime()?.block_on(stops_in_the_middle(stops, chance))
}

async fn strict() -> Result<Arc<Stage>> {
    let settings = Settings { id_tokens: false, ..Settings::default() };
    Ok(Arc::new(Stage::signed_in(&stage::in_memory(), &STRICT, SESSIONS, settings).await?))
}

async fn disconnects(clients: usize, mut chance: Chance) -> Result<Vec<Figure>> {
    let stage = strict().await?;
    let daemon = stage.start().await?;
    let rotations = stage.rotations();
    let mut under_way = JoinSet::new();
    for (number, session) in stage.sessions.iter().enumerate() {
        let (stage, session) = (Arc::clone(&stage), session.clone());
        let share = clients / SESSIONS + usize::from(number < clients % SESSIONS);
        let mut chance = Chance::new(chance.bits(), number as u64);
        under_way.spawn(async move {
            let mut client = Client::new(Arc::clone(&stage), session.clone());
            let (mut asked, mut unanswered) = (0, 0);
            while unanswered < share {
                ensure!(asked < RARELY * share, "only {unanswered} of {asked} hung up in the middle");
                let turn = asked;
                let late = Answer::genuine().after_committing().delayed(chance.within(TRANSIT));
                stage.practice.answer_next_token_requests([late]);
                let query = if turn % 2 == 0 { NEWEST } else { ANY };
                if turn % 2 == 1 {
                    // A token that nobody may have any more, so that the next request has to wait.
                    client.reject_present().await?;
                }
                let patience = chance.within(PATIENCE);
                unanswered += usize::from(hang_up(&stage, session.as_str(), query, patience).await?);
                client.wait_for(query).await?;
                asked += 1;
            }
            anyhow::Ok(asked)
        });
    }
    let mut asked = 0;
    while let Some(ended) = under_way.join_next().await {
        asked += ended??;
    }
    let during = stage.rotations() - rotations;
    let lost = lost(&stage).await?;
    let status = daemon.stop().await?;
    ensure!(status.success(), "the daemon ended with {status}");
    let detail = format!(
        "each before its answer; {} more had theirs already; {during} rotations meanwhile",
        asked - clients
    );
    Ok(vec![
        Figure::none("strict: sessions lost by clients hanging up", lost, clients).with(detail),
        Figure::none("strict: reuse events", stage.reuse_events(), stage.rotations()),
    ])
}

/// Asks for a token that is not there yet, and hangs up after a while. Says whether there was no answer by then.
async fn hang_up(stage: &Stage, session: &str, query: &str, patience: Duration) -> Result<bool> {
    let mut stream = UnixStream::connect(stage.home.socket()).await?;
    let request = format!("GET /v1/sessions/{session}/token?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut byte = [0];
    Ok(timeout(patience, stream.read_exact(&mut byte)).await.is_err())
}

/// How many requests the server has read and not answered.
fn under_way(stage: &Stage) -> usize {
    stage.practice.look(|ledger| ledger.entries().iter().filter(|entry| entry.status.is_none()).count())
}

/// How many sessions cannot be refreshed once more.
async fn lost(stage: &Arc<Stage>) -> Result<usize> {
    let (mut lost, rotations) = (0, stage.rotations());
    for session in &stage.sessions {
        let mut client = Client::new(Arc::clone(stage), session.clone());
        let recovery =
            timeout(TIME_LIMIT, client.recover(rotations)).await.context("a session is stuck")??;
        lost += usize::from(!matches!(recovery, Recovery::Refreshed(_)));
    }
    Ok(lost)
}

async fn stops_in_the_middle(stops: usize, mut chance: Chance) -> Result<Vec<Figure>> {
    let stage = strict().await?;
    let (mut lost, mut late, mut in_the_middle, mut longest) = (0, 0, 0, Duration::ZERO);
    let mut number = 0;
    loop {
        let rotations = stage.rotations();
        let daemon = stage.start().await?;
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut clients = JoinSet::new();
        for session in &stage.sessions {
            clients.spawn(Client::new(Arc::clone(&stage), session.clone()).run(rotations, tell.clone()));
        }
        drop(tell);
        for _ in &stage.sessions {
            let (_, recovery) =
                timeout(TIME_LIMIT, told.recv()).await?.context("the daemon has ended by itself")?;
            lost += usize::from(!matches!(recovery, Recovery::Refreshed(_)));
        }
        if in_the_middle == stops {
            // What the last one cost has just been seen.
            daemon.stop().await?;
            clients.join_all().await;
            break;
        }
        ensure!(number < RARELY * stops, "only {in_the_middle} of {number} stops came in the middle");
        // One stop in twenty finds a server that takes its time.
        let longest_transit =
            if number % 20 == 19 { Duration::from_secs(5) } else { Duration::from_millis(300) };
        let delays: Vec<_> = (0..SESSIONS)
            .map(|_| Answer::genuine().after_committing().delayed(chance.within(longest_transit)))
            .collect();
        stage.practice.answer_next_token_requests(delays);
        stage::pause(chance.within(PATIENCE)).await?;
        let under_way = under_way(&stage);
        let start = Instant::now();
        let status = daemon.stop().await?;
        let took = start.elapsed();
        clients.join_all().await;
        stage.practice.forget_scripted_answers();
        longest = longest.max(took);
        late += usize::from(took > STOP_LIMIT || !status.success());
        in_the_middle += usize::from(under_way > self::under_way(&stage));
        number += 1;
    }
    let detail = format!(
        "each in the middle of a refresh; {} more were not; longest stop {} ms",
        number - stops,
        longest.as_millis()
    );
    Ok(vec![
        Figure::none("strict: sessions lost by SIGTERM", lost, stops).with(detail),
        Figure::none("stops that did not end well within 10 s", late, number),
        Figure::none("strict: reuse events at SIGTERM", stage.reuse_events(), stage.rotations()),
    ])
}
