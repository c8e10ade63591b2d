//! Every call of the daemon on its files fails once, with every error that a disk has: while it starts on an empty
//! folder, signs in, rotates and revokes, and while it starts on what that left, and rotates again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use super::{
    block_on,
    stage::{LONG, Stage},
    strace::{self, ERRORS},
    tally::AT_ONCE,
};
use crate::{
    faults::{Extent, Figure, Options},
    process::Daemon,
};

/// The session that must be kept, and the one that is revoked.
const SESSIONS: [&str; 2] = ["kept", "gone"];

/// How many cases of a quick run there are for each kind of call.
const QUICK: usize = 6;

/// What is promised of the healing.
const HEALED: Duration = Duration::from_secs(5);

/// How long it is waited for.
const LIMIT: Duration = Duration::from_secs(10);

/// One call that fails: which kind, how, and which of its thread.
#[derive(Clone, Copy, Debug)]
struct Fault {
    call: &'static str,
    error: &'static str,
    when: usize,
}

/// What one case came to.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    /// Starts that were refused, in words.
    refused: usize,
    /// Calls that were made to fail.
    injected: usize,
    /// Cases that made one fail.
    hit: usize,
    slowest: Duration,
}

/// The campaign.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    if !strace::is_usable() {
        return Ok(vec![super::skipped("strace is not there, or this is not root")]);
    }
    block_on(sweep(options.extent))
}

async fn sweep(extent: Extent) -> Result<Vec<Figure>> {
    let began = Instant::now();
    let reach = reach().await?;
    let faults = faults(&reach, extent);
    let (places, mut running) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for fault in faults {
        let places = Arc::clone(&places);
        running.spawn_local(async move {
            let _place = places.acquire_owned().await;
            (fault, case(fault).await)
        });
    }
    let (mut tried, mut sum, mut broken) = (0, Outcome::default(), BTreeSet::new());
    for (fault, outcome) in running.join_all().await {
        tried += 1;
        match outcome {
            Ok(outcome) => {
                sum.refused += outcome.refused;
                sum.injected += outcome.injected;
                sum.hit += usize::from(outcome.injected > 0);
                sum.slowest = sum.slowest.max(outcome.slowest);
            }
            Err(error) => {
                broken.insert(format!("{} {} {}: {error:#}", fault.call, fault.error, fault.when));
            }
        }
    }
    let calls = reach.iter().map(|(call, most)| format!("{call} {most}")).collect::<Vec<_>>().join(", ");
    let first = broken.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    Ok(vec![
        Figure::none("one call fails: logins lost, or the daemon ended", broken.len(), tried).with(first),
        Figure::told("one call fails: calls made to fail", sum.injected.to_string())
            .with(format!("calls of one thread: {calls}; in {:.0?}", began.elapsed())),
        // Which thread takes which call, and how many it takes, is not the same each time: some cases come to none.
        Figure::new(
            "one call fails: cases that made one fail",
            format!("{} of {tried}", sum.hit),
            "more than half",
            2 * sum.hit > tried,
        ),
        Figure::told("one call fails: starts refused, with the reason", sum.refused.to_string()),
        Figure::new(
            "one call fails: slowest healing",
            format!("{:.1?}", sum.slowest),
            "at most 5 s",
            sum.slowest <= HEALED,
        ),
    ])
}

/// How many calls of each kind one thread makes in a case, counted without a fault.
async fn reach() -> Result<BTreeMap<&'static str, usize>> {
    let stage = Stage::new(LONG).await?;
    let files = strace::files(&stage, &SESSIONS);
    let mut most = BTreeMap::new();
    for (log, part) in ["first", "second"].into_iter().zip([Part::First, Part::Second]) {
        let log = stage.home.logs().join(log);
        let command = strace::daemon(&stage, &files, &log, None);
        let daemon = stage.try_to_start(command).await?.context("it refuses to start under strace")?;
        part.play(&stage, daemon).await?;
        for (call, count) in strace::most_calls(&log)? {
            let most = most.entry(call).or_default();
            *most = count.max(*most);
        }
    }
    ensure!(most.contains_key("openat"), "strace saw no call");
    Ok(most)
}

fn faults(reach: &BTreeMap<&'static str, usize>, extent: Extent) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (&call, &most) in reach {
        // Which thread takes which call is not the same each time.
        let most = most + 2;
        match extent {
            Extent::Full => {
                for error in ERRORS {
                    faults.extend((1..=most).map(|when| Fault { call, error, when }));
                }
            }
            Extent::Quick => {
                let step = most.div_ceil(QUICK).max(1);
                let spread = (1..=most).step_by(step).zip(ERRORS.iter().cycle());
                faults.extend(spread.map(|(when, &error)| Fault { call, error, when }));
            }
        }
    }
    faults
}

/// Both parts with a fault, and then a start without one: the login is there, and can be renewed.
async fn case(fault: Fault) -> Result<Outcome> {
    let stage = Stage::new(LONG).await?;
    let mut outcome = Outcome::default();
    for part in [Part::First, Part::Second] {
        let log = stage.home.logs().join("strace");
        let daemon = if let Some(daemon) = under(&stage, fault, &log).await? {
            daemon
        } else {
            outcome.refused += 1;
            stage.start().await.context("after a refused start")?
        };
        outcome.slowest = outcome.slowest.max(part.play(&stage, daemon).await?);
        outcome.injected += strace::injected(&log);
    }
    let daemon = stage.start().await?;
    stage.living_token("kept").await?;
    stage.rotate("kept", "read%20write").await.context("the login is lost")?;
    let gone = stage.home.get("/v1/sessions/gone").await?;
    ensure!(gone.status == 404, "what was revoked is back: {}", gone.text());
    stage.stop(daemon).await?;
    stage.nothing_was_reused()?;
    Ok(outcome)
}

async fn under(stage: &Stage, Fault { call, error, when }: Fault, log: &Path) -> Result<Option<Daemon>> {
    let files = strace::files(stage, &SESSIONS);
    let inject = format!("{call}:error={error}:when={when}");
    stage.try_to_start(strace::daemon(stage, &files, log, Some(&inject))).await
}

/// What the daemon is asked for between a start and a stop.
#[derive(Clone, Copy)]
enum Part {
    First,
    Second,
}

impl Part {
    /// Plays it, and ends the daemon. How long the session took to be well at the end.
    async fn play(self, stage: &Stage, daemon: Daemon) -> Result<Duration> {
        let played = self.acts(stage).await;
        let slowest = played.with_context(|| format!("the daemon says:\n{}", daemon.log()))?;
        stage.stop(daemon).await?;
        Ok(slowest)
    }

    async fn acts(self, stage: &Stage) -> Result<Duration> {
        match self {
            Self::First => {
                stage.sign_in("kept").await?;
                stage.sign_in("gone").await?;
                stage.rotate("kept", "api").await?;
                stage.rotate("gone", "api").await?;
                stage.rotate("kept", "read").await?;
                stage.revoke("gone").await?;
            }
            Self::Second => {
                stage.living_token("kept").await?;
                stage.rotate("kept", "write").await?;
                stage.rotate("kept", "api%20read").await?;
            }
        }
        stage.living_token("kept").await?;
        stage.healed("kept", LIMIT).await
    }
}
