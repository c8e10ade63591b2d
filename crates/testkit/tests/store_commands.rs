//! `fourinsightctl store` with the real programs: a look over the store, a new key under a serving daemon and under one
//! that is killed, a backup that moves to another home, and a passphrase that nobody sees.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use fourinsight_ipc::message::{RestoreResponse, StoreCheck};
use testkit::{
    practice::{Settings, Transport, Verdict},
    process::{Daemon, Home, Terminal},
    world::World,
};

const PASSPHRASE: &str = "correct horse battery staple";

/// A server, and a daemon with somebody signed in.
async fn signed_in() -> World {
    let world = World::over(Transport::Plain, Settings::default(), "").await.unwrap();
    world.sign_in().await.unwrap();
    world
}

fn write_passphrase(home: &Home) -> String {
    let path = home.path().join("passphrase");
    fs::write(&path, format!("{PASSPHRASE}\n")).unwrap();
    path.display().to_string()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn ctl(home: &Home, arguments: &[&str]) -> String {
    home.ctl(arguments).await.unwrap().success().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_is_wrong_and_exits_accordingly() {
    let world = signed_in().await;
    let home = &world.home;
    let sound = ctl(home, &["store", "check"]).await;
    assert!(sound.starts_with("The store is sound: 1 session"), "{sound}");
    let key = home.state_dir().join("broker.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let found = home.ctl(&["store", "check", "--json"]).await.unwrap();
    assert_eq!(found.code, Some(1));
    let check: StoreCheck = serde_json::from_str(&found.stdout).unwrap();
    assert!(!check.sound && check.problems.len() == 1, "{check:?}");
    assert!(check.problems[0].contains("broker.key") && check.problems[0].contains("open to others"));
    assert!(found.stderr.contains("error: the store has a problem; "), "{}", found.stderr);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    ctl(home, &["store", "check"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_disturbs_nobody_and_outlives_a_kill() {
    let world = signed_in().await;
    let home = &world.home;
    let key = home.state_dir().join("broker.key");
    let (old, token) = (fs::read(&key).unwrap(), ctl(home, &["token"]).await);
    let said = ctl(home, &["store", "rekey", "--to", "file"]).await;
    assert!(said.contains("1 session is sealed under it"), "{said}");
    assert_ne!(fs::read(&key).unwrap(), old);
    assert_eq!(mode(&key), 0o600);
    assert!(!home.files().unwrap().iter().any(|(_, bytes)| bytes.windows(32).any(|part| part == old)));
    assert_eq!(ctl(home, &["token"]).await, token);
    let World { practice, serving: _serving, home, daemon } = world;
    daemon.kill().await.unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    assert_eq!(ctl(&home, &["token"]).await, token);
    assert_eq!(practice.verdict(&token), Verdict::Live);
    ctl(&home, &["store", "check"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_with_a_passphrase_brings_a_session_to_another_home() {
    let world = signed_in().await;
    let home = &world.home;
    let token = ctl(home, &["token"]).await;
    let (file, passphrase) = (home.path().join("sessions.backup"), write_passphrase(home));
    let backup = ["store", "backup", file.to_str().unwrap(), "--passphrase-file", &passphrase];
    let said = ctl(home, &backup).await;
    assert!(said.starts_with("1 session backed up to "), "{said}");
    assert_eq!(mode(&file), 0o600);
    let sealed = fs::read(&file).unwrap();
    let iterations: [u8; 4] = sealed[12..16].try_into().unwrap();
    assert!(u32::from_be_bytes(iterations) >= 600_000);
    assert!(!sealed.windows(7).any(|part| part == b"default"));
    let refused = home.ctl(&backup).await.unwrap();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert_eq!(fs::read(&file).unwrap(), sealed, "a backup that is there stays");
    let World { practice: _practice, serving: _serving, home, daemon } = world;
    daemon.stop().await.unwrap();

    let other = Home::new(&fs::read_to_string(home.config()).unwrap()).unwrap();
    let daemon = Daemon::start(&other).await.unwrap();
    let path = file.to_str().unwrap();
    let needed = other.ctl(&["store", "restore", path]).await.unwrap();
    assert_eq!(needed.code, Some(2));
    assert!(needed.stderr.contains("sealed under a passphrase"), "{}", needed.stderr);
    let wrong = other.path().join("wrong");
    fs::write(&wrong, "c4nary").unwrap();
    let wrong = ["store", "restore", path, "--passphrase-file", wrong.to_str().unwrap()];
    let wrong = other.ctl(&wrong).await.unwrap();
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("the passphrase is wrong") && !wrong.stderr.contains("c4nary"));

    let restore = ["store", "restore", path, "--passphrase-file", &passphrase, "--json"];
    let dry = ctl(&other, &[&restore[..], &["--dry-run"]].concat()).await;
    let dry: RestoreResponse = serde_json::from_str(&dry).unwrap();
    assert_eq!((dry.restored.len(), dry.kept.len()), (1, 0));
    let restored: RestoreResponse = serde_json::from_str(&ctl(&other, &restore).await).unwrap();
    assert_eq!(restored, dry);
    assert_eq!(ctl(&other, &["token"]).await, token, "served without a restart");
    let again: RestoreResponse = serde_json::from_str(&ctl(&other, &restore).await).unwrap();
    assert!(again.restored.is_empty() && again.kept[0].reason.contains("signed in"), "{again:?}");
    daemon.kill().await.unwrap();
    let _daemon = Daemon::start(&other).await.unwrap();
    assert_eq!(ctl(&other, &["token"]).await, token, "it is on the disk");
    for (path, bytes) in [home.files().unwrap(), other.files().unwrap()].concat() {
        let is_secret =
            |bytes: &[u8]| bytes.windows(PASSPHRASE.len()).any(|part| part == PASSPHRASE.as_bytes());
        assert!(!is_secret(&bytes) || path.ends_with("passphrase"), "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_the_stores_key_goes_through_a_pipe_and_ends_with_that_key() {
    let world = signed_in().await;
    let home = &world.home;
    let made =
        home.command(&home.programs().fourinsightctl).args(["store", "backup", "-"]).output().await.unwrap();
    assert!(made.status.success());
    assert!(made.stdout.starts_with(b"4insback"));
    let file = home.path().join("x");
    fs::write(&file, &made.stdout).unwrap();
    let dry = ctl(home, &["store", "restore", "--dry-run", file.to_str().unwrap()]).await;
    assert!(dry.starts_with("default: left as it is, because somebody is signed in"), "{dry}");
    ctl(home, &["store", "rekey"]).await;
    let other_key = home.ctl(&["store", "restore", file.to_str().unwrap()]).await.unwrap();
    assert_eq!(other_key.code, Some(2));
    assert!(other_key.stderr.contains("sealed under another key"), "{}", other_key.stderr);
}

/// Types an answer to each of these questions.
async fn types(terminal: &mut Terminal, answers: &[(&str, &str)]) {
    for (question, answer) in answers {
        terminal.wait_for(question).await.unwrap();
        terminal.type_line(answer).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_asked_for_twice_and_shown_to_nobody() {
    let world = signed_in().await;
    let home = &world.home;
    let file = home.path().join("sessions.backup");
    let backup = ["store", "backup", "--passphrase", file.to_str().unwrap()];
    for (again, code) in [("another one", Some(2)), (PASSPHRASE, Some(0))] {
        let mut terminal = home.on_a_terminal(&backup).unwrap();
        types(&mut terminal, &[("Passphrase: ", PASSPHRASE), ("The same again: ", again)]).await;
        let screen = terminal.finish().await.unwrap();
        assert_eq!((screen.code, screen.echoes), (code, true), "{}", screen.shown);
        assert!(!screen.shown.contains(PASSPHRASE) && !screen.shown.contains("another one"));
        assert_eq!(file.exists(), code == Some(0));
    }
    let mut terminal = home.on_a_terminal(&["store", "restore", file.to_str().unwrap()]).unwrap();
    types(&mut terminal, &[("Passphrase: ", PASSPHRASE)]).await;
    let screen = terminal.finish().await.unwrap();
    assert_eq!((screen.code, screen.echoes), (Some(0), true), "{}", screen.shown);
    assert!(screen.shown.contains("default: left as it is"), "{}", screen.shown);
    let nobody = home.ctl(&["store", "backup", "--passphrase", "elsewhere"]).await.unwrap();
    assert_eq!(nobody.code, Some(2));
    assert!(nobody.stderr.contains("--passphrase-file"), "{}", nobody.stderr);
    world.has_no_leak().unwrap();
}
