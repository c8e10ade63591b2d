//! The daemon as a process: what it is told on its command line, what it keeps to itself, and how it ends.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use fourinsight_ipc::message::TokenResponse;
use serde_json::{Value, json};
use testkit::{
    browser::Answer,
    practice::{self, Gate, Practice, Settings, Verdict},
    process::{Daemon, Home, Start, signal},
};

/// The user that owns nothing.
const NOBODY: u32 = 65534;

#[tokio::test(flavor = "multi_thread")]
async fn it_logs_what_it_is_told_to() {
    for (arguments, variable, says, keeps_quiet) in [
        (&[][..], "", &[" INFO ", "ready"][..], &[" DEBUG "][..]),
        (&["--log", "debug"], "", &[" DEBUG ", "limit of open files", "ready"], &[" TRACE "]),
        (&["--log", "warn"], "", &[], &["ready"]),
        (&["--log", "warn,fourinsightd=info"], "", &["ready"], &[" DEBUG "]),
        (&["--log", "debug,fourinsightd=warn"], "", &[], &["ready", "limit of open files"]),
        (&[], "debug", &["limit of open files"], &[]),
        (&["--log", "warn"], "debug", &[], &["ready", "limit of open files"]),
        (&["--log", "off"], "", &[], &["ready"]),
    ] {
        let log = log_of_a_life(arguments, variable).await.unwrap();
        let context = format!("{arguments:?} {variable:?}:\n{log}");
        assert!(says.iter().all(|text| log.contains(text)), "{context}");
        assert!(!keeps_quiet.iter().any(|text| log.contains(text)), "{context}");
    }
    for foreign in ["hyper=trace", "loud", "info,debug"] {
        let home = Home::new("").unwrap();
        let started = Daemon::launch(&home, &["--log", foreign]).await.unwrap();
        let Start::Exited(code, text) = started else { panic!("{foreign} is taken") };
        assert_eq!(code, Some(2), "{foreign}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_logs_one_json_object_a_line_when_asked_to() {
    let log = log_of_a_life(&["--log-format", "json", "--log", "debug"], "").await.unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ready = lines.iter().find(|line| line["fields"]["message"] == "ready").unwrap();
    assert_eq!((&ready["level"], &ready["target"]), (&json!("INFO"), &json!("fourinsightd")));
    assert!(ready["fields"]["socket"].as_str().unwrap().ends_with("broker.sock"), "{ready}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_path_over_the_limit_is_refused_by_both_programs() {
    let home = Home::new("").unwrap();
    let path = home.path().join("x".repeat(120)).join("broker.sock").to_str().unwrap().to_owned();
    let Start::Exited(code, log) = Daemon::launch(&home, &["--socket", &path]).await.unwrap() else {
        panic!("it listens at a path that no socket can have")
    };
    assert!(code == Some(78) && log.contains("limit of") && log.contains("--socket"), "{code:?}: {log}");
    for command in ["status", "token"] {
        let output = home.ctl(&[command, "--socket", &path]).await.unwrap();
        assert_eq!(output.code, Some(78), "{output:?}");
        assert!(output.stderr.starts_with("error: ") && output.stderr.contains("limit of"), "{output:?}");
    }
    assert_eq!(home.running_daemon(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_started_on_a_state_that_another_one_holds_is_told_as_75() {
    let home = Home::new("").unwrap();
    let first = Daemon::start(&home).await.unwrap();
    let elsewhere = home.path().join("elsewhere.sock");
    let output = home.ctl(&["token", "--socket", elsewhere.to_str().unwrap()]).await.unwrap();
    assert_eq!(output.code, Some(75), "{output:?}");
    assert_eq!(home.running_daemon(), Some(first.id().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_twice_it_ends_before_the_server_has_answered_and_loses_nothing() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new(&format!(
        "[profiles.practice]\nissuer = \"{}\"\nclient_id = \"practice-client\"\n\
         scopes = \"openid profile offline_access api\"\n",
        serving.issuer
    ))
    .unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    home.login(&[], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    let first: TokenResponse = home.get("/v1/sessions/default/token").await.unwrap().json().unwrap();

    // The request reaches the server, which does nothing with it yet.
    let gate = Gate::new();
    practice.answer_next_token_requests([practice::Answer::status(503).held_by(&gate)]);
    let rejection = json!({ "token_id": first.token_id });
    assert_eq!(home.post("/v1/sessions/default/rejections", &rejection).await.unwrap().status, 202);
    gate.arrived(1).await;
    let process = daemon.id().unwrap();
    signal(process, "TERM").unwrap();
    testkit::wait::until("the stop", Duration::from_mins(1), async || {
        Ok(daemon.log().contains("stopping").then_some(()))
    })
    .await
    .unwrap();
    // To read the configuration is no reason to hurry.
    signal(process, "HUP").unwrap();
    assert_eq!(home.running_daemon(), Some(process), "it waits for the answer");
    signal(process, "TERM").unwrap();
    assert_eq!(daemon.ended().await.unwrap().code(), Some(0));
    gate.open();

    let _next = Daemon::start(&home).await.unwrap();
    let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
    assert!(matches!(practice.verdict(&token), Verdict::Live));
    assert_eq!(practice.ledger().most_redemptions(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_memory_is_its_own_and_its_descriptors_are_enough() {
    let home = Home::new("").unwrap();
    // Root may read everything, so what protects a user is looked at as a user.
    let is_root = nix::unistd::geteuid().is_root();
    let program = home.path().join("fourinsightd");
    let copied = home.command("cp").arg(&home.programs().fourinsightd).arg(&program).status().await.unwrap();
    assert!(copied.success());
    let mut words = vec!["-c", "ulimit -c unlimited; ulimit -Sn 256; exec \"$@\"", "sh"];
    let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
    if is_root {
        words.extend(["setpriv", &user, &group, "--clear-groups"]);
        for path in everything_below(home.path()).unwrap() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    let mut command = home.command("sh");
    command.args(words).arg(&program);
    let Start::Ready(daemon) = Daemon::launch_as(&home, command).await.unwrap() else { panic!("no daemon") };

    let proc = Path::new("/proc").join(daemon.id().unwrap().to_string());
    // The kernel gives the files of a process that leaves no core dump, and that only root may trace, to root.
    assert_eq!(
        fs::metadata(proc.join("environ")).unwrap().uid(),
        0,
        "others of this user may read its memory"
    );
    let limits = fs::read_to_string(proc.join("limits")).unwrap();
    assert_eq!(limit(&limits, "Max core file size").unwrap(), ["0", "0"]);
    let [soft, hard] = limit(&limits, "Max open files").unwrap().map(|text| text.parse::<u64>().unwrap());
    assert!(soft == hard || soft >= 8192, "{soft} of {hard}");
    assert!(soft > 256, "{soft} of {hard}");
}

/// What a daemon logs from its start to its end.
async fn log_of_a_life(arguments: &[&str], variable: &str) -> Result<String> {
    let home =
        Home::new("")?.with_variable("FOURINSIGHT_LOG", if variable.is_empty() { "info" } else { variable });
    let Start::Ready(daemon) = Daemon::launch(&home, arguments).await? else { anyhow::bail!("no daemon") };
    ensure!(daemon.stop().await?.success(), "the daemon failed");
    let mut logs = fs::read_dir(home.logs())?;
    let log = logs.next().context("no log")??.path();
    ensure!(logs.next().is_none(), "more than one log");
    Ok(fs::read_to_string(log)?)
}

/// The soft and the hard limit of this name.
fn limit<'a>(limits: &'a str, name: &str) -> Result<[&'a str; 2]> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name)).context("no such limit")?;
    let mut words = line.split_whitespace();
    Ok([words.next().context("no soft limit")?, words.next().context("no hard limit")?])
}

fn everything_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(everything_below(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}
