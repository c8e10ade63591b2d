//! The baselines: echo servers on a Unix socket that answer every request with as many bytes as the daemon does,
//! blocking with a thread for each connection, or on tokio as the daemon is. They are programs of their own
//! (`bench-baseline`), so that their processor time can be told from the bench's.

use std::{
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    str::FromStr,
    thread,
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The program, built beside the bench.
const PROGRAM: &str = "bench-baseline";

/// Which echo server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A thread for each connection, blocking calls.
    Blocking,
    /// One thread, tokio.
    Tokio,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Tokio => "tokio",
        }
    }
}

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = [Self::Blocking, Self::Tokio].into_iter().find(|kind| kind.name() == name);
        found.context("a baseline is `blocking` or `tokio`")
    }
}

/// How many bytes a request has, and how many its answer.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Of the request.
    pub request: usize,
    /// Of the answer.
    pub answer: usize,
}

/// Serves until the process ends; `ready` is called once it listens.
pub fn serve(kind: Kind, socket: &Path, sizes: Sizes, ready: impl FnOnce() -> Result<()>) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    ready()?;
    match kind {
        Kind::Blocking => {
            for stream in listener.incoming() {
                let stream = stream?;
                thread::spawn(move || echo(stream, sizes));
            }
            Ok(())
        }
        Kind::Tokio => {
            listener.set_nonblocking(true)?;
            // The daemon has one thread, too.
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
                let listener = tokio::net::UnixListener::from_std(listener)?;
                loop {
                    let (stream, _) = listener.accept().await?;
                    tokio::spawn(echo_on_tokio(stream, sizes));
                }
            })
        }
    }
}

/// An echo server as a process; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Baseline {
    process: Child,
    pub(super) socket: PathBuf,
}

impl Baseline {
    /// Starts one, its socket in this folder.
    pub(super) fn start(kind: Kind, folder: &Path, sizes: Sizes) -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name(PROGRAM);
        ensure!(
            program.is_file(),
            "{} is missing; build it: cargo build --release -p testkit",
            program.display()
        );
        let socket = folder.join(kind.name()).with_extension("sock");
        let mut process = Command::new(program)
            .arg(kind.name())
            .arg(&socket)
            .args([sizes.request.to_string(), sizes.answer.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a baseline cannot be started")?;
        let mut ready = [0];
        let output = process.stdout.as_mut().context("a baseline has no standard output")?;
        if output.read(&mut ready)? == 0 {
            bail!("a baseline has ended before it was ready");
        }
        Ok(Self { process, socket })
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn echo(mut stream: UnixStream, sizes: Sizes) -> io::Result<()> {
    let answer = vec![b'x'; sizes.answer];
    let mut buffer = [0; 4096];
    let mut received = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => received += count,
        }
        while received >= sizes.request {
            received -= sizes.request;
            stream.write_all(&answer)?;
        }
    }
}

async fn echo_on_tokio(mut stream: tokio::net::UnixStream, sizes: Sizes) -> io::Result<()> {
    let answer = vec![b'x'; sizes.answer];
    let mut buffer = [0; 4096];
    let mut received = 0;
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => received += count,
        }
        while received >= sizes.request {
            received -= sizes.request;
            stream.write_all(&answer).await?;
        }
    }
}
