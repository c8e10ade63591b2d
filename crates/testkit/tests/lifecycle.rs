//! The daemon's life: started by a client or by hand, told to read its configuration again, stopped, killed, and
//! back with every session.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use fourinsight_ipc::message::{Health, TokenResponse};
use testkit::{
    browser::Answer,
    process::{Daemon, Home, Start, signal},
    provider::{Options, Provider},
    wait,
};
use tokio::task::JoinSet;

const SOON: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_cleanly_when_asked() {
    let home = Home::new("").unwrap();
    for name in ["TERM", "INT"] {
        let daemon = Daemon::start(&home).await.unwrap();
        assert_eq!(home.running_daemon(), Some(daemon.id().unwrap()));
        signal(daemon.id().unwrap(), name).unwrap();
        let status = daemon.ended().await.unwrap();
        assert_eq!(status.code(), Some(0), "after SIG{name}");
        assert_eq!(home.running_daemon(), None);
        assert!(!home.socket().exists(), "the socket is gone after SIG{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_starts_it_detached_and_it_stays() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new(&provider.config()).unwrap();
    let (login, _) = home.login(&[], &Answer::allow("ada")).await.unwrap();
    login.success().unwrap();

    let process = home.running_daemon().unwrap();
    let proc = Path::new("/proc").join(process.to_string());
    assert_eq!(fs::read_link(proc.join("cwd")).unwrap(), Path::new("/"));
    assert_eq!(fs::read_link(proc.join("fd/0")).unwrap(), Path::new("/dev/null"));
    let log = home.state_dir().join("daemon.log");
    assert_eq!(fs::read_link(proc.join("fd/2")).unwrap(), log);
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(session_of(&proc).unwrap(), process, "it leads a session of its own");

    let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
    assert!(provider.introspect(&token).await.unwrap().active);
    assert_eq!(home.running_daemon(), Some(process), "the token came from the same daemon");
    home.ctl(&["stop"]).await.unwrap().success().unwrap();
    assert_eq!(home.running_daemon(), None);
    let again = home.ctl(&["token"]).await.unwrap().success().unwrap();
    assert_eq!(again, token, "the stored token is served by the daemon that this request has started");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_clients_at_once_start_one_daemon() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new(&provider.config()).unwrap();
    home.login(&[], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    home.ctl(&["stop"]).await.unwrap().success().unwrap();
    let home = Arc::new(home);
    let mut asks = JoinSet::new();
    for _ in 0..10 {
        let home = Arc::clone(&home);
        asks.spawn(async move { home.ctl(&["token"]).await?.success() });
    }
    let mut tokens = asks.join_all().await.into_iter().collect::<Result<Vec<_>>>().unwrap();
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_a_stop_and_a_kill_without_a_request_to_the_server() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new(&provider.config()).unwrap();
    let mut daemon = Daemon::start(&home).await.unwrap();
    home.login(&["work"], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    let token = home.ctl(&["token", "work"]).await.unwrap().success().unwrap();
    let requests = provider.ledger().await.unwrap().token_requests.len();
    for end in ["stop", "kill"] {
        match end {
            "stop" => daemon.stop().await.unwrap(),
            _ => daemon.kill().await.unwrap(),
        };
        daemon = Daemon::start(&home).await.unwrap();
        let same = home.ctl(&["token", "work"]).await.unwrap().success().unwrap();
        assert_eq!(same, token, "after a {end}");
    }
    assert_eq!(provider.ledger().await.unwrap().token_requests.len(), requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_a_good_configuration_and_refuses_a_bad_one_whole() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new("").unwrap();
    let daemon = Daemon::start(&home).await.unwrap();

    home.write_config("default_profile = \"practice\"\n[profiles.practice]\nisuer = \"x\"\n").unwrap();
    daemon.reload().unwrap();
    let problems = wait::until("the problem in health", SOON, async || {
        Ok(Some(health(&home).await?.problems).filter(|problems| !problems.is_empty()))
    })
    .await
    .unwrap();
    assert!(problems.iter().any(|problem| problem.contains("config.toml:3")), "{problems:?}");
    let status = home.ctl(&["status"]).await.unwrap().success().unwrap();
    assert!(status.contains("degraded") && status.contains("config.toml:3"), "{status}");

    home.write_config(&provider.config()).unwrap();
    daemon.reload().unwrap();
    wait::until("an end of the problem", SOON, async || {
        Ok(health(&home).await?.problems.is_empty().then_some(()))
    })
    .await
    .unwrap();

    // A bad file at the start of a login leaves the good one in force too.
    home.write_config("nonsense = [").unwrap();
    home.login(&[], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    assert!(!health(&home).await.unwrap().problems.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_at_start_exits_78_and_says_where() {
    let home = Home::new("[profiles.work]\nisuer = \"https://id.example.com\"\n").unwrap();
    match Daemon::launch(&home, &[]).await.unwrap() {
        Start::Exited(code, log) => {
            assert_eq!(code, Some(78), "{log}");
            assert!(log.contains("config.toml") && log.contains('2') && log.contains("issuer"), "{log}");
        }
        Start::Ready(_) => panic!("the daemon has started"),
    }
    assert_eq!(home.running_daemon(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_without_a_runtime_folder_find_it_by_the_lock_file() {
    let home = Home::new("").unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    let status = home
        .command(&home.programs().fourinsightctl)
        .env_remove("XDG_RUNTIME_DIR")
        .args(["status", "--json"])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(status.stdout).unwrap();
    assert!(status.status.success(), "{text}");
    assert!(text.contains(&daemon.id().unwrap().to_string()), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_default_path_is_too_long_a_recorded_one_is_followed_all_the_same() {
    let home = Home::new("").unwrap();
    let long = home.path().join("x".repeat(120));
    let status = async || {
        let mut command = home.command(&home.programs().fourinsightctl);
        command.env("XDG_RUNTIME_DIR", &long).arg("status").output().await.unwrap()
    };
    let nowhere = status().await;
    assert_eq!(nowhere.status.code(), Some(78), "{nowhere:?}");
    let socket = home.path().join("short.sock");
    let started = Daemon::launch(&home, &["--socket", socket.to_str().unwrap()]).await.unwrap();
    let Start::Ready(_daemon) = started else { panic!("{started:?}") };
    let found = status().await;
    assert!(found.status.success(), "{found:?}");
    assert!(String::from_utf8_lossy(&found.stdout).contains("short.sock"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_whose_path_has_vanished_is_bound_again_and_a_log_that_has_grown_begun_anew() {
    let home = Home::new("").unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    // It serves, so it has looked once; what follows is seen by a later look.
    health(&home).await.unwrap();
    let log = home.state_dir().join("daemon.log");
    fs::write(&log, "x".repeat(2 << 20)).unwrap();
    // The folder goes too when a session's end or a cleaner empties the runtime folder.
    fs::remove_dir_all(home.socket().parent().unwrap()).unwrap();
    // Within 30 seconds, says the contract; a little more for a busy machine.
    let limit = Duration::from_secs(40);
    let health = wait::until("the socket", limit, async || Ok(health(&home).await.ok())).await.unwrap();
    assert_eq!(health.pid, daemon.id().unwrap());
    assert_eq!(fs::metadata(home.socket().parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(&log).unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_and_variables_move_every_place() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new("").unwrap();
    let place = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (config, state, socket) = (place("c.toml"), place("state"), place("here.sock"));
    fs::write(&config, provider.config()).unwrap();
    let everywhere = ["--config", &config, "--state-dir", &state, "--socket", &socket];
    let (login, _) = home.login(&everywhere, &Answer::allow("ada")).await.unwrap();
    login.success().unwrap();
    assert!(fs::metadata(Path::new(&state).join("broker.db")).is_ok());
    assert!(!home.state_dir().exists(), "nothing is written to the default place");

    let by_variables = home
        .command(&home.programs().fourinsightctl)
        .env("FOURINSIGHT_CONFIG", &config)
        .env("FOURINSIGHT_STATE_DIR", &state)
        .env("FOURINSIGHT_SOCKET", &socket)
        .args(["token", "--no-autostart", "--json"])
        .output()
        .await
        .unwrap();
    assert!(by_variables.status.success());
    let token: TokenResponse = serde_json::from_slice(&by_variables.stdout).unwrap();
    assert_eq!(token.session.as_str(), "default");
    let stop = [&["stop"][..], &everywhere].concat();
    home.ctl(&stop).await.unwrap().success().unwrap();
}

async fn health(home: &Home) -> Result<Health> {
    home.get("/v1/health").await?.json()
}

/// The session that a process belongs to: field 6 of its `stat`, the fourth after the parenthesised name.
fn session_of(proc: &Path) -> Result<u32> {
    let stat = fs::read_to_string(proc.join("stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("stat has no name")?;
    Ok(fields.split(' ').nth(3).context("stat is short")?.parse()?)
}
