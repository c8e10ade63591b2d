//! A script of `python/witness`: told what to do in one line of JSON, answering in lines of JSON.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{process::TIME_LIMIT, python};

/// A script that runs. It is killed when dropped.
#[derive(Debug)]
pub struct Script {
    name: String,
    process: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    complaints: PathBuf,
}

/// Where the scripts are.
pub(super) fn folder() -> PathBuf {
    python::folder().join("witness")
}

impl Script {
    /// Starts it in this home, where `ca.pem` is what it trusts.
    pub(super) async fn start(python: &Path, home: &Path, name: &str, given: &Value) -> Result<Self> {
        let complaints = home.join("stderr.log");
        let mut process = Command::new(python)
            // No `__pycache__` beside the scripts.
            .arg("-B")
            .arg(folder().join(format!("{name}.py")))
            .env_clear()
            .env("HOME", home)
            .env("LANG", "C.UTF-8")
            .env("REQUESTS_CA_BUNDLE", home.join("ca.pem"))
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&complaints)?)
            .kill_on_drop(true)
            .spawn()
            .context("the witnesses' Python cannot be started")?;
        let output = process.stdout.take().context("the script has no standard output")?;
        let input = process.stdin.take();
        let output = BufReader::new(output).lines();
        let mut script = Self { name: name.to_owned(), process, input, output, complaints };
        script.tell(&given.to_string()).await?;
        Ok(script)
    }

    /// Types a line at it.
    pub async fn tell(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("the script has no standard input")?;
        Ok(input.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// What it says next.
    pub async fn next(&mut self) -> Result<Value> {
        match self.line().await? {
            Some(line) => Ok(serde_json::from_str(&line)?),
            None => bail!("{} said no more:\n{}", self.name, self.complaints()),
        }
    }

    /// Waits for its end, insists on success, and gives what it said last.
    pub async fn finish(mut self) -> Result<Value> {
        // A script that waits for another line learns that there is none.
        drop(self.input.take());
        let mut last = Value::Null;
        while let Some(line) = self.line().await? {
            last = serde_json::from_str(&line)?;
        }
        let status =
            timeout(TIME_LIMIT, self.process.wait()).await.with_context(|| self.does_not("end"))??;
        ensure!(status.success(), "{} failed:\n{}", self.name, self.complaints());
        Ok(last)
    }

    async fn line(&mut self) -> Result<Option<String>> {
        let line = timeout(TIME_LIMIT, self.output.next_line()).await;
        Ok(line.with_context(|| self.does_not("answer"))??)
    }

    fn does_not(&self, what: &str) -> String {
        format!("{} does not {what}:\n{}", self.name, self.complaints())
    }

    fn complaints(&self) -> String {
        fs::read_to_string(&self.complaints).unwrap_or_default()
    }
}
