//! The daemon's clocks against the kernel's: it is held still (SIGSTOP) for longer than its tokens live, and started
//! where the clock since the machine's start shows other days (a time namespace). The wall clock cannot be moved for one
//! process alone; what that does is tried in virtual time.

use std::{process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{
    block_on,
    stage::{HEALING, Stage},
};
use crate::{
    faults::{Figure, Options},
    practice::Verdict,
    process::signal,
};

/// How many sessions sleep.
const SESSIONS: [&str; 3] = ["one", "two", "three"];

/// Ten days, in seconds.
const TEN_DAYS: &str = "864000";

/// The campaign.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    let (life, held) = match options.count(0, 1) {
        0 => (5, 8),
        _ => (20, 30),
    };
    block_on(async {
        let mut figures = held_still(Duration::from_secs(life), Duration::from_secs(held)).await?;
        figures.push(if has_time_namespaces() {
            other_days(Duration::from_secs(life)).await?
        } else {
            super::skipped("this process may not make a time namespace")
        });
        Ok(figures)
    })
}

/// Whoever asks a daemon that has just woken gets a living token, and each session is renewed once for that.
async fn held_still(life: Duration, held: Duration) -> Result<Vec<Figure>> {
    let stage = Stage::new(life).await?;
    let daemon = stage.start().await?;
    for session in SESSIONS {
        stage.sign_in(session).await?;
    }
    signal(daemon.id()?, "STOP")?;
    let before = stage.practice.ledger().refreshes().len();
    tokio::time::sleep(held).await;
    signal(daemon.id()?, "CONT")?;
    let mut dead = 0;
    for session in SESSIONS {
        let answer = stage.ask(session, "wait=30").await?;
        ensure!(answer.status == 200, "{session} has no token: {}", answer.text());
        let answer: serde_json::Value = answer.json()?;
        let token = answer["access_token"].as_str().context("no access token")?;
        dead += usize::from(stage.practice.verdict(token) != Verdict::Live);
    }
    let renewed = stage.practice.ledger().refreshes().len() - before;
    stage.all_healed(&SESSIONS, HEALING).await?;
    stage.stop(daemon).await?;
    stage.nothing_was_reused()?;
    let promise = format!("at most {} (one and one extra)", 2 * SESSIONS.len());
    Ok(vec![
        Figure::none(format!("held still for {held:?}: stale tokens served"), dead, SESSIONS.len()),
        Figure::new(
            format!("held still for {held:?}: renewals of {} sessions", SESSIONS.len()),
            renewed.to_string(),
            promise,
            (SESSIONS.len()..=2 * SESSIONS.len()).contains(&renewed),
        ),
    ])
}

/// Records say when by the wall clock: the other one may show anything at the next start.
async fn other_days(life: Duration) -> Result<Figure> {
    let stage = Stage::new(life).await?;
    let daemon = stage.start().await?;
    stage.sign_in("one").await?;
    stage.stop(daemon).await?;
    let before = stage.practice.ledger().refreshes().len();
    for is_later in [true, false] {
        let mut command = stage.home.command("unshare");
        command.args(["--time", "--boottime", TEN_DAYS, "--monotonic", TEN_DAYS]);
        command.arg(&stage.home.programs().fourinsightd);
        let command = if is_later { command } else { stage.daemon() };
        let daemon = stage.try_to_start(command).await?.context("it refuses to start")?;
        let answer = stage.ask("one", "wait=30").await?;
        ensure!(answer.status == 200, "no token: {}", answer.text());
        stage.living_token("one").await?;
        stage.stop(daemon).await?;
    }
    let renewed = stage.practice.ledger().refreshes().len() - before;
    stage.nothing_was_reused()?;
    let name = "started ten days later by the boot clock, and back: renewals";
    Ok(Figure::new(name, renewed.to_string(), "at most 2", renewed <= 2))
}

fn has_time_namespaces() -> bool {
    let output = Command::new("unshare").args(["--time", "--boottime", "1", "true"]).output();
    output.is_ok_and(|output| output.status.success())
}
