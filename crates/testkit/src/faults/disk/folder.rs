//! Somebody takes the state folder's files away from a running daemon, or the right to write to them; and a folder that
//! cannot be written from the start.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    block_on,
    mount::{self, Mount},
    stage::{HEALING, LONG, Stage},
    tally::{self, Case},
};
use crate::{
    faults::{Figure, Options},
    process::Daemon,
    wait,
};

/// How long the daemon may take to notice by itself that its files are not there any more.
const NOTICING: Duration = Duration::from_secs(40);

/// The campaign.
pub fn run(_: &Options) -> Result<Vec<Figure>> {
    block_on(async {
        let mut taken: Vec<(String, Case)> = vec![("the journal".to_owned(), Box::pin(without_journal()))];
        for left in [Left::Nothing, Left::Another, Left::NoJournal] {
            taken.push((format!("the database: {left:?}"), Box::pin(without_database(left))));
        }
        let mut refused: Vec<(String, Case)> =
            vec![("the journal, for a while".to_owned(), Box::pin(without_rights()))];
        let mut figures = Vec::new();
        if mount::is_possible() {
            refused.push(("all of it, from the start".to_owned(), Box::pin(read_only())));
        } else {
            figures.push(super::skipped("this process may not mount"));
        }
        figures.extend(tally::all("files taken away", taken).await);
        figures.extend(tally::all("no right to write", refused).await);
        Ok(figures)
    })
}

/// Two sessions that were renewed.
async fn signed_in(stage: &Stage) -> Result<Daemon> {
    let daemon = stage.start().await?;
    for session in ["one", "two"] {
        stage.sign_in(session).await?;
        stage.rotate(session, "api").await?;
    }
    Ok(daemon)
}

/// They are there after a start, and can be renewed.
async fn are_there(stage: &Stage, scope: &str) -> Result<()> {
    for session in ["one", "two"] {
        stage.living_token(session).await.context("the login is lost")?;
        stage.rotate(session, scope).await.context("the login is lost")?;
    }
    stage.nothing_was_reused()
}

async fn without_journal() -> Result<(Duration, Duration)> {
    let stage = Stage::new(LONG).await?;
    let daemon = signed_in(&stage).await?;
    fs::remove_dir_all(stage.home.state_dir().join("journal"))?;
    stage.rotate("one", "read").await.with_context(|| daemon.log())?;
    let healing = stage.healed("one", HEALING).await?;
    daemon.kill().await?;
    let daemon = stage.start().await?;
    are_there(&stage, "write").await?;
    stage.stop(daemon).await?;
    Ok((Duration::ZERO, healing))
}

/// What is left where the database was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// A file that is no database.
    Another,
    /// Not even the journal.
    NoJournal,
}

/// A daemon tells that its database is gone, and a stop and a start find every session; so does a SIGKILL after it has
/// told.
async fn without_database(left: Left) -> Result<(Duration, Duration)> {
    let stage = Stage::new(LONG).await?;
    let mut daemon = signed_in(&stage).await?;
    for scope in ["read", "write"] {
        take_away(&stage, left)?;
        let told = wait::until("word of the database's end", NOTICING, async || {
            let health: serde_json::Value = stage.home.get("/v1/health").await?.json()?;
            Ok(health["problems"].to_string().contains("broker.db").then_some(()))
        });
        told.await.with_context(|| daemon.log())?;
        if scope == "read" {
            stage.stop(daemon).await?;
        } else {
            stage.rotate("one", "read%20write").await?;
            stage.all_healed(&["one", "two"], HEALING).await?;
            daemon.kill().await?;
        }
        daemon = stage.start().await?;
        are_there(&stage, scope).await?;
    }
    // A stop at once writes what is not there any more, too.
    take_away(&stage, left)?;
    stage.stop(daemon).await?;
    let daemon = stage.start().await?;
    are_there(&stage, "api%20write").await?;
    stage.stop(daemon).await?;
    Ok((Duration::ZERO, Duration::ZERO))
}

fn take_away(stage: &Stage, left: Left) -> Result<()> {
    let folder = stage.home.state_dir();
    for found in fs::read_dir(&folder)? {
        let path = found?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("broker.db") {
            fs::remove_file(path)?;
        } else if name == "journal" && left == Left::NoJournal {
            fs::remove_dir_all(path)?;
        }
    }
    if left == Left::Another {
        fs::write(folder.join("broker.db"), "somebody else's")?;
    }
    Ok(())
}

/// The journal's folder is closed, even to root, whose power over files is taken from the daemon first.
async fn without_rights() -> Result<(Duration, Duration)> {
    let stage = Stage::new(LONG).await?;
    let mut command = stage.home.command("setpriv");
    if nix::unistd::geteuid().is_root() {
        command.arg("--bounding-set=-dac_override,-dac_read_search");
    }
    command.arg(&stage.home.programs().fourinsightd);
    let daemon = stage.try_to_start(command).await?.context("it refuses to start")?;
    stage.sign_in("one").await?;
    stage.rotate("one", "api").await?;
    let token = stage.living_token("one").await?;
    let journal = stage.home.state_dir().join("journal");
    fs::set_permissions(&journal, Permissions::from_mode(0o000))?;
    stage.ask("one", "scope=read&wait=1").await?;
    let telling = stage.degraded("one").await?;
    stage.serves(&[("one", Some(&token))], Duration::from_secs(2)).await?;
    fs::set_permissions(&journal, Permissions::from_mode(0o700))?;
    let healing = stage.healed("one", HEALING).await.with_context(|| daemon.log())?;
    stage.rotate("one", "write").await?;
    stage.stop(daemon).await?;
    stage.nothing_was_reused()?;
    Ok((telling, healing))
}

/// With files open for writing the kernel refuses to make a file system read-only, so that happens between two runs;
/// what happens to a running daemon is tried by failing calls.
async fn read_only() -> Result<(Duration, Duration)> {
    let stage = Stage::new(LONG).await?;
    let mount = Mount::new(&stage.home.state_dir(), "size=4m")?;
    let daemon = signed_in(&stage).await?;
    ensure!(mount.remount("ro").is_err(), "the daemon has no file open");
    stage.stop(daemon).await?;
    mount.remount("ro")?;
    let daemon = stage.try_to_start(stage.daemon()).await?;
    ensure!(daemon.is_none(), "it starts where nothing can be written");
    mount.remount("rw")?;
    let daemon = stage.start().await?;
    are_there(&stage, "read").await?;
    stage.stop(daemon).await?;
    Ok((Duration::ZERO, Duration::ZERO))
}
