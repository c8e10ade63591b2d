//! `fourinsightctl` on a terminal: a pseudo-terminal is all its standard streams, as for a person.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::Stdio,
    thread,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    pty::openpty,
    sys::termios::{LocalFlags, tcgetattr},
};
use tokio::{
    process::{Child, Command},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use super::{Home, TIME_LIMIT};

/// A command on a terminal of its own.
#[derive(Debug)]
pub struct Terminal {
    process: Child,
    keyboard: File,
    screen: UnboundedReceiver<Vec<u8>>,
    shown: Vec<u8>,
    /// Up to where somebody has read what was shown.
    read: usize,
}

/// What a command left behind on its terminal.
#[derive(Clone, Debug)]
pub struct Screen {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// All that was ever shown, what was typed and what was written over among it.
    pub shown: String,
    /// Whether the terminal shows what is typed, as it did before.
    pub echoes: bool,
}

impl Home {
    /// Runs `fourinsightctl` with these arguments on a terminal.
    pub fn on_a_terminal(&self, arguments: &[&str]) -> Result<Terminal> {
        let mut command = self.command(&self.programs().fourinsightctl);
        command.args(arguments);
        on_a_terminal(command)
    }

    /// Runs a shell on a terminal that is its own, as a person has one who has logged in: the terminal controls it,
    /// and the shell leads its session.
    pub fn log_in_on_a_terminal(&self) -> Result<Terminal> {
        let mut command = self.command("setsid");
        command.args(["--ctty", "sh", "-i"]).env("PS1", "").env_remove("ENV");
        on_a_terminal(command)
    }
}

fn on_a_terminal(mut command: Command) -> Result<Terminal> {
    let pair = openpty(None, None).context("there is no pseudo-terminal")?;
    // Only copies are not handed on to every process that is started: a daemon would keep the screen open.
    let (keyboard, screen) = (File::from(pair.master.try_clone()?), pair.slave.try_clone()?);
    drop(pair);
    let stream = || anyhow::Ok(Stdio::from(screen.try_clone()?));
    command.env("TERM", "xterm-256color");
    command.stdin(stream()?).stdout(stream()?).stderr(stream()?);
    let process = command.spawn()?;
    // The screen ends with the last one who can write to it, and that is to be the command.
    drop((command, screen));
    let mut end = keyboard.try_clone()?;
    let (sender, screen) = unbounded_channel();
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = end.read(&mut piece) {
            if sender.send(piece[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    Ok(Terminal { process, keyboard, screen, shown: vec![], read: 0 })
}

impl Terminal {
    /// Waits until this is shown, and gives what was shown before it since the last wait.
    pub async fn wait_for(&mut self, text: &str) -> Result<String> {
        loop {
            let unread = &self.shown[self.read..];
            if let Some(at) = unread.windows(text.len()).position(|window| window == text.as_bytes()) {
                let before = String::from_utf8_lossy(&unread[..at]).into_owned();
                self.read += at + text.len();
                return Ok(before);
            }
            let piece = timeout(TIME_LIMIT, self.screen.recv()).await;
            let Ok(Some(piece)) = piece else {
                bail!("{text:?} is not shown, but {}", String::from_utf8_lossy(&self.shown));
            };
            self.shown.extend(piece);
        }
    }

    /// Types a line, ended by the key Enter.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        Ok(self.keyboard.write_all(format!("{line}\r").as_bytes())?)
    }

    /// The command's process.
    pub fn id(&self) -> Result<u32> {
        self.process.id().context("the command has ended")
    }

    /// Waits for the command's end.
    pub async fn finish(mut self) -> Result<Screen> {
        let end = async {
            while let Some(piece) = self.screen.recv().await {
                self.shown.extend(piece);
            }
            self.process.wait().await
        };
        let status = timeout(TIME_LIMIT, end).await.context("the command does not end")??;
        let echoes = tcgetattr(&self.keyboard)?.local_flags.contains(LocalFlags::ECHO | LocalFlags::ICANON);
        Ok(Screen { code: status.code(), shown: String::from_utf8_lossy(&self.shown).into_owned(), echoes })
    }
}
