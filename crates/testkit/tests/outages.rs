//! A server that wants to be left alone, and one whose name is not found, by the real programs.

use std::{fs, io::Write as _, process::Command, time::Duration};

use anyhow::Result;
use fourinsight_ipc::{
    ErrorBody,
    message::{SessionStatus, TokenResponse},
};
use serde_json::json;
use testkit::{
    browser::Answer,
    practice::{self, Practice, SERVER_NAME, Settings, Verdict},
    process::{Daemon, Home, Start},
    wait,
};

const SOON: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_one_session_is_asked_for_holds_for_the_other() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new(&format!(
        "[profiles.practice]\nissuer = \"{}\"\nclient_id = \"practice-client\"\n\
         scopes = \"openid profile offline_access api\"\n",
        serving.issuer
    ))
    .unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    for session in ["one", "two"] {
        home.login(&[session], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    }
    let pause = PAUSE.as_secs().to_string();
    practice.answer_next_token_requests([practice::Answer::status(429).header("retry-after", &pause)]);
    reject(&home, "one").await.unwrap();
    wait::until("the pause", SOON, async || {
        let status: SessionStatus = home.get("/v1/sessions/one").await?.json()?;
        Ok(status.problem)
    })
    .await
    .unwrap();

    reject(&home, "two").await.unwrap();
    let answer = home.get("/v1/sessions/two/token?wait=1").await.unwrap();
    assert_eq!(answer.status, 503);
    let error: ErrorBody = answer.json().unwrap();
    assert!(error.error_description.contains("asked to be left alone"), "{error:?}");
    assert!(error.retry_after.is_some_and(|seconds| seconds <= PAUSE.as_secs()), "{error:?}");

    for session in ["two", "one"] {
        let answer = home.get(&format!("/v1/sessions/{session}/token?wait=60")).await.unwrap();
        let answer: serde_json::Value = answer.json().unwrap();
        let token = answer["access_token"].as_str().unwrap();
        assert!(matches!(practice.verdict(token), Verdict::Live), "{session}");
    }
    let ledger = practice.ledger();
    let sent: Vec<_> = ledger.token_requests("refresh_token").iter().map(|request| request.at).collect();
    let [first, rest @ ..] = &sent[..] else { panic!("nothing was sent") };
    assert_eq!(rest.len(), 2, "{sent:?}");
    assert!(rest.iter().all(|at| at.saturating_sub(*first) >= PAUSE), "{sent:?}");
}

/// The system's own resolver says so: to the daemon, nothing but a file of hosts tells of names.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_found_is_an_outage() {
    if !may_mount() {
        // Not by `println!`, which libtest keeps to itself.
        let why = "this process may not make a mount namespace";
        writeln!(std::io::stdout(), "SKIPPED a_name_that_is_not_found_is_an_outage: {why}").unwrap();
        return;
    }
    // One server at two addresses: an ID token would name the other one.
    let practice = Practice::new(Settings { id_tokens: false, ..Settings::default() });
    let (plain, named) = (practice.serve_plain().await.unwrap(), practice.serve_tls().await.unwrap());
    let home = Home::new("").unwrap();
    let [ca, hosts, order] = ["ca.pem", "hosts", "nsswitch.conf"].map(|name| home.path().join(name));
    home.write_config(&format!(
        "[profiles.practice]\nissuer = \"{}\"\ntoken_endpoint = \"https://{SERVER_NAME}:{}/token\"\n\
         client_id = \"practice-client\"\nscopes = \"openid profile offline_access api\"\ntls_ca_file = \"{}\"\n",
        plain.issuer,
        named.port,
        ca.display(),
    ))
    .unwrap();
    let found = format!("127.0.0.1 {SERVER_NAME}\n");
    fs::write(&ca, named.ca_pem.as_deref().unwrap()).unwrap();
    fs::write(&hosts, &found).unwrap();
    fs::write(&order, "hosts: files\n").unwrap();
    let mut command = home.command("unshare");
    command
        .args(NAMESPACES)
        .args(["sh", "-ec"])
        .arg("mount --bind \"$1\" /etc/hosts; mount --bind \"$2\" /etc/nsswitch.conf; exec \"$3\"");
    command.arg("sh").arg(&hosts).arg(&order).arg(&home.programs().fourinsightd);
    let Start::Ready(daemon) = Daemon::launch_as(&home, command).await.unwrap() else {
        panic!("the daemon does not start")
    };
    home.login(&[], &Answer::allow("ada")).await.unwrap().0.success().unwrap();

    fs::write(&hosts, "").unwrap();
    reject(&home, "default").await.unwrap();
    let status = wait::until("an attempt", SOON, async || {
        let status: SessionStatus = home.get("/v1/sessions/default").await?.json()?;
        Ok(status.problem.is_some().then_some(status))
    });
    let problem = status.await.unwrap().problem.unwrap();
    assert_eq!(problem.error, "server_unreachable", "{problem:?}");
    assert!(problem.description.contains("failed to lookup address information"), "{problem:?}");
    let answer = home.get("/v1/sessions/default/token?wait=1").await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(practice.ledger().token_requests("refresh_token").len(), 0);

    fs::write(&hosts, &found).unwrap();
    let answer = home.get("/v1/sessions/default/token?wait=60").await.unwrap();
    let answer: serde_json::Value = answer.json().unwrap();
    let token = answer["access_token"].as_str().unwrap();
    assert!(matches!(practice.verdict(token), Verdict::Live));
    assert_eq!(practice.ledger().token_requests("refresh_token").len(), 1);
    assert!(daemon.stop().await.unwrap().success());
}

/// How a process gets mounts of its own, whoever runs it.
const NAMESPACES: [&str; 2] = ["--map-root-user", "--mount"];

fn may_mount() -> bool {
    let script = ["sh", "-ec", "mount --bind /etc/hosts /etc/hosts"];
    let tried = Command::new("unshare").args(NAMESPACES).args(script).output();
    tried.is_ok_and(|output| output.status.success())
}

/// Reports the session's token as refused, so that the next one is due at once.
async fn reject(home: &Home, session: &str) -> Result<()> {
    let token: TokenResponse = home.get(&format!("/v1/sessions/{session}/token")).await?.json()?;
    let rejection = json!({ "token_id": token.token_id });
    let answer = home.post(&format!("/v1/sessions/{session}/rejections"), &rejection).await?;
    anyhow::ensure!(answer.status == 202, "the rejection of {session} was answered with {}", answer.status);
    Ok(())
}
