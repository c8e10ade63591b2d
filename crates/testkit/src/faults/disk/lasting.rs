//! Every call on some of the daemon's files fails for a while: on the database, its log, the journal, the key and the
//! lock, or all of them. What was signed in before, and who signs in meanwhile, is served; when the disk works again
//! everything is on it within seconds, which a SIGKILL shows.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{
    block_on,
    stage::{HEALING, LONG, Stage},
    strace::{self, Refusal},
    tally::{self, Case},
};
use crate::{
    faults::{Figure, Options},
    process::signal,
};

/// Those that last. A call that is interrupted again and again is not a disk's doing.
const ERRORS: [&str; 5] = ["ENOSPC", "EIO", "EROFS", "EDQUOT", "EMFILE"];

/// How long the disk refuses.
const LASTS: Duration = Duration::from_secs(3);

/// Which files.
#[derive(Clone, Copy, Debug)]
enum Place {
    Everything,
    Log,
    Journal,
    Database,
    KeyAndLock,
}

impl Place {
    const ALL: [Self; 5] = [Self::Everything, Self::Log, Self::Journal, Self::Database, Self::KeyAndLock];

    fn files(self, stage: &Stage) -> Vec<PathBuf> {
        let folder = stage.home.state_dir();
        let named = |names: &[&str]| names.iter().map(|name| folder.join(name)).collect::<Vec<_>>();
        match self {
            Self::Everything => strace::files(stage, &SESSIONS),
            Self::Log => named(&["broker.db-wal"]),
            Self::Database => named(&["broker.db"]),
            Self::KeyAndLock => named(&["broker.key", "broker.lock"]),
            Self::Journal => {
                let journal = folder.join("journal");
                let slots = SESSIONS.map(|session| strace::slot(&journal, session));
                let aside = slots.clone().map(|slot| slot.with_extension("new"));
                slots.into_iter().chain(aside).chain([journal]).collect()
            }
        }
    }

    /// Whether a renewal cannot do without: the database's own file is written when its log is emptied, which can wait.
    fn is_needed(self) -> bool {
        matches!(self, Self::Everything | Self::Log | Self::Journal)
    }
}

/// Who was signed in before, and who signs in while the disk refuses.
const SESSIONS: [&str; 2] = ["before", "meanwhile"];

/// The campaign.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    if !strace::is_usable() {
        return Ok(vec![super::skipped("strace is not there, or this is not root")]);
    }
    let errors: &'static [&'static str] = &ERRORS[..options.count(2, ERRORS.len())];
    let mut lasting: Vec<(String, Case)> = Vec::new();
    let mut stops: Vec<(String, Case)> = Vec::new();
    for error in errors {
        for place in Place::ALL {
            lasting.push((format!("{error} on {place:?}"), Box::pin(case(error, place))));
        }
        stops.push(((*error).to_owned(), Box::pin(stop(error))));
    }
    block_on(async {
        let mut figures = tally::all("the disk refuses for 3 s", lasting).await;
        figures.extend(tally::all("a stop while the disk refuses", stops).await);
        Ok(figures)
    })
}

/// One place, one error. How long it took to tell, and to heal.
async fn case(error: &'static str, place: Place) -> Result<(Duration, Duration)> {
    let stage = Stage::new(LONG).await?;
    let daemon = stage.start().await?;
    stage.sign_in("before").await?;
    stage.rotate("before", "api").await?;
    let token = stage.living_token("before").await?;

    let refusal = Refusal::begin(&stage, &daemon, &place.files(&stage), error).await?;
    let mut telling = Duration::ZERO;
    let acts = async {
        // What comes of it is for the disk to decide.
        stage.ask("before", "scope=read&wait=1").await?;
        if place.is_needed() {
            telling = stage.degraded("before").await?;
        }
        stage.sign_in("meanwhile").await.context("a login needs the disk")?;
        stage.serves(&[("before", Some(&token)), ("meanwhile", None)], LASTS).await
    };
    acts.await.with_context(|| format!("while the disk refuses; the daemon says:\n{}", daemon.log()))?;
    refusal.end().await?;

    let healing = stage.all_healed(&SESSIONS, HEALING).await;
    let healing = healing.with_context(|| format!("the daemon says:\n{}", daemon.log()))?;
    stage.rotate("before", "write").await?;
    stage.rotate("meanwhile", "api").await?;
    stage.all_healed(&SESSIONS, HEALING).await?;
    daemon.kill().await?;
    let daemon = stage.start().await?;
    for session in SESSIONS {
        stage.living_token(session).await?;
        stage.rotate(session, "api%20write").await.context("the login is lost")?;
    }
    stage.stop(daemon).await?;
    stage.nothing_was_reused()?;
    Ok((telling, healing))
}

/// A login that only memory holds, and a stop: it waits until the disk works again.
async fn stop(error: &'static str) -> Result<(Duration, Duration)> {
    let stage = Stage::new(LONG).await?;
    let daemon = stage.start().await?;
    let refusal = Refusal::begin(&stage, &daemon, &Place::Everything.files(&stage), error).await?;
    stage.sign_in("meanwhile").await?;
    let telling = stage.degraded("meanwhile").await?;
    signal(daemon.id()?, "TERM")?;
    let (ended, let_go) = tokio::join!(daemon.ended(), async {
        tokio::time::sleep(LASTS).await;
        refusal.end().await
    });
    let_go?;
    ensure!(ended?.code() == Some(0), "it did not end in order");
    let daemon = stage.start().await?;
    stage.living_token("meanwhile").await.context("the login is lost")?;
    stage.rotate("meanwhile", "api").await?;
    stage.stop(daemon).await?;
    Ok((telling, Duration::ZERO))
}
