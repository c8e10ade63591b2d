//! Clients that prove themselves by a certificate, or by an assertion that somebody else signs, by the real programs.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use testkit::{
    clock::unix_milliseconds,
    leak::Search,
    practice::{Client, ClientKey, Practice, RegisteredKey, SecretKind, Serving, Settings, Verdict},
    process::{Daemon, Home},
    wait,
};

const SOON: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_opens_a_session_renews_it_and_opens_it_again_after_a_restart() {
    let key = ClientKey::rsa();
    let practice = practice(key.certificate(), Duration::from_secs(4));
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new("").unwrap().with_variable("FOURINSIGHT_LOG", "trace");
    write(&home, "cert.pem", &key.certificate_pem).unwrap();
    let key_file = write(&home, "key.pem", &key.private_pem).unwrap();
    // Paths start from the folder of the configuration.
    let lines =
        "flow = \"certificate\"\nclient_certificate = \"cert.pem\"\nclient_key = { file = \"key.pem\" }";
    home.write_config(&declared(&serving, lines)).unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    assert_eq!(practice.verdict(&token(&home).await.unwrap()), Verdict::Live);
    wait::until("a renewal", SOON, async || Ok((requests(&practice) > 1).then_some(()))).await.unwrap();
    assert!(daemon.stop().await.unwrap().success());

    let before = requests(&practice);
    let daemon = Daemon::start(&home).await.unwrap();
    assert_eq!(practice.verdict(&token(&home).await.unwrap()), Verdict::Live);
    assert!(requests(&practice) > before);
    let said = home.ctl(&["login", "by-hand", "--profile", "batch"]).await.unwrap().success().unwrap();
    assert_eq!(said, "Signed in as the client itself, session by-hand.");
    assert_eq!(home.ctl(&["revoke", "by-hand"]).await.unwrap().code, Some(0));
    assert!(daemon.stop().await.unwrap().success());

    let ledger = practice.ledger();
    assert!(ledger.replayed_assertions().is_empty());
    assert!(ledger.secrets_of(SecretKind::ClientAssertion).count() >= 4);
    let lines_of_key = key.private_pem.lines().filter(|line| !line.starts_with('-'));
    let secrets = ledger.secrets().iter().map(|secret| secret.text.as_str()).chain(lines_of_key);
    let search = Search::new(secrets);
    let files = home.files().unwrap();
    let traced =
        |(_, content): &(_, Vec<u8>)| String::from_utf8_lossy(content).contains("signing the client in");
    assert!(files.iter().any(traced), "the search is of a log at TRACE");
    for (path, content) in files.iter().filter(|(path, _)| *path != key_file) {
        assert_eq!(search.leaks(content), [], "in {}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ready_made_assertion_is_taken_from_its_file_or_command_at_each_use() {
    let key = ClientKey::rsa();
    let practice = practice(key.public_key(), Duration::from_hours(1));
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new("").unwrap();
    let sign = || {
        let now = u64::try_from(unix_milliseconds() / 1000).unwrap();
        key.assertion(&client_id(), &serving.issuer, now)
    };
    let jwt = write(&home, "jwt", &sign()).unwrap();
    for (source, log) in
        [("{ file = \"jwt\" }".to_owned(), None), (command(&home, &jwt).unwrap(), Some("asked"))]
    {
        let lines = format!("flow = \"client_credentials\"\nclient_assertion = {source}");
        home.write_config(&declared(&serving, &lines)).unwrap();
        write(&home, "jwt", &sign()).unwrap();
        let before = requests(&practice);
        let daemon = Daemon::start(&home).await.unwrap();
        let first = token(&home).await.unwrap();
        assert_eq!((practice.verdict(&first), requests(&practice)), (Verdict::Live, before + 1));

        write(&home, "jwt", &sign()).unwrap();
        let renewed = home.ctl(&["token", "batch", "--min-validity", "2h"]).await.unwrap().success().unwrap();
        assert_ne!(renewed, first);
        assert_eq!((practice.verdict(&renewed), requests(&practice)), (Verdict::Live, before + 2));
        assert!(practice.ledger().replayed_assertions().is_empty());
        if let Some(log) = log {
            let asked = fs::read_to_string(home.path().join(log)).unwrap();
            assert_eq!(asked, "asked for api://exchange\n".repeat(2));
        }
        assert!(daemon.stop().await.unwrap().success());
    }
}

/// A program that prints the assertion as a platform's own does, and keeps count of how often it was asked.
fn command(home: &Home, jwt: &Path) -> Result<String> {
    let script = home.path().join("print assertion");
    let text = "#!/bin/sh\necho \"asked for $1\" >> \"$2\"\nexec cat \"$3\"\n";
    fs::write(&script, text)?;
    fs::set_permissions(&script, Permissions::from_mode(0o755))?;
    let log = home.path().join("asked");
    let argv = [script.to_str(), Some("api://exchange"), log.to_str(), jwt.to_str()];
    Ok(format!("{{ command = {:?} }}", argv.map(Option::unwrap_or_default)))
}

fn practice(key: RegisteredKey, access_token_life: Duration) -> Practice {
    let clients = vec![Client::with_key(key)];
    Practice::new(Settings { clients, access_token_life, ..Settings::default() })
}

fn client_id() -> String {
    Client::with_key(ClientKey::rsa().public_key()).id
}

/// A session that the daemon opens by itself.
fn declared(serving: &Serving, lines: &str) -> String {
    format!(
        "[profiles.batch]\nissuer = \"{}\"\nclient_id = \"{}\"\nscopes = \"api\"\n{lines}\n\
         [sessions.batch]\nprofile = \"batch\"\n",
        serving.issuer,
        client_id()
    )
}

/// A file beside the configuration.
fn write(home: &Home, name: &str, content: &str) -> Result<PathBuf> {
    let path = home.config().with_file_name(name);
    fs::write(&path, content)?;
    Ok(path)
}

fn requests(practice: &Practice) -> usize {
    practice.ledger().token_requests("client_credentials").len()
}

async fn token(home: &Home) -> Result<String> {
    home.ctl(&["token", "batch"]).await?.success()
}
