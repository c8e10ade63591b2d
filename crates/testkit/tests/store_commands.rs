//! `fourinsightctl store` with the real programs: a look over the store, a new key under a serving daemon and under one
//! that is killed, a backup that moves to another home, and a passphrase that nobody sees.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use fourinsight_ipc::message::{RestoreResponse, StoreCheck};
use testkit::{
    browser::Answer,
    leak,
    process::{Daemon, Home},
    provider::{Options, Provider},
};

const PASSPHRASE: &str = "correct horse battery staple";

/// A home with somebody signed in, under a daemon.
async fn signed_in() -> (Provider, Home, Daemon) {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new(&provider.config()).unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    home.login(&["work"], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    (provider, home, daemon)
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
    let (_provider, home, daemon) = signed_in().await;
    let sound = ctl(&home, &["store", "check"]).await;
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
    ctl(&home, &["store", "check"]).await;
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_disturbs_nobody_and_outlives_a_kill() {
    let (provider, home, daemon) = signed_in().await;
    let key = home.state_dir().join("broker.key");
    let (old, token) = (fs::read(&key).unwrap(), ctl(&home, &["token", "work"]).await);
    let said = ctl(&home, &["store", "rekey", "--to", "file"]).await;
    assert!(said.contains("1 session is sealed under it"), "{said}");
    assert_ne!(fs::read(&key).unwrap(), old);
    assert_eq!(mode(&key), 0o600);
    assert!(!home.files().unwrap().iter().any(|(_, bytes)| bytes.windows(32).any(|part| part == old)));
    assert_eq!(ctl(&home, &["token", "work"]).await, token);
    daemon.kill().await.unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    assert_eq!(ctl(&home, &["token", "work"]).await, token);
    assert!(provider.introspect(token.trim()).await.unwrap().active);
    ctl(&home, &["store", "check"]).await;
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_with_a_passphrase_brings_a_session_to_another_home() {
    let (provider, home, daemon) = signed_in().await;
    let token = ctl(&home, &["token", "work"]).await;
    let (file, passphrase) = (home.path().join("sessions.backup"), write_passphrase(&home));
    let backup = ["store", "backup", file.to_str().unwrap(), "--passphrase-file", &passphrase];
    let said = ctl(&home, &backup).await;
    assert!(said.starts_with("1 session backed up to "), "{said}");
    assert_eq!(mode(&file), 0o600);
    let sealed = fs::read(&file).unwrap();
    let iterations: [u8; 4] = sealed[12..16].try_into().unwrap();
    assert!(u32::from_be_bytes(iterations) >= 600_000);
    assert!(!sealed.windows(4).any(|part| part == b"work"));
    let refused = home.ctl(&backup).await.unwrap();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert_eq!(fs::read(&file).unwrap(), sealed, "a backup that is there stays");
    daemon.stop().await.unwrap();

    let other = Home::new(&provider.config()).unwrap();
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
    assert_eq!(ctl(&other, &["token", "work"]).await, token, "served without a restart");
    let again: RestoreResponse = serde_json::from_str(&ctl(&other, &restore).await).unwrap();
    assert!(again.restored.is_empty() && again.kept[0].reason.contains("signed in"), "{again:?}");
    daemon.kill().await.unwrap();
    let daemon = Daemon::start(&other).await.unwrap();
    assert_eq!(ctl(&other, &["token", "work"]).await, token, "it is on the disk");
    for (path, bytes) in [home.files().unwrap(), other.files().unwrap()].concat() {
        let is_secret =
            |bytes: &[u8]| bytes.windows(PASSPHRASE.len()).any(|part| part == PASSPHRASE.as_bytes());
        assert!(!is_secret(&bytes) || path.ends_with("passphrase"), "{}", path.display());
    }
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_the_stores_key_goes_through_a_pipe_and_ends_with_that_key() {
    let (_provider, home, daemon) = signed_in().await;
    let made =
        home.command(&home.programs().fourinsightctl).args(["store", "backup", "-"]).output().await.unwrap();
    assert!(made.status.success());
    assert!(made.stdout.starts_with(b"4insback"));
    let file = home.path().join("x");
    fs::write(&file, &made.stdout).unwrap();
    let dry = ctl(&home, &["store", "restore", "--dry-run", file.to_str().unwrap()]).await;
    assert!(dry.starts_with("work: left as it is, because somebody is signed in"), "{dry}");
    ctl(&home, &["store", "rekey"]).await;
    let other_key = home.ctl(&["store", "restore", file.to_str().unwrap()]).await.unwrap();
    assert_eq!(other_key.code, Some(2));
    assert!(other_key.stderr.contains("sealed under another key"), "{}", other_key.stderr);
    daemon.stop().await.unwrap();
}
