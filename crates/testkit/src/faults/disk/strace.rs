//! The calls of a daemon on its own files, counted, or made to fail, by strace.
//!
//! Only calls that name one of the files, or a descriptor of one, count: not those of the loader, of sockets, or of
//! the wake-ups between threads, which no disk can make fail. strace counts for each thread by itself.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use ring::digest;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::stage::Stage;
use crate::process::{Daemon, TIME_LIMIT, signal};

/// The calls by which files are opened, written, synced, renamed, resized, linked and removed.
pub(super) const CALLS: [&str; 14] = [
    "openat",
    "open",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "renameat2",
    "ftruncate",
    "fallocate",
    "unlink",
    "unlinkat",
    "link",
    "linkat",
];

/// What a disk, or whoever rations it, answers.
pub(super) const ERRORS: [&str; 6] = ["ENOSPC", "EIO", "EROFS", "EDQUOT", "EINTR", "EMFILE"];

/// Whether strace is there and may follow the daemon, which lets no one but root look into it.
pub(super) fn is_usable() -> bool {
    let strace = std::process::Command::new("strace").arg("--version").output();
    strace.is_ok_and(|output| output.status.success()) && nix::unistd::geteuid().is_root()
}

/// The files of a stage whose sessions have these names.
pub(super) fn files(stage: &Stage, sessions: &[&str]) -> Vec<PathBuf> {
    let folder = stage.home.state_dir();
    let journal = folder.join("journal");
    let mut files = vec![folder.clone(), journal.clone()];
    for name in ["db", "db-wal", "db-journal", "db-shm", "key", "key.new", "lock"] {
        files.push(folder.join(format!("broker.{name}")));
    }
    for session in sessions {
        let slot = slot(&journal, session);
        files.extend([slot.with_extension("new"), slot]);
    }
    files
}

/// A session's slot in the journal.
pub(super) fn slot(journal: &Path, session: &str) -> PathBuf {
    let digest = digest::digest(&digest::SHA256, session.as_bytes());
    let nibble = |bits: u8| char::from(b"0123456789abcdef"[usize::from(bits & 15)]);
    let name: String = digest.as_ref().iter().flat_map(|byte| [nibble(byte >> 4), nibble(*byte)]).collect();
    journal.join(name)
}

/// The daemon under strace, which is its grandchild and writes to `log`, with a call made to fail or none.
pub(super) fn daemon(stage: &Stage, files: &[PathBuf], log: &Path, inject: Option<&str>) -> Command {
    let mut command = stage.home.command("strace");
    command.args(["-D", "-f", "-qqq", "--seccomp-bpf", "--signal=none", "-o"]).arg(log);
    for file in files {
        command.arg("-P").arg(file);
    }
    match inject {
        None => command.arg(format!("--trace={}", CALLS.map(|call| format!("?{call}")).join(","))),
        Some(inject) => {
            let call = inject.split(':').next().unwrap_or(inject);
            command.arg(format!("--trace={call}")).arg(format!("--inject={inject}"))
        }
    };
    command.arg(&stage.home.programs().fourinsightd);
    command
}

/// The most calls of each kind that one thread made, by what strace has written.
pub(super) fn most_calls(log: &Path) -> Result<BTreeMap<&'static str, usize>> {
    let text = fs::read_to_string(log).context("strace has written nothing")?;
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in text.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        if let Some((name, _)) = call.trim_start().split_once('(') {
            *counts.entry((thread, name)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, name), count) in counts {
        if let Some(call) = CALLS.iter().find(|call| **call == name) {
            let most = most.entry(*call).or_default();
            *most = count.max(*most);
        }
    }
    Ok(most)
}

/// How many calls were made to fail, by what strace has written.
pub(super) fn injected(log: &Path) -> usize {
    fs::read_to_string(log).unwrap_or_default().matches("(INJECTED)").count()
}

/// A running daemon whose calls on some files all fail, until [`Refusal::end`].
pub(super) struct Refusal {
    strace: Child,
}

impl Refusal {
    /// From now on every call on these files fails with this error.
    pub(super) async fn begin(
        stage: &Stage,
        daemon: &Daemon,
        files: &[PathBuf],
        error: &str,
    ) -> Result<Self> {
        let calls = CALLS.map(|call| format!("?{call}")).join(",");
        let mut command = stage.home.command("strace");
        command.args(["-f", "--signal=none", "-o"]).arg(stage.home.logs().join("refusal"));
        for file in files {
            command.arg("-P").arg(file);
        }
        command.arg(format!("--trace={calls}")).arg(format!("--inject={calls}:error={error}"));
        command.args(["-p", &daemon.id()?.to_string()]).stderr(Stdio::piped());
        let mut strace = command.spawn().context("strace cannot be started")?;
        let mut said = BufReader::new(strace.stderr.take().context("strace says nothing")?).lines();
        let attached = timeout(TIME_LIMIT, said.next_line()).await.context("strace does not attach")??;
        ensure!(attached.as_deref().is_some_and(|line| line.contains("attached")), "strace: {attached:?}");
        // It goes on speaking, and must find somebody who listens.
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        Ok(Self { strace })
    }

    /// The calls work again.
    pub(super) async fn end(mut self) -> Result<()> {
        signal(self.strace.id().context("strace has ended")?, "INT")?;
        timeout(TIME_LIMIT, self.strace.wait()).await.context("strace does not let go")??;
        Ok(())
    }
}
