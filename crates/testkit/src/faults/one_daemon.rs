//! Eight daemons started at once: one serves, the others say that another does. And a socket left behind by a daemon
//! that was killed is replaced, each time.

use std::{process::Stdio, sync::Arc};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Child,
    task::JoinSet,
    time::timeout,
};

use super::{
    Figure, Options,
    mode::STRICT,
    stage::{self, Stage},
};
use crate::{practice::Settings, process::TIME_LIMIT};

const AT_ONCE: usize = 8;

/// What a daemon ends with when another one runs.
const ANOTHER: i32 = 75;

pub(super) fn run(options: &Options) -> Result<Vec<Figure>> {
    let (rounds, restarts) = (options.count(20, 500), options.count(50, 1000));
    stage::runtime()?.block_on(async {
        let stage = Arc::new(Stage::signed_in(&stage::in_memory(), &STRICT, 1, Settings::default()).await?);
        let mut alone = 0;
        for _ in 0..rounds {
            alone += usize::from(race(&stage).await?);
        }
        let (mut replaced, mut left_behind) = (0, 0);
        for _ in 0..restarts {
            stage.start().await?.kill().await?;
            left_behind += usize::from(stage.home.socket().exists());
            let daemon = stage.start().await?;
            replaced += usize::from(stage.home.get("/v1/version").await?.status == 200);
            daemon.kill().await?;
        }
        let detail = format!("{left_behind} were left behind");
        Ok(vec![
            Figure::every("rounds of eight starts of which one serves and seven exit 75", alone, rounds),
            Figure::every("sockets of killed daemons replaced", replaced, restarts).with(detail),
        ])
    })
}

/// Starts eight at once; whether one of them serves and the others say so and end.
async fn race(stage: &Arc<Stage>) -> Result<bool> {
    let mut racers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let mut command = stage.home.command(&stage.home.programs().fourinsightd);
        let process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        racers.spawn(outcome(process));
    }
    let (mut serving, mut turned_away) = (Vec::new(), 0);
    while let Some(ended) = racers.join_next().await {
        match ended?? {
            Outcome::Serves(process) => serving.push(process),
            Outcome::Ended(Some(ANOTHER)) => turned_away += 1,
            Outcome::Ended(_) => {}
        }
    }
    let answers = stage.home.get("/v1/version").await.is_ok_and(|answer| answer.status == 200);
    let alone = serving.len() == 1 && turned_away == AT_ONCE - 1 && answers;
    for mut process in serving {
        process.kill().await?;
    }
    Ok(alone)
}

enum Outcome {
    Serves(Child),
    Ended(Option<i32>),
}

async fn outcome(mut process: Child) -> Result<Outcome> {
    let output = process.stdout.take().context("the daemon has no standard output")?;
    let line = timeout(TIME_LIMIT, BufReader::new(output).lines().next_line()).await??;
    match line {
        Some(_) => Ok(Outcome::Serves(process)),
        None => Ok(Outcome::Ended(timeout(TIME_LIMIT, process.wait()).await??.code())),
    }
}
