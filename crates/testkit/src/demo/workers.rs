//! The programs that ask, each a process of its own: `fourinsightctl token`, `curl --unix-socket`, and a program on
//! the client crate. None of them may start a daemon: the demo's end would be another one's beginning.

use std::{env, future::Future, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    sync::{mpsc, watch},
    task::JoinSet,
};
use url::Url;

use super::{
    ask::{Ask, Called, REST},
    stage::Stage,
};

/// The kinds of program, in the order of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Command,
    Curl,
    Client,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Command, Self::Curl, Self::Client];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Command => "fourinsightctl token",
            Self::Curl => "curl --unix-socket",
            Self::Client => "Rust, the client crate",
        }
    }
}

/// How many of each kind work at a time.
const OF_EACH_KIND: usize = 2;

/// Longer than a renewal takes, and shorter than patience.
const CURL_TIME_LIMIT: &str = "30";

/// The program on the client crate, built beside this one.
const CLIENT_PROGRAM: &str = "demo-client";

/// All who work. Dropped, their processes end.
pub(super) struct Workers {
    asks: mpsc::UnboundedReceiver<(Kind, Ask)>,
    tasks: JoinSet<Result<()>>,
    stop: watch::Sender<bool>,
}

/// Finds curl, or says how to get it.
pub(super) fn find_curl() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join("curl"))
        .find(|file| file.is_file())
        .context("the demo asks with curl, too, and there is none; install it: sudo apt-get install curl")
}

/// Sets all of them to work.
pub(super) fn start(stage: &Stage) -> Result<Workers> {
    let (sender, asks) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let mut workers = Workers { asks, tasks: JoinSet::new(), stop };
    let hands = Hands::of(stage)?;
    for _ in 0..OF_EACH_KIND {
        let (ctl, curl) = (hands.clone(), hands.clone());
        workers.tasks.spawn(keep_asking(Kind::Command, sender.clone(), stopped.clone(), move || {
            let hands = ctl.clone();
            async move { hands.ask_with_command().await }
        }));
        workers.tasks.spawn(keep_asking(Kind::Curl, sender.clone(), stopped.clone(), move || {
            let hands = curl.clone();
            async move { hands.ask_with_curl().await }
        }));
        let client = hands.start_client(stage)?;
        workers.tasks.spawn(listen(client, sender.clone(), stopped.clone()));
    }
    Ok(workers)
}

/// Calls the API with a token by curl.
pub(super) async fn call_with_curl(stage: &Stage, access_token: &str) -> Result<Called> {
    Hands::of(stage)?.call(&format!("Authorization: Bearer {access_token}")).await
}

impl Workers {
    /// The next ask that was made.
    pub(super) async fn next(&mut self) -> Result<(Kind, Ask)> {
        tokio::select! {
            Some(ended) = self.tasks.join_next() => {
                ended??;
                bail!("a worker has ended before its time")
            }
            ask = self.asks.recv() => ask.context("all workers have ended before their time"),
        }
    }

    /// Lets everyone finish what they are at, and returns the asks that were still unseen.
    pub(super) async fn finish(mut self) -> Result<Vec<(Kind, Ask)>> {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        let mut asks = Vec::new();
        while let Ok(ask) = self.asks.try_recv() {
            asks.push(ask);
        }
        Ok(asks)
    }
}

/// Asks, rests and asks again.
async fn keep_asking<F: Future<Output = Result<u64>>>(
    kind: Kind,
    asks: mpsc::UnboundedSender<(Kind, Ask)>,
    mut stopped: watch::Receiver<bool>,
    ask: impl Fn() -> F,
) -> Result<()> {
    loop {
        asks.send((kind, ask().await.into()))?;
        if tokio::time::timeout(REST, stopped.wait_for(|stopped| *stopped)).await.is_ok() {
            return Ok(());
        }
    }
}

/// Hears a client program until it ends, which it does when its standard input does.
async fn listen(
    mut client: Child,
    asks: mpsc::UnboundedSender<(Kind, Ask)>,
    mut stopped: watch::Receiver<bool>,
) -> Result<()> {
    let output = client.stdout.take().context("the client program has no standard output")?;
    let mut lines = BufReader::new(output).lines();
    let mut input = client.stdin.take();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => asks.send((Kind::Client, serde_json::from_str(&line)?))?,
                None => break,
            },
            _ = stopped.wait_for(|stopped| *stopped), if input.is_some() => input = None,
        }
    }
    let status = client.wait().await?;
    ensure!(status.success() && input.is_none(), "the client program ended with {status}");
    Ok(())
}

/// What the workers use.
#[derive(Clone)]
struct Hands {
    curl: PathBuf,
    ctl: PathBuf,
    socket: PathBuf,
    runtime_dir: PathBuf,
    home: PathBuf,
    api: Url,
}

impl Hands {
    fn of(stage: &Stage) -> Result<Self> {
        Ok(Self {
            curl: find_curl()?,
            ctl: stage.home.programs().fourinsightctl.clone(),
            socket: stage.home.socket(),
            runtime_dir: stage.home.runtime_dir(),
            home: stage.home.path().to_owned(),
            api: stage.api()?,
        })
    }

    async fn ask_with_command(&self) -> Result<u64> {
        let mut command = Command::new(&self.ctl);
        command.args(["token", "--header", "--no-autostart"]);
        command.env_clear().env("HOME", &self.home).env("XDG_RUNTIME_DIR", &self.runtime_dir);
        let header = run(&mut command, "").await?;
        self.call(header.trim_end()).await?.left()
    }

    async fn ask_with_curl(&self) -> Result<u64> {
        #[derive(serde::Deserialize)]
        struct Token {
            access_token: String,
        }
        let mut curl = self.curl();
        curl.arg("--fail-with-body").arg("--unix-socket").arg(&self.socket);
        let answer = run(curl.arg("http://localhost/v1/sessions/default/token"), "").await?;
        let token: Token = serde_json::from_str(&answer).context("the daemon answered no token")?;
        self.call(&format!("Authorization: Bearer {}", token.access_token)).await?.left()
    }

    /// The header goes through standard input: arguments can be read by every process of the machine.
    async fn call(&self, header: &str) -> Result<Called> {
        let mut curl = self.curl();
        curl.args(["--header", "@-", "--write-out", "\n%{http_code}"]).arg(self.api.as_str());
        let printed = run(&mut curl, header).await?;
        let (body, status) = printed.rsplit_once('\n').context("curl wrote no status")?;
        Ok(Called { status: status.trim().parse()?, body: body.to_owned() })
    }

    fn start_client(&self, stage: &Stage) -> Result<Child> {
        let program = env::current_exe()?.with_file_name(CLIENT_PROGRAM);
        ensure!(
            program.is_file(),
            "{} is missing; build it: cargo build -p testkit --bins",
            program.display()
        );
        let mut client = stage.home.command(program);
        client.arg(self.api.as_str()).stdin(Stdio::piped()).stdout(Stdio::piped());
        client.spawn().context("the client program cannot be started")
    }

    fn curl(&self) -> Command {
        let mut curl = Command::new(&self.curl);
        // No settings of the person's, and no proxy between this machine and itself.
        curl.args(["--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", CURL_TIME_LIMIT]);
        curl.env_clear();
        curl
    }
}

/// Runs a program to its end, with this on its standard input.
async fn run(command: &mut Command, input: &str) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("a worker cannot be started")?;
    let mut pipe = child.stdin.take().context("a worker has no standard input")?;
    // A program that ends without reading says why in another way.
    let _ = pipe.write_all(input.as_bytes()).await;
    drop(pipe);
    let output = tokio::time::timeout(Duration::from_mins(1), child.wait_with_output())
        .await
        .context("a worker does not end")??;
    ensure!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(String::from_utf8(output.stdout)?)
}
