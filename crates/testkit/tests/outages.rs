//! A server that wants to be left alone, by the real programs.

use std::time::Duration;

use anyhow::Result;
use fourinsight_ipc::{
    ErrorBody,
    message::{SessionStatus, TokenResponse},
};
use serde_json::json;
use testkit::{
    browser::Answer,
    practice::{self, Practice, Settings, Verdict},
    process::{Daemon, Home},
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

/// Reports the session's token as refused, so that the next one is due at once.
async fn reject(home: &Home, session: &str) -> Result<()> {
    let token: TokenResponse = home.get(&format!("/v1/sessions/{session}/token")).await?.json()?;
    let rejection = json!({ "token_id": token.token_id });
    let answer = home.post(&format!("/v1/sessions/{session}/rejections"), &rejection).await?;
    anyhow::ensure!(answer.status == 202, "the rejection of {session} was answered with {}", answer.status);
    Ok(())
}
