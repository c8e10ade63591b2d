//! As a service: a socket handed over by systemd, readiness told to it, and the unit and agent files.

use std::{fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use fourinsight_ipc::{message::Health, platform};
use serde_json::{Value, json};
use testkit::{
    process::{Daemon, Home, Start},
    wait,
};
use tokio::net::UnixDatagram;

const SOON: Duration = Duration::from_mins(1);
const SYSTEMD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../systemd");
const LAUNCHD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../launchd");

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hands_over_the_socket_and_hears_when_it_is_ready_and_when_it_stops() {
    let home = Home::new("").unwrap();
    platform::private_folder(home.socket().parent().unwrap()).unwrap();
    let notified = home.path().join("notify");
    let notifications = UnixDatagram::bind(&notified).unwrap();
    let mut activate = home.command("systemd-socket-activate");
    activate.arg("--listen").arg(home.socket());
    for (name, value) in
        [("HOME", home.path()), ("XDG_RUNTIME_DIR", &home.runtime_dir()), ("NOTIFY_SOCKET", &notified)]
    {
        activate.arg(format!("--setenv={name}={}", value.display()));
    }
    activate.arg(&home.programs().fourinsightd);
    // It becomes the daemon at the first connection.
    let (launched, health) = tokio::join!(Daemon::launch_as(&home, activate), first_connection(&home));
    let Start::Ready(daemon) = launched.unwrap() else { panic!("the daemon has ended") };
    assert_eq!(health.unwrap().pid, daemon.id().unwrap());
    told(&notifications, "READY=1").await.unwrap();

    assert!(daemon.stop().await.unwrap().success());
    told(&notifications, "STOPPING=1").await.unwrap();
    assert!(home.socket().exists(), "the socket is systemd's to remove");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_told_without_a_socket_of_systemd_too() {
    let home = Home::new("").unwrap();
    let notified = home.path().join("notify");
    let notifications = UnixDatagram::bind(&notified).unwrap();
    let mut command = home.command(&home.programs().fourinsightd);
    command.env("NOTIFY_SOCKET", &notified);
    let started = Daemon::launch_as(&home, command).await.unwrap();
    assert!(matches!(started, Start::Ready(_)), "{started:?}");
    told(&notifications, "READY=1").await.unwrap();
}

#[tokio::test]
async fn the_units_are_verified_by_systemd_without_a_word() {
    let home = Home::new("").unwrap();
    // %h/.cargo/bin is where `cargo install` puts the daemon.
    let bin = home.path().join(".cargo/bin");
    fs::create_dir_all(&bin).unwrap();
    fs::copy(&home.programs().fourinsightd, bin.join("fourinsightd")).unwrap();
    let output = home
        .command("systemd-analyze")
        .args(["--user", "--man=no", "verify"])
        .args(["fourinsightd.service", "fourinsightd.socket"].map(|unit| Path::new(SYSTEMD).join(unit)))
        .stdout(Stdio::piped())
        .output()
        .await
        .unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn the_units_say_what_the_daemon_needs() {
    let service = fs::read_to_string(Path::new(SYSTEMD).join("fourinsightd.service")).unwrap();
    let socket = fs::read_to_string(Path::new(SYSTEMD).join("fourinsightd.socket")).unwrap();
    for line in ["Type=notify", "Restart=on-failure", "ExecStart=%h/.cargo/bin/fourinsightd"] {
        assert!(service.lines().any(|found| found == line), "{line}");
    }
    for line in ["ListenStream=%t/fourinsight/broker.sock", "SocketMode=0600", "DirectoryMode=0700"] {
        assert!(socket.lines().any(|found| found == line), "{line}");
    }
    let stop: u64 = value(&service, "TimeoutStopSec").unwrap().parse().unwrap();
    assert!(stop > 60, "above the HTTP time-out of 60 s");
    let final_codes = value(&service, "RestartPreventExitStatus").unwrap();
    assert!(
        final_codes.split(' ').any(|code| code == "75") && final_codes.split(' ').any(|code| code == "78")
    );
    assert!(value(&service, "StateDirectory").is_err(), "every way of starting finds the same sessions");
}

#[tokio::test]
async fn the_launch_agent_is_read_and_says_what_it_should() {
    let agent = Path::new(LAUNCHD).join("com.fourinsight.fourinsightd.plist");
    let read = "import json, plistlib, sys; json.dump(plistlib.load(open(sys.argv[1], 'rb')), sys.stdout)";
    let output =
        tokio::process::Command::new("python3").args(["-c", read]).arg(&agent).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut agent: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stop = agent["ExitTimeOut"].take().as_u64().unwrap();
    assert!(stop > 60, "above the HTTP time-out of 60 s");
    let expected = [
        ("Label", json!("com.fourinsight.fourinsightd")),
        ("ProgramArguments", json!(["HOME_FOLDER/.cargo/bin/fourinsightd"])),
        ("RunAtLoad", json!(true)),
        ("KeepAlive", json!({ "SuccessfulExit": false })),
        ("ThrottleInterval", json!(10)),
        ("ExitTimeOut", Value::Null),
        ("ProcessType", json!("Background")),
        ("LimitLoadToSessionType", json!(["Aqua", "Background"])),
        ("Umask", json!(0o077)),
        ("SoftResourceLimits", json!({ "Core": 0, "NumberOfFiles": 8192 })),
        ("HardResourceLimits", json!({ "Core": 0, "NumberOfFiles": 8192 })),
        ("AbandonProcessGroup", json!(false)),
        ("StandardErrorPath", json!("HOME_FOLDER/Library/Logs/fourinsightd.log")),
    ];
    let expected: serde_json::Map<_, _> =
        expected.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    assert_eq!(agent, Value::Object(expected));
}

async fn first_connection(home: &Home) -> Result<Health> {
    wait::until("the socket", SOON, async || Ok(home.socket().exists().then_some(()))).await?;
    home.get("/v1/health").await?.json()
}

/// Waits until systemd's end of the conversation has heard this.
async fn told(notifications: &UnixDatagram, what: &str) -> Result<()> {
    let heard = async {
        let mut text = [0; 4096];
        loop {
            let length = notifications.recv(&mut text).await?;
            if String::from_utf8_lossy(&text[..length]).lines().any(|line| line == what) {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(SOON, heard).await.with_context(|| format!("{what} was not told"))?
}

fn value<'a>(unit: &'a str, key: &str) -> Result<&'a str> {
    let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.with_context(|| format!("no {key}"))
}
