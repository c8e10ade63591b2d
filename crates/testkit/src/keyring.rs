//! A real keyring: `gnome-keyring-daemon` on a session bus of its own, both in a home of the tests. Nothing reaches
//! the keyring of whoever runs them.

use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::{Child, Command},
    time::timeout,
};

use crate::{
    process::{Home, TIME_LIMIT, signal},
    wait,
};

const PASSWORD: &str = "correct horse";
const COLLECTION: &str = "/org/freedesktop/secrets/collection/login";

/// The session bus of a home, where programs look for it when no variable names another. It starts no service by
/// itself. It is gone when dropped.
#[derive(Debug)]
pub struct SessionBus {
    _process: Child,
}

impl SessionBus {
    /// Starts the bus of this home and returns when it listens.
    pub async fn start(home: &Home) -> Result<Self> {
        let (socket, config) = (home.runtime_dir().join("bus"), home.path().join("bus.conf"));
        let text = format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
             <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            socket.display()
        );
        fs::write(&config, text)?;
        let mut bus = home.command("dbus-daemon");
        bus.arg("--nofork").arg("--config-file").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let process = bus.spawn().context("no dbus-daemon; `cargo xtask tools` installs it")?;
        wait::until("the session bus", TIME_LIMIT, async || {
            Ok(UnixStream::connect(&socket).await.ok().map(drop))
        })
        .await?;
        Ok(Self { _process: process })
    }
}

/// A keyring on the bus of a home. Its secrets stay in the home when it ends; it ends when dropped.
#[derive(Debug)]
pub struct Keyring {
    process: Child,
    bus: String,
    control: PathBuf,
}

impl Keyring {
    /// Starts a keyring that is unlocked; the first one of a home makes its default collection.
    pub async fn unlocked(home: &Home) -> Result<Self> {
        let mut keyring = Self::spawn(home, &["--unlock"])?;
        let mut input = keyring.process.stdin.take().context("the keyring has no standard input")?;
        input.write_all(PASSWORD.as_bytes()).await?;
        drop(input);
        keyring.until_locked(home, false).await?;
        Ok(keyring)
    }

    /// Starts a keyring that is locked, of a home that has had an unlocked one.
    pub async fn locked(home: &Home) -> Result<Self> {
        let mut keyring = Self::spawn(home, &[])?;
        drop(keyring.process.stdin.take());
        keyring.until_locked(home, true).await?;
        Ok(keyring)
    }

    /// Unlocks it, as a login to the desktop does: by its control socket.
    pub async fn unlock(&self) -> Result<()> {
        const UNLOCK: u32 = 1;
        let mut control = UnixStream::connect(&self.control).await?;
        let length = u32::try_from(PASSWORD.len())?;
        let mut request = vec![0];
        for number in [12 + length, UNLOCK, length] {
            request.extend(number.to_be_bytes());
        }
        request.extend(PASSWORD.as_bytes());
        control.write_all(&request).await?;
        let mut answer = [0; 8];
        timeout(TIME_LIMIT, control.read_exact(&mut answer))
            .await
            .context("the keyring does not unlock")??;
        ensure!(answer == [0, 0, 0, 8, 0, 0, 0, 0], "the keyring refuses to unlock: {answer:?}");
        Ok(())
    }

    /// Locks it.
    pub async fn lock(&self, home: &Home) -> Result<()> {
        let collection = format!("array:objpath:{COLLECTION}");
        let lock = ["/org/freedesktop/secrets", "org.freedesktop.Secret.Service.Lock", &collection];
        ensure!(self.call(home, &lock).await?.is_some(), "the keyring refuses to lock");
        self.until_locked(home, true).await
    }

    /// Makes it hang: it keeps its name on the bus and answers nothing.
    pub fn hang(&self) -> Result<()> {
        signal(self.process.id().context("the keyring has ended")?, "STOP")
    }

    /// Lets it go on.
    pub fn go_on(&self) -> Result<()> {
        signal(self.process.id().context("the keyring has ended")?, "CONT")
    }

    /// Kills it.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }

    /// The key that it holds for the daemon, as another program is told; empty when it holds none.
    pub async fn key(&self, home: &Home) -> Result<Vec<u8>> {
        let mut tool = home.command("secret-tool");
        let output = timeout(TIME_LIMIT, tool.args(["lookup", "service", "fourinsightd"]).output()).await;
        Ok(output.context("secret-tool does not end")??.stdout)
    }

    /// How many keys it holds for the daemon.
    pub async fn keys(&self, home: &Home) -> Result<usize> {
        let search = "org.freedesktop.Secret.Service.SearchItems";
        let ours = ["/org/freedesktop/secrets", search, "dict:string:string:service,fourinsightd"];
        let found = self.call(home, &ours).await?.context("the keyring refuses to search")?;
        Ok(found.matches("object path").count())
    }

    fn spawn(home: &Home, arguments: &[&str]) -> Result<Self> {
        let mut command: Command = home.command("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().context("no gnome-keyring-daemon; `cargo xtask tools` installs it")?;
        let bus = format!("--bus=unix:path={}", home.runtime_dir().join("bus").display());
        Ok(Self { process, bus, control: home.runtime_dir().join("keyring/control") })
    }

    async fn until_locked(&self, home: &Home, locked: bool) -> Result<()> {
        let property = [
            COLLECTION,
            "org.freedesktop.DBus.Properties.Get",
            "string:org.freedesktop.Secret.Collection",
            "string:Locked",
        ];
        let answer = format!("boolean {locked}");
        wait::until(&format!("a keyring that says locked: {locked}"), TIME_LIMIT, async || {
            let said = self.call(home, &property).await?;
            Ok(said.filter(|said| said.contains(&answer)).map(drop))
        })
        .await
    }

    /// What the keyring answers to a call; `None` when it refuses.
    async fn call(&self, home: &Home, what: &[&str]) -> Result<Option<String>> {
        let mut call = home.command("dbus-send");
        call.args([&self.bus, "--dest=org.freedesktop.secrets", "--print-reply", "--reply-timeout=5000"]);
        let output = timeout(Duration::from_secs(10), call.args(what).output()).await;
        let output = output.context("dbus-send does not end")?.context("no dbus-send")?;
        Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}
