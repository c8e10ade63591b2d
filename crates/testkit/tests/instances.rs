//! One daemon per state folder, whoever starts how many; and what may stand in its socket's place.

use std::{
    fs,
    os::unix::{fs::FileTypeExt as _, net::UnixListener},
};

use anyhow::{Context as _, Result, bail};
use fourinsight_ipc::message::Health;
use testkit::process::{Daemon, Home, Start};

const ROUNDS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_daemons_started_at_once_exactly_one_serves() {
    let home = Home::new("").unwrap();
    for round in 0..ROUNDS {
        let (one, other) = tokio::join!(Daemon::launch(&home, &[]), Daemon::launch(&home, &[]));
        let serving = match (one.unwrap(), other.unwrap()) {
            (Start::Ready(daemon), Start::Exited(code, log))
            | (Start::Exited(code, log), Start::Ready(daemon)) => {
                assert_eq!(code, Some(75), "round {round}: {log}");
                daemon
            }
            both => panic!("round {round}: {both:?}"),
        };
        assert_eq!(health(&home).await.unwrap().pid, serving.id().unwrap(), "round {round}");
        assert!(serving.stop().await.unwrap().success(), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_does_not_disturb_the_first_wherever_it_would_listen() {
    let home = Home::new("").unwrap();
    let first = Daemon::start(&home).await.unwrap();
    let elsewhere = home.path().join("elsewhere.sock");
    let second = Daemon::launch(&home, &["--socket", elsewhere.to_str().unwrap()]).await.unwrap();
    assert!(matches!(second, Start::Exited(Some(75), _)), "{second:?}");
    assert!(!elsewhere.exists(), "the second one has bound a socket");
    assert_eq!(health(&home).await.unwrap().pid, first.id().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_socket_is_replaced() {
    let home = Home::new("").unwrap();
    let killed = Daemon::start(&home).await.unwrap();
    killed.kill().await.unwrap();
    assert!(home.socket().exists(), "a killed daemon cannot tidy up");
    let next = Daemon::start(&home).await.unwrap();
    assert_eq!(health(&home).await.unwrap().pid, next.id().unwrap());
    next.stop().await.unwrap();

    // One that no daemon of ours has left.
    let _ = fs::remove_file(home.socket());
    drop(UnixListener::bind(home.socket()).unwrap());
    let next = Daemon::start(&home).await.unwrap();
    assert_eq!(health(&home).await.unwrap().pid, next.id().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_socket_is_refused_and_left_as_it_is() {
    let home = Home::new("").unwrap();
    let place = home.socket();
    fourinsight_ipc::platform::private_folder(place.parent().unwrap()).unwrap();

    fs::write(&place, "precious").unwrap();
    refused(&home).await.unwrap();
    assert_eq!(fs::read_to_string(&place).unwrap(), "precious");
    fs::remove_file(&place).unwrap();

    fs::create_dir(&place).unwrap();
    refused(&home).await.unwrap();
    assert!(place.is_dir());
    fs::remove_dir(&place).unwrap();

    let target = home.path().join("target");
    fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, &place).unwrap();
    refused(&home).await.unwrap();
    assert_eq!(fs::read_link(&place).unwrap(), target);
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    fs::remove_file(&place).unwrap();

    Daemon::start(&home).await.unwrap();
    assert!(fs::metadata(&place).unwrap().file_type().is_socket());
}

/// The daemon does not start, and names the path that is in its way.
async fn refused(home: &Home) -> Result<()> {
    match Daemon::launch(home, &[]).await? {
        Start::Exited(Some(code), log) => {
            assert!(code != 0 && code != 75, "exit code {code}");
            assert!(log.contains("broker.sock"), "{log}");
            Ok(())
        }
        Start::Ready(_) => bail!("the daemon has started"),
        other @ Start::Exited(None, _) => bail!("{other:?}"),
    }
}

async fn health(home: &Home) -> Result<Health> {
    home.get("/v1/health").await?.json().context("no health")
}
