//! What the daemon may use runs out: files may not grow (`RLIMIT_FSIZE`), and none can be opened because its clients
//! hoard connections (`RLIMIT_NOFILE`).

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    net::UnixStream,
    process::Command,
    time::{Instant, timeout},
};

use super::{
    block_on,
    stage::{HEALING, LONG, Stage},
    tally::{self, Case},
};
use crate::{
    faults::{Figure, Options},
    process::Daemon,
};

/// How many connections are hoarded, of a daemon that may have so many files open.
const HOARDED: usize = 200;
const OPEN_FILES: &str = "64";

/// Tokens that are renewed while connections are hoarded.
const SHORT: Duration = Duration::from_secs(4);

/// How soon `status` is there again when the connections are let go.
const ANSWERED: Duration = Duration::from_secs(1);

/// The campaign.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    let rounds = options.count(1, 5);
    block_on(async move {
        let many =
            |case: fn() -> Case| (0..rounds).map(move |round| (format!("round {round}"), case())).collect();
        let mut figures = tally::all("files may not grow", many(|| Box::pin(size_limit()))).await;
        figures.extend(tally::all("connections are hoarded", many(|| Box::pin(hoarders()))).await);
        Ok(figures)
    })
}

/// The daemon's command behind a shell's `ulimit`.
fn limited(stage: &Stage, limit: &str) -> Command {
    let mut command = stage.home.command("sh");
    command.args(["-c", &format!("ulimit {limit}; exec \"$0\"")]).arg(&stage.home.programs().fourinsightd);
    command
}

async fn size_limit() -> Result<(Duration, Duration)> {
    let stage = Stage::new(LONG).await?;
    // Its own log counts too, and must have room for the reason.
    let refused = stage.try_to_start(limited(&stage, "-f 8")).await?;
    ensure!(refused.is_none(), "a store was made of which nothing can be written");
    let daemon = stage.start().await?;
    stage.sign_in("one").await?;
    stage.rotate("one", "api").await?;
    let token = stage.living_token("one").await?;
    file_size(&daemon, "4096:").await?;
    stage.ask("one", "scope=read&wait=1").await?;
    let telling = stage.degraded("one").await?;
    stage.sign_in("late").await?;
    stage.serves(&[("one", Some(&token)), ("late", None)], Duration::from_secs(2)).await?;
    file_size(&daemon, "unlimited:").await?;
    let healing = stage.all_healed(&["one", "late"], HEALING).await.with_context(|| daemon.log())?;
    daemon.kill().await?;
    let daemon = stage.start().await?;
    for session in ["one", "late"] {
        stage.rotate(session, "write").await.context("the login is lost")?;
    }
    stage.stop(daemon).await?;
    stage.nothing_was_reused()?;
    Ok((telling, healing))
}

/// Sets how long a file of the running daemon may get.
async fn file_size(daemon: &Daemon, limit: &str) -> Result<()> {
    let mut command = Command::new("prlimit");
    command.args(["--pid", &daemon.id()?.to_string(), &format!("--fsize={limit}")]);
    let output = command.stdin(Stdio::null()).output().await.context("there is no prlimit")?;
    ensure!(output.status.success(), "prlimit: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

async fn hoarders() -> Result<(Duration, Duration)> {
    let stage = Stage::new(SHORT).await?;
    let limits = limited(&stage, &format!("-n {OPEN_FILES}"));
    let daemon = stage.try_to_start(limits).await?.context("it refuses to start with few files")?;
    stage.sign_in("one").await?;
    stage.living_token("one").await?;
    let before = stage.practice.ledger().refreshes().len();
    let mut hoarded = Vec::new();
    for _ in 0..HOARDED {
        hoarded.push(UnixStream::connect(stage.home.socket()).await?);
    }
    let renewed = stage.practice.wait_until(|ledger| ledger.refreshes().len() > before);
    let renewed = timeout(Duration::from_secs(10), renewed).await;
    renewed.with_context(|| format!("nothing is renewed any more:\n{}", daemon.log()))?;
    drop(hoarded);
    let began = Instant::now();
    timeout(ANSWERED, stage.home.get("/v1/sessions")).await.context("`status` is not answered")??;
    let answered = began.elapsed();
    stage.living_token("one").await?;
    let healing = stage.healed("one", HEALING).await?;
    stage.stop(daemon).await?;
    stage.nothing_was_reused()?;
    Ok((answered, healing))
}
