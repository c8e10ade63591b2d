//! The socket: who can open it, who is served, and that nobody who dawdles delays anybody else.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use fourinsight_ipc::message::TokenResponse;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;
use testkit::{
    browser::Answer,
    practice::{self, Gate, Practice, Serving, Settings},
    process::{Daemon, Home, Start},
    provider::{Options, Provider},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    task::JoinSet,
    time::timeout,
};

const SOON: Duration = Duration::from_mins(1);
const SILENT: usize = 1000;
const WAITING: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn folders_and_files_are_private_whatever_the_umask() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new(&provider.config()).unwrap();
    // The replaced system made this folder open to all; it is tightened, not refused.
    fs::create_dir_all(home.state_dir()).unwrap();
    fs::set_permissions(home.state_dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let old = home.state_dir().join("token_ORG");
    fs::write(&old, "the old tool's").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = home.command("sh");
    command.args(["-c", "umask 000; exec \"$0\""]).arg(&home.programs().fourinsightd);
    let Start::Ready(_daemon) = Daemon::launch_as(&home, command).await.unwrap() else { panic!("no daemon") };
    home.login(&[], &Answer::allow("ada")).await.unwrap().0.success().unwrap();

    assert_eq!(mode(&home.state_dir()), 0o700);
    assert_eq!(mode(home.socket().parent().unwrap()), 0o700);
    assert_eq!(mode(&home.socket()), 0o600);
    let mut seen = Vec::new();
    let mut folders = vec![home.state_dir()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                assert_eq!(mode(&path), 0o700, "{}", path.display());
                folders.push(path);
            } else if path.file_name().unwrap() != "token_ORG" {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                seen.push(path);
            }
        }
    }
    assert_eq!((fs::read_to_string(&old).unwrap().as_str(), mode(&old)), ("the old tool's", 0o644));
    for name in ["broker.db", "broker.key", "broker.lock"] {
        assert!(seen.contains(&home.state_dir().join(name)), "{name} in {seen:?}");
    }
    assert!(seen.iter().any(|path| path.parent().unwrap().ends_with("journal")), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_is_turned_away_before_a_byte_is_read() {
    let home = Home::new("").unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    // As if the folders and the socket had been opened to all.
    for folder in home.socket().ancestors().skip(1).take_while(|folder| folder.starts_with(home.path())) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).unwrap();
    }
    fs::set_permissions(home.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    // It sends nothing, and must see the end of the connection all the same.
    let silent = "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die qq(connect: $!); \
                  my $n = sysread($s, my $buffer, 1); print defined $n ? qq(read $n) : qq(error $!);";
    let seen =
        as_another_user(&home, &["perl", "-e", silent, home.socket().to_str().unwrap()]).await.unwrap();
    assert!(seen == "read 0" || seen.contains("reset by peer"), "{seen}");
    let request = "print $s qq(GET /v1/health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n); $s->flush; my $n =";
    let asking = format!("$SIG{{PIPE}} = 'IGNORE'; {}", silent.replace("my $n =", request));
    let seen =
        as_another_user(&home, &["perl", "-e", &asking, home.socket().to_str().unwrap()]).await.unwrap();
    assert!(seen == "read 0" || seen.contains("reset by peer") || seen.contains("pipe"), "{seen}");
    assert_eq!(home.get("/v1/health").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_silent_and_slow_clients_delay_no_one() {
    raise_descriptor_limit().unwrap();
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new(&provider.config()).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    home.login(&[], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    let mut dawdlers = Vec::new();
    for number in 0..SILENT {
        let mut stream = UnixStream::connect(home.socket()).await.unwrap();
        match number % 4 {
            0 => stream.write_all(b"GET /v1/sessions/default/token HTT").await.unwrap(),
            1 => stream
                .write_all(b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
                .await
                .unwrap(),
            // It asks and never reads the answer.
            2 => stream.write_all(b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap(),
            _ => {}
        }
        dawdlers.push(stream);
    }
    for _ in 0..50 {
        let answer = timeout(Duration::from_secs(5), home.get("/v1/sessions/default/token")).await;
        assert_eq!(answer.expect("an answer within five seconds").unwrap().status, 200);
    }
    // A peer that is stopped in the middle of things freezes; it is still connected here, and nobody waited for it.
    assert_eq!(dawdlers.len(), SILENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_wait_for_one_renewal_and_some_of_them_go_away() {
    raise_descriptor_limit().unwrap();
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let home = Arc::new(Home::new(&practice_config(&serving)).unwrap());
    let _daemon = Daemon::start(&home).await.unwrap();
    home.login(&[], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    let token: TokenResponse = home.get("/v1/sessions/default/token").await.unwrap().json().unwrap();

    let gate = Gate::new();
    practice.answer_next_token_requests([practice::Answer::genuine().held_by(&gate)]);
    let rejection = json!({ "token_id": token.token_id });
    assert_eq!(home.post("/v1/sessions/default/rejections", &rejection).await.unwrap().status, 202);
    let mut leaving = Vec::new();
    for _ in 0..100 {
        let mut stream = UnixStream::connect(home.socket()).await.unwrap();
        stream.write_all(b"GET /v1/sessions/default/token HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        leaving.push(stream);
    }
    let mut waiting = JoinSet::new();
    for _ in 0..WAITING {
        let home = Arc::clone(&home);
        waiting.spawn(async move { home.get("/v1/sessions/default/token").await?.json::<TokenResponse>() });
    }
    gate.arrived(1).await;
    drop(leaving);
    // Accepted after all of them.
    assert_eq!(home.get("/v1/health").await.unwrap().status, 200);
    gate.open();
    let answers = waiting.join_all().await.into_iter().collect::<Result<Vec<_>>>().unwrap();
    assert_eq!(answers.len(), WAITING);
    assert!(answers.iter().all(|answer| answer.token_id == answers[0].token_id));
    assert_ne!(answers[0].token_id, token.token_id);
    assert_eq!(practice.ledger().refreshes().len(), 1, "one token request for all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_over_the_cap_is_refused_with_503_and_room_is_found_again() {
    raise_descriptor_limit().unwrap();
    let home = Home::new("").unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..SILENT {
        held.push(UnixStream::connect(home.socket()).await.unwrap());
    }
    let refusal = loop {
        ensure_some_cap(held.len()).unwrap();
        let mut stream = UnixStream::connect(home.socket()).await.unwrap();
        let answer = ask(&mut stream).await.unwrap();
        if !answer.starts_with("HTTP/1.1 200 ") {
            break answer;
        }
        held.push(stream);
    };
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    assert!(refusal.contains("temporarily_unavailable"), "{refusal}");
    assert!(refusal.to_lowercase().contains("\r\nretry-after: "), "{refusal}");
    assert!(held.len() > SILENT, "a thousand are no reason to refuse");
    drop(held);
    let answer = testkit::wait::until("room", SOON, async || {
        Ok(home.get("/v1/health").await.ok().filter(|answer| answer.status == 200))
    });
    answer.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_too_slow_is_cut_off() {
    let home = Home::new("").unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let headers = format!("GET /v1/health HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(200_000));
    let answer = exchange(&home, headers.as_bytes()).await.unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");

    let body = "x".repeat(4 * 1024 * 1024);
    let length = body.len();
    let large = format!("POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
    let answer = exchange(&home, large.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("payload_too_large"), "{answer}");

    // Half a request, and nothing more: the connection ends by itself.
    exchange(&home, b"GET /v1/health HTTP/1.1\r\nHo").await.unwrap();
    exchange(&home, b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{").await.unwrap();
    assert_eq!(home.get("/v1/health").await.unwrap().status, 200);
}

/// Asks on a connection that stays open, and reads what comes first of the answer.
async fn ask(stream: &mut UnixStream) -> Result<String> {
    stream.write_all(b"GET /v1/version HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
    let mut answer = [0; 4096];
    let length = timeout(SOON, stream.read(&mut answer)).await.context("no answer")??;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// Sends these bytes as far as they are taken, and reads until the daemon ends the connection.
async fn exchange(home: &Home, request: &[u8]) -> Result<String> {
    let (mut read, mut write) = UnixStream::connect(home.socket()).await?.into_split();
    let mut answer = Vec::new();
    let end = async {
        // A daemon that has read enough may close while more is being sent.
        let (_, read) = tokio::join!(write.write_all(request), read.read_to_end(&mut answer));
        read.or_else(
            |error| if error.kind() == std::io::ErrorKind::ConnectionReset { Ok(0) } else { Err(error) },
        )
    };
    timeout(SOON * 2, end).await.context("the connection does not end")??;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Runs a command as the user that owns nothing, and gives what it prints.
async fn as_another_user(home: &Home, command: &[&str]) -> Result<String> {
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let sudo: &[&str] = if nix::unistd::geteuid().is_root() { &[] } else { &["sudo", "--non-interactive"] };
    let words = [sudo, &nobody, command].concat();
    let output = timeout(SOON, home.command(words[0]).args(&words[1..]).current_dir("/").output())
        .await
        .context("the daemon keeps another user's connection open")??;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "this test needs root, or sudo without a password: {errors}");
    Ok(String::from_utf8(output.stdout)?)
}

fn practice_config(serving: &Serving) -> String {
    format!(
        "default_profile = \"practice\"\n[profiles.practice]\nissuer = \"{}\"\nclient_id = \"practice-client\"\n\
         scopes = \"openid profile offline_access api\"\n",
        serving.issuer
    )
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).map_or(0, |metadata| metadata.mode() & 0o777)
}

/// A few thousand connections need as many descriptors at this end.
fn raise_descriptor_limit() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard.min(20_000), hard)?)
}

fn ensure_some_cap(connections: usize) -> Result<()> {
    ensure!(connections < 15_000, "{connections} connections and no cap");
    Ok(())
}
