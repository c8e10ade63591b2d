//! `fourinsightctl` as a person uses it.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, ChildStderr},
    time::timeout,
};

use super::{Home, TIME_LIMIT};
use crate::{
    browser::{Answer, Browser, Landing},
    http::Response,
};

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Insists on exit code 0, and gives its standard output without the final newline.
    pub fn success(self) -> Result<String> {
        ensure!(self.code == Some(0), "exit code {:?}: {}{}", self.code, self.stdout, self.stderr);
        Ok(self.stdout.trim_end().to_owned())
    }

    /// Insists on exit code 0 and JSON on standard output.
    pub fn json<T: DeserializeOwned>(self) -> Result<T> {
        Ok(serde_json::from_str(&self.success()?)?)
    }
}

/// A `login` under way: it has printed the authorization URI and waits.
#[derive(Debug)]
pub struct Login {
    /// What it asks the person to open.
    pub authorization_uri: String,
    process: Child,
    stderr: BufReader<ChildStderr>,
    /// What it printed on standard error so far.
    said: String,
}

/// A `login` of the device flow under way: it has printed the address and the code, and waits.
#[derive(Debug)]
pub struct DeviceLogin {
    /// What it asks the person to enter.
    pub user_code: String,
    /// The command; what it printed as an address is where the code is entered.
    pub login: Login,
}

impl DeviceLogin {
    /// Enters the code as a person does, and gives what the command makes of it and the page they see last.
    pub async fn connect(self, answer: &Answer) -> Result<(Output, Response)> {
        let uri = &self.login.authorization_uri;
        let page = Browser::new().connect_device(uri, &self.user_code, answer).await?;
        Ok((self.login.finish().await?, page))
    }
}

impl Home {
    /// Runs `fourinsightctl` with these arguments to its end.
    pub async fn ctl(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command(&self.programs().fourinsightctl);
        let output = timeout(TIME_LIMIT, command.args(arguments).output())
            .await
            .with_context(|| format!("fourinsightctl {arguments:?} does not end"))??;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ok(Output { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// Runs `fourinsightctl login --no-browser` with these arguments until it prints the authorization URI.
    pub async fn begin_login(&self, arguments: &[&str]) -> Result<Login> {
        let mut process = self
            .command(&self.programs().fourinsightctl)
            .args(["login", "--no-browser"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stderr = BufReader::new(process.stderr.take().context("login has no standard error")?);
        let mut said = String::new();
        let announced = async {
            loop {
                let start = said.len();
                if stderr.read_line(&mut said).await? == 0 {
                    bail!("login ended before it named an authorization URI:\n{said}");
                }
                let line = said[start..].trim();
                if line.starts_with("http://") || line.starts_with("https://") {
                    return Ok(line.to_owned());
                }
            }
        };
        let authorization_uri =
            timeout(TIME_LIMIT, announced).await.context("login names no authorization URI")??;
        Ok(Login { authorization_uri, process, stderr, said })
    }

    /// Runs `fourinsightctl login --flow device` with these arguments until it prints the code to enter.
    pub async fn begin_device_login(&self, arguments: &[&str]) -> Result<DeviceLogin> {
        let mut login = self.begin_login(&[&["--flow", "device"], arguments].concat()).await?;
        let mut next_line = async || -> Result<String> {
            let start = login.said.len();
            ensure!(login.stderr.read_line(&mut login.said).await? > 0, "login ended:\n{}", login.said);
            Ok(login.said[start..].trim().to_owned())
        };
        let lines = async { Ok::<_, anyhow::Error>((next_line().await?, next_line().await?)) };
        let (_, user_code) = timeout(TIME_LIMIT, lines).await.context("login names no user code")??;
        Ok(DeviceLogin { user_code, login })
    }

    /// A whole login: `fourinsightctl login`, the server's forms, the redirect, and the command's end.
    pub async fn login(&self, arguments: &[&str], answer: &Answer) -> Result<(Output, Landing)> {
        let login = self.begin_login(arguments).await?;
        let landing = Browser::new().sign_in(&login.authorization_uri, answer).await?;
        Ok((login.finish().await?, landing))
    }
}

impl Login {
    /// The command's process.
    pub fn id(&self) -> Result<u32> {
        self.process.id().context("login has ended")
    }

    /// Types a line at the prompt.
    pub async fn type_line(&mut self, line: &str) -> Result<()> {
        use tokio::io::AsyncWriteExt as _;
        let input = self.process.stdin.as_mut().context("login has no standard input")?;
        Ok(input.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// Waits for the command's end.
    pub async fn finish(mut self) -> Result<Output> {
        let mut stdout = self.process.stdout.take().context("login has no standard output")?;
        let mut printed = String::new();
        let end = async {
            let (said, printed) =
                tokio::join!(self.stderr.read_to_string(&mut self.said), stdout.read_to_string(&mut printed));
            said?;
            printed?;
            anyhow::Ok(self.process.wait().await?)
        };
        let status = timeout(TIME_LIMIT, end).await.context("login does not end")??;
        Ok(Output { code: status.code(), stdout: printed, stderr: self.said })
    }
}
