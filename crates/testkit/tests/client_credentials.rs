//! Sessions without a person, by the real programs: declared in the configuration, or opened by a process that brings
//! its own secret.

use std::{fs, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use fourinsight_ipc::message::{LoginState, LoginStatus, SessionState, SessionStatus};
use serde_json::json;
use testkit::{
    leak::Search,
    practice::{Answer, Client, Practice, Serving, Settings, Verdict},
    process::{Daemon, Home, Output},
    wait,
};
use tokio::io::AsyncWriteExt as _;

const SOON: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_session_needs_no_one() {
    let practice =
        Practice::new(Settings { access_token_life: Duration::from_secs(4), ..Settings::default() });
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new("").unwrap().with_variable("FOURINSIGHT_LOG", "trace");
    write_secret(&home, &secret());
    home.write_config(&declared(&home, &serving)).unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    let first = token(&home).await.unwrap();
    assert_eq!(practice.verdict(&first), Verdict::Live);
    let status = status(&home).await.unwrap();
    assert_eq!((status.state, status.profile.as_deref()), (SessionState::SignedIn, Some("batch")));
    wait::until("a renewal", SOON, async || {
        Ok((practice.ledger().token_requests("client_credentials").len() > 1).then_some(()))
    })
    .await
    .unwrap();
    assert!(daemon.stop().await.unwrap().success());
    let daemon = Daemon::start(&home).await.unwrap();
    let again = token(&home).await.unwrap();
    assert_eq!(practice.verdict(&again), Verdict::Live);
    assert!(daemon.stop().await.unwrap().success());

    let secrets: Vec<_> = practice.ledger().secrets().iter().map(|secret| secret.text.clone()).collect();
    let search = Search::new(secrets.iter().map(String::as_str));
    let logs = home.files().unwrap();
    let traced =
        |(_, content): &(_, Vec<u8>)| String::from_utf8_lossy(content).contains("signing the client in");
    assert!(logs.iter().any(traced), "the search is of a log at TRACE");
    for (path, content) in logs.iter().filter(|(path, _)| !path.ends_with("client-secret")) {
        assert_eq!(search.leaks(content), [], "in {}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_by_signing_in_and_goes_on_until_the_server_is_there() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    practice.answer_next_token_requests([Answer::status(503).header("retry-after", "5")]);
    let home = Home::new("").unwrap();
    write_secret(&home, &secret());
    home.write_config(&declared(&home, &serving)).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let told = wait::until("the problem", SOON, async || {
        Ok(status(&home).await.ok().filter(|status| status.problem.is_some()))
    })
    .await
    .unwrap();
    assert_eq!((told.state, told.profile.as_deref()), (SessionState::SigningIn, Some("batch")));
    let token = token(&home).await.unwrap();
    assert_eq!(practice.verdict(&token), Verdict::Live);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_fails_at_once_and_a_reload_takes_the_right_one() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new("").unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    assert!(status(&home).await.is_err(), "nothing is declared");

    write_secret(&home, "wrong");
    home.write_config(&declared(&home, &serving)).unwrap();
    daemon.reload().unwrap();
    let refused = wait::until("the refusal", SOON, async || {
        Ok(status(&home).await.ok().filter(|status| status.state == SessionState::LoginRequired))
    })
    .await
    .unwrap();
    assert_eq!(refused.problem.unwrap().error, "invalid_client");
    let asked = home.ctl(&["token", "batch"]).await.unwrap();
    assert_eq!(asked.code, Some(3), "{asked:?}");
    assert!(asked.stderr.contains("invalid_client"), "{asked:?}");
    let login = home.ctl(&["login", "batch", "--profile", "batch"]).await.unwrap();
    assert_eq!(login.code, Some(5), "{login:?}");

    write_secret(&home, &secret());
    daemon.reload().unwrap();
    wait::until("the session is open", SOON, async || {
        Ok(status(&home).await.ok().filter(|status| status.state == SessionState::SignedIn))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_brings_its_secret_and_brings_it_again_after_a_restart() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new(&format!(
        "[profiles.batch]\nissuer = \"{}\"\nflow = \"client_credentials\"\n",
        serving.issuer
    ))
    .unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    let body = json!({
        "session": "batch", "profile": "batch", "client_id": Client::confidential().id, "client_secret": secret(),
    });
    let login: LoginStatus = home.post("/v1/logins", &body).await.unwrap().json().unwrap();
    assert_eq!((login.state, login.error), (LoginState::Succeeded, None));
    let first = token(&home).await.unwrap();
    assert_eq!(practice.verdict(&first), Verdict::Live);

    assert!(daemon.stop().await.unwrap().success());
    let _daemon = Daemon::start(&home).await.unwrap();
    let asked = home.ctl(&["token", "batch"]).await.unwrap();
    assert_eq!(asked.code, Some(3), "{asked:?}");
    assert!(asked.stderr.contains("client_secret_needed"), "{asked:?}");
    let status = status(&home).await.unwrap();
    assert_eq!(
        (status.state, status.problem.unwrap().error.as_str()),
        (SessionState::LoginRequired, "client_secret_needed")
    );

    let said = bring(&home, &secret()).await.unwrap();
    assert_eq!(said.success().unwrap(), "Signed in as the client itself, session batch.");
    let token = token(&home).await.unwrap();
    assert_eq!(practice.verdict(&token), Verdict::Live);
    let refused = bring(&home, "wrong").await.unwrap();
    assert_eq!(refused.code, Some(0), "it is signed in already: {refused:?}");
    assert_eq!(home.ctl(&["revoke", "batch"]).await.unwrap().code, Some(0));
    assert_eq!(practice.verdict(&token), Verdict::Revoked);
    let refused = bring(&home, "wrong").await.unwrap();
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(refused.stderr.contains("invalid_client"), "{refused:?}");
}

fn secret() -> String {
    Client::confidential().secret.expect("the confidential client has a secret")
}

fn write_secret(home: &Home, secret: &str) {
    fs::write(home.path().join("client-secret"), secret).expect("the home is writable");
}

fn declared(home: &Home, serving: &Serving) -> String {
    format!(
        "[profiles.batch]\nissuer = \"{}\"\nclient_id = \"{}\"\nclient_secret = {{ file = \"{}\" }}\n\
         flow = \"client_credentials\"\nscopes = \"api\"\n[sessions.batch]\nprofile = \"batch\"\n",
        serving.issuer,
        Client::confidential().id,
        home.path().join("client-secret").display()
    )
}

async fn token(home: &Home) -> Result<String> {
    home.ctl(&["token", "batch"]).await?.success()
}

async fn status(home: &Home) -> Result<SessionStatus> {
    home.get("/v1/sessions/batch").await?.json()
}

/// `fourinsightctl login` with the secret on its standard input.
async fn bring(home: &Home, secret: &str) -> Result<Output> {
    let client_id = Client::confidential().id;
    let mut process = home
        .command(&home.programs().fourinsightctl)
        .args(["login", "batch", "--client-id", &client_id, "--client-secret-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = process.stdin.take().context("login has no standard input")?;
    input.write_all(format!("{secret}\n").as_bytes()).await?;
    drop(input);
    let output = process.wait_with_output().await?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(Output { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
}
