//! A file system of 256 KiB filled to the brim while sessions renew, and one with no file left to make.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{
    block_on,
    mount::{self, Mount},
    stage::{HEALING, LONG, Stage},
    tally::{self, Case},
};
use crate::faults::{Figure, Options};

/// How long the disk is full.
const LASTS: Duration = Duration::from_secs(2);

/// The campaign.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    if !mount::is_possible() {
        return Ok(vec![super::skipped("this process may not mount")]);
    }
    let rounds = options.count(1, 5);
    block_on(async move {
        let many =
            |case: fn() -> Case| (0..rounds).map(move |round| (format!("round {round}"), case())).collect();
        let mut figures = tally::all("a disk without room", many(|| Box::pin(without_room()))).await;
        figures.extend(tally::all("a disk without files", many(|| Box::pin(without_files()))).await);
        Ok(figures)
    })
}

/// Renewals, and a login, on a full disk; then a renewal, and a SIGKILL with nothing of it in the database.
async fn without_room() -> Result<(Duration, Duration)> {
    let stage = Stage::new(LONG).await?;
    let mount = Mount::new(&stage.home.state_dir(), "size=256k")?;
    let daemon = stage.start().await?;
    for session in ["one", "two"] {
        stage.sign_in(session).await?;
        stage.rotate(session, "api").await?;
    }
    stage.settled().await?;
    mount.fill()?;
    // Its slot was made before: it is renewed, and what came of it is in the journal.
    stage.ask("one", "scope=read&wait=2").await?;
    let mut telling = stage.degraded("one").await?;
    stage.sign_in("late").await?;
    telling = telling.max(stage.degraded("late").await?);
    stage.serves(&[("one", None), ("two", None), ("late", None)], LASTS).await?;
    mount.free()?;
    let healing = stage.all_healed(&["one", "two", "late"], HEALING).await;
    let healing = healing.with_context(|| daemon.log())?;

    stage.settled().await?;
    mount.fill()?;
    stage.rotate("one", "write").await?;
    stage.degraded("one").await?;
    daemon.kill().await?;
    if let Some(daemon) = stage.try_to_start(stage.daemon()).await? {
        stage.serves(&[("one", None), ("two", None), ("late", None)], Duration::ZERO).await?;
        daemon.kill().await?;
    }
    mount.free()?;
    let daemon = stage.start().await?;
    for session in ["one", "two", "late"] {
        stage.living_token(session).await?;
        stage.rotate(session, "api%20write").await.context("the login is lost")?;
    }
    stage.stop(daemon).await?;
    stage.nothing_was_reused()?;
    Ok((telling, healing))
}

/// A login whose slot cannot be made: nothing is sent for it, and its token is served.
async fn without_files() -> Result<(Duration, Duration)> {
    let stage = Stage::new(LONG).await?;
    let mount = Mount::new(&stage.home.state_dir(), "size=4m,nr_inodes=64")?;
    let daemon = stage.start().await?;
    stage.sign_in("one").await?;
    stage.rotate("one", "api").await?;
    mount.fill_with_files()?;
    stage.rotate("one", "read").await.context("a renewal needs a file")?;
    stage.sign_in("late").await?;
    stage.ask("late", "scope=api&wait=2").await?;
    let telling = stage.degraded("late").await?;
    stage.serves(&[("one", None), ("late", None)], LASTS).await?;
    mount.free()?;
    let healing = stage.all_healed(&["one", "late"], HEALING).await.with_context(|| daemon.log())?;
    daemon.kill().await?;
    let daemon = stage.start().await?;
    for session in ["one", "late"] {
        stage.living_token(session).await?;
        stage.rotate(session, "api%20write").await.context("the login is lost")?;
    }
    stage.stop(daemon).await?;
    stage.nothing_was_reused()?;
    Ok((telling, healing))
}
