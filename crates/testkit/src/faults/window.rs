//! Our part of the window in which a death loses a login at a strict server: from the last byte of its answer read
//! until the raw answer is written. On a disk, for there a write may have to wait for others.
//!
//! It is measured twice: by a build with points, which takes the time itself and is held to the promise in a full run (a
//! quick one is a test, and no test may fail because the machine is busy); and by `strace` on the shipped build, which
//! is told only: each stop of the tracer, a dozen and more in this window, costs many times what the call itself does.
//!
//! The tracer also sees the order that a power cut would ask for, when everything is lost that was not synced: no
//! request leaves before its note is on the disk, and nobody is shown a token before its answer is.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use super::{
    Extent, Figure, Options,
    client::Client,
    mode::STRICT,
    stage::{self, Stage},
};
use crate::{
    practice::Settings,
    process::{Daemon, Start},
};

/// What is promised for ninety-nine of a hundred.
const PROMISE: Duration = Duration::from_millis(1);

/// How often it is measured until the promise is seen kept: what else the machine does can only add to a window.
const ATTEMPTS: usize = 3;

/// How many sessions refresh at once where they do.
const MANY: usize = 20;

pub(super) fn run(options: &Options) -> Result<Vec<Figure>> {
    let program = options.daemon_with_points.as_deref();
    let program =
        program.context("FOURINSIGHTD_WITH_POINTS_BIN names no daemon with the feature fault-points")?;
    let refreshes = options.count(300, 3000);
    stage::runtime()?.block_on(async {
        let mut figures = vec![
            measured(options.extent, "one at a time, by the build with points", async || {
                by_points(program, 1, refreshes).await
            })
            .await?,
            measured(options.extent, "twenty at once, by the build with points", async || {
                by_points(program, MANY, refreshes).await
            })
            .await?,
        ];
        let trace = by_strace(refreshes).await?;
        let windows = in_calls(&trace);
        ensure!(windows.len() >= refreshes, "only {} of {refreshes} refreshes were seen", windows.len());
        figures.push(told("one at a time, by strace on the shipped build, its stops included", &windows));
        let order = Order::of(&trace);
        ensure!(order.sent >= refreshes && order.shown >= refreshes, "too little was seen: {order:?}");
        figures.extend(order.figures());
        Ok(figures)
    })
}

/// What is measured: told in a quick run, and held to the promise in a full one.
async fn measured(
    extent: Extent,
    how: &str,
    mut measure: impl AsyncFnMut() -> Result<Vec<Duration>>,
) -> Result<Figure> {
    if extent == Extent::Quick {
        return Ok(told(how, &measure().await?));
    }
    let mut attempt = 1;
    loop {
        let measured = figure(how, &measure().await?);
        if measured.kept || attempt == ATTEMPTS {
            let detail = format!("{}, attempt {attempt}", measured.detail);
            return Ok(measured.with(detail));
        }
        attempt += 1;
    }
}

fn told(how: &str, windows: &[Duration]) -> Figure {
    let figure = figure(how, windows);
    Figure::told(figure.name, figure.measured).with(figure.detail)
}

fn figure(how: &str, windows: &[Duration]) -> Figure {
    let mut sorted = windows.to_vec();
    sorted.sort_unstable();
    let at =
        |share: usize| sorted.get(sorted.len().saturating_sub(1) * share / 100).copied().unwrap_or_default();
    let shown = |time: Duration| format!("{:.3} ms", time.as_secs_f64() * 1e3);
    let kept = !sorted.is_empty() && at(99) <= PROMISE;
    let name = format!("from the answer's last byte read to its write's end, p99, {how}");
    let rest = format!("{} refreshes, median {}, longest {}", sorted.len(), shown(at(50)), shown(at(100)));
    Figure::new(name, shown(at(99)), "at most 1 ms", kept).with(rest)
}

async fn stage(sessions: usize) -> Result<Arc<Stage>> {
    let settings = Settings { id_tokens: false, ..Settings::default() };
    Ok(Arc::new(Stage::signed_in(&std::env::temp_dir(), &STRICT, sessions, settings).await?))
}

/// Has every session refreshed, until the server has committed so many rotations.
async fn refresh(stage: &Arc<Stage>, rotations: usize) -> Result<()> {
    let clients = stage.sessions.iter().map(|session| {
        let (stage, session) = (Arc::clone(stage), session.clone());
        tokio::spawn(async move {
            let mut client = Client::new(Arc::clone(&stage), session);
            while stage.rotations() < rotations {
                client.refresh().await?;
            }
            anyhow::Ok(())
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    Ok(())
}

async fn by_points(program: &Path, sessions: usize, refreshes: usize) -> Result<Vec<Duration>> {
    let stage = stage(sessions).await?;
    let file = stage.home.path().join("points");
    let order = format!("record@{}", file.display());
    let daemon = stage.start_with_points(program, &order).await?.context("the daemon does not start")?;
    refresh(&stage, stage.rotations() + refreshes).await?;
    stop(daemon).await?;
    let windows = between(&fs::read_to_string(&file)?)?;
    ensure!(windows.len() >= refreshes, "only {} of {refreshes} refreshes were seen", windows.len());
    Ok(windows)
}

/// Answers are written in the order in which they were read: the first that is read is the first that is written.
fn between(record: &str) -> Result<Vec<Duration>> {
    let (mut read, mut windows) = (VecDeque::new(), Vec::new());
    for line in record.lines() {
        let (name, nanoseconds) = line.split_once(' ').context("a point without a time")?;
        let at = Duration::from_nanos(nanoseconds.parse()?);
        match name {
            "answer_read" => read.push_back(at),
            "raw_written" => {
                let start = read.pop_front().context("an answer was written that was not read")?;
                windows.push(at.saturating_sub(start));
            }
            _ => {}
        }
    }
    Ok(windows)
}

async fn by_strace(refreshes: usize) -> Result<String> {
    let stage = stage(1).await?;
    let file = stage.home.path().join("calls");
    let home = stage.home.command("strace");
    let mut command: Command = home;
    // As a process beside the daemon, so that the child of this one is the daemon itself.
    command
        .args(["-D", "-f", "-ttt", "-T", "-yy", "-s", "0", "-o"])
        .arg(&file)
        .args([
            "-e",
            concat!(
                "trace=",
                "read,readv,recvfrom,recvmsg,lseek,write,writev,sendto,pwrite64,",
                "connect,fdatasync,fsync"
            ),
        ])
        .arg(&stage.home.programs().fourinsightd);
    let daemon = match Daemon::launch_as(&stage.home, command).await? {
        Start::Ready(daemon) => daemon,
        Start::Exited(code, log) => anyhow::bail!("the daemon under strace ended with {code:?}:\n{log}"),
    };
    refresh(&stage, stage.rotations() + refreshes).await?;
    stop(daemon).await?;
    Ok(fs::read_to_string(&file)?)
}

/// From each end of a read of the server's answer to the end of the write into the answer's place of a slot.
fn in_calls(trace: &str) -> Vec<Duration> {
    let (mut read, mut windows) = (None, Vec::new());
    // Threads that stand at the answer's place of a slot, and those whose write has begun there.
    let mut there: Vec<&str> = Vec::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((start, call)) = rest.trim_start().split_once(' ') else { continue };
        let Ok(start) = start.parse::<f64>() else { continue };
        let took = call.rsplit_once('<').and_then(|(_, took)| took.strip_suffix('>')?.parse::<f64>().ok());
        let resumed = call.starts_with("<...");
        let end = if resumed { start } else { start + took.unwrap_or_default() };
        let is_unfinished = call.ends_with("<unfinished ...>");
        let result =
            call.rsplit_once(" = ").and_then(|(_, result)| result.split(' ').next()?.parse::<i64>().ok());
        if call.contains("<TCP:[127.0.0.1:")
            && result.is_some_and(|length| length > 0)
            && call.starts_with("re")
        {
            read = Some(end);
        } else if call.starts_with("lseek(") && call.contains("/journal/") {
            there.retain(|other| *other != thread);
            if result == Some(ANSWER_AT) {
                there.push(thread);
            }
        } else if (call.starts_with("write(") && call.contains("/journal/") || call.starts_with("<... write"))
            && !is_unfinished
            && there.contains(&thread)
        {
            there.retain(|other| *other != thread);
            // Room for an answer is cleared before anything is read.
            windows.extend(read.take().map(|read| Duration::from_secs_f64((end - read).max(0.0))));
        }
    }
    windows
}

/// What a trace says of the order of writes, syncs, requests and answers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Order {
    /// Requests, by their connections, of which each redemption has its own; and those that left too early.
    sent: usize,
    sent_early: usize,
    /// What local clients were written after an answer had come; and what too early.
    shown: usize,
    shown_early: usize,
}

impl Order {
    fn of(trace: &str) -> Self {
        let mut order = Self::default();
        // Slots with writes that are not synced, and those of them that hold an answer which has come.
        let (mut unsynced, mut unsynced_answers) = (BTreeSet::new(), BTreeSet::new());
        let (mut answered, mut syncing, mut at_answer) = (false, BTreeMap::new(), BTreeSet::new());
        for line in trace.lines() {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            let Some((_, call)) = rest.trim_start().split_once(' ') else { continue };
            let slot = call.split_once('<').and_then(|(_, file)| file.split_once('>')).map(|(file, _)| file);
            let slot = slot.filter(|file| file.contains("/journal/"));
            let has_failed = call.contains(" = -1 ");
            if call.starts_with("lseek(") && slot.is_some() {
                at_answer.remove(thread);
                if call.contains(&format!(", {ANSWER_AT}, SEEK_SET")) {
                    at_answer.insert(thread);
                }
            } else if let Some(slot) =
                slot.filter(|_| call.starts_with("write(") || call.starts_with("pwrite64("))
            {
                unsynced.insert(slot.to_owned());
                if answered && at_answer.remove(thread) {
                    unsynced_answers.insert(slot.to_owned());
                }
            } else if let Some(slot) =
                slot.filter(|_| call.starts_with("fdatasync(") || call.starts_with("fsync("))
            {
                if call.ends_with("<unfinished ...>") {
                    syncing.insert(thread, slot.to_owned());
                } else if !has_failed {
                    unsynced.remove(slot);
                    unsynced_answers.remove(slot);
                }
            } else if call.starts_with("<... fdatasync") || call.starts_with("<... fsync") {
                if let Some(slot) = syncing.remove(thread).filter(|_| !has_failed) {
                    unsynced.remove(&slot);
                    unsynced_answers.remove(&slot);
                }
            } else if call.starts_with("connect(") && call.contains("sa_family=AF_INET") {
                order.sent += 1;
                order.sent_early += usize::from(!unsynced.is_empty());
                answered = false;
            } else if call.starts_with("re") && call.contains("<TCP:[127.0.0.1:") && !has_failed {
                answered = true;
            } else if answered
                && call.contains("<UNIX-STREAM:")
                && !call.starts_with("re")
                && !call.starts_with("connect(")
            {
                order.shown += 1;
                order.shown_early += usize::from(!unsynced_answers.is_empty());
            }
        }
        order
    }

    fn figures(&self) -> [Figure; 2] {
        [
            Figure::none("requests sent before their note was synced, by strace", self.sent_early, self.sent),
            Figure::none(
                "tokens shown before their answer was synced, by strace",
                self.shown_early,
                self.shown,
            ),
        ]
    }
}

/// Where an answer stands in its slot.
const ANSWER_AT: i64 = 8192;

async fn stop(daemon: Daemon) -> Result<()> {
    let status = daemon.stop().await?;
    ensure!(status.success(), "the daemon ended with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_paired_in_their_order() {
        let record = "answer_begun 5\nanswer_read 10\nanswer_read 12\nraw_written 30\nraw_written 35\n";
        assert_eq!(between(record).unwrap(), [Duration::from_nanos(20), Duration::from_nanos(23)]);
        assert!(between("raw_written 3\n").is_err());
    }

    #[test]
    fn calls_are_followed_from_the_read_to_the_write() {
        let trace = "\
7 100.000000 lseek(9</h/journal/ab>, 8192, SEEK_SET) = 8192 <0.000010>
7 100.000100 write(9</h/journal/ab>, \"\"..., 4096) = 4096 <0.000010>
6 100.001000 recvfrom(8<TCP:[127.0.0.1:4->127.0.0.1:8]>, \"\"..., 8192, 0, NULL, NULL) = 700 <0.000100>
6 100.001200 recvfrom(8<TCP:[127.0.0.1:4->127.0.0.1:8]>, 0x7f, 8192, 0, NULL, NULL) = -1 EAGAIN (x) <0.000010>
7 100.001300 lseek(9</h/journal/ab>, 8192, SEEK_SET) = 8192 <0.000010>
7 100.001400 write(9</h/journal/ab>, \"\"..., 900 <unfinished ...>
6 100.001450 write(5<UNIX-STREAM:[1]>, \"\"..., 9) = 9 <0.000010>
7 100.001600 <... write resumed>) = 900 <0.000200>
";
        let windows = in_calls(trace);
        assert_eq!(windows.len(), 1);
        assert!((windows[0].as_secs_f64() - 0.0005).abs() < 1e-6, "{windows:?}");
    }

    #[test]
    fn what_leaves_before_it_is_synced_is_seen() {
        let sound = "\
7 1.0 lseek(9</h/journal/ab>, 8192, SEEK_SET) = 8192 <0.1>
7 1.1 write(9</h/journal/ab>, \"\"..., 4096) = 4096 <0.1>
7 1.2 lseek(9</h/journal/ab>, 4096, SEEK_SET) = 4096 <0.1>
7 1.3 write(9</h/journal/ab>, \"\"..., 300) = 300 <0.1>
7 1.4 fdatasync(9</h/journal/ab> <unfinished ...>
7 1.5 <... fdatasync resumed>) = 0 <0.1>
6 1.6 connect(8<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(8)}, 16) = -1 EINPROGRESS (x) <0.1>
6 1.7 recvfrom(8<TCP:[127.0.0.1:4->127.0.0.1:8]>, \"\"..., 8192, 0, NULL, NULL) = 700 <0.1>
7 1.8 lseek(9</h/journal/ab>, 8192, SEEK_SET) = 8192 <0.1>
7 1.9 write(9</h/journal/ab>, \"\"..., 900) = 900 <0.1>
7 2.0 fdatasync(9</h/journal/ab>) = 0 <0.1>
6 2.1 writev(5<UNIX-STREAM:[1]>, [{}], 2) = 900 <0.1>
";
        assert_eq!(Order::of(sound), Order { sent: 1, sent_early: 0, shown: 1, shown_early: 0 });
        let without = |place: &str| {
            sound
                .lines()
                .filter(|line| !line.contains(place))
                .fold(String::new(), |all, line| all + line + "\n")
        };
        let note_late = Order::of(&without("<... fdatasync"));
        assert_eq!((note_late.sent_early, note_late.shown_early), (1, 0));
        let answer_late = Order::of(&without(" 2.0 "));
        assert_eq!((answer_late.sent_early, answer_late.shown_early), (0, 1));
    }

    #[test]
    fn the_ninety_ninth_of_a_hundred_is_held_to_the_promise() {
        let mut windows = vec![Duration::from_micros(100); 99];
        windows.push(Duration::from_millis(50));
        assert!(figure("x", &windows).kept);
        windows.extend([Duration::from_millis(50); 2]);
        assert!(!figure("x", &windows).kept && !figure("x", &[]).kept);
    }
}
