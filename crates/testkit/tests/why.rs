//! Errors in words, by the real programs: a server that refuses as Entra does, and `fourinsightctl why`.

use std::time::Duration;

use anyhow::Result;
use fourinsight_ipc::message::{
    Action, Attempt, AttemptOutcome, SessionAttempts, SessionState, SessionStatus,
};
use serde_json::json;
use testkit::{
    leak::Search,
    practice::{self, DeviceFlow, Endpoint, Practice, Serving, Settings},
    process::{Daemon, Home},
    wait,
};

const SOON: Duration = Duration::from_mins(1);
const CORRELATION: &str = "8a7b6c5d-0123-4567-89ab-0123456789ab";
const TRACE: &str = "3c1f3b4e-6f0a-4d5e-9d7a-1f2e3d4c5b6a";

/// A refusal in Entra's shape.
fn entra(error: &str, number: u64, words: &str) -> practice::Answer {
    let body = json!({
        "error": error,
        "error_description": format!("AADSTS{number}: {words} Trace ID: {TRACE} Correlation ID: {CORRELATION} \
            Timestamp: 2026-01-02 03:04:05Z"),
        "error_codes": [number],
        "timestamp": "2026-01-02 03:04:05Z",
        "trace_id": TRACE,
        "correlation_id": CORRELATION,
    });
    practice::Answer::json(400, &body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_device_login_is_told_before_there_is_a_session() {
    let (practice, _serving, home) = world().await.unwrap();
    let unknown = home.ctl(&["why"]).await.unwrap();
    assert_eq!(unknown.code, Some(4), "it starts no daemon: {unknown:?}");
    let words =
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
    practice.answer_next(Endpoint::DeviceAuthorization, [entra("invalid_client", 7_000_218, words)]);
    let login = home.ctl(&["login"]).await.unwrap();
    assert_ne!(login.code, Some(0), "{login:?}");
    assert!(login.stderr.contains("AADSTS7000218"), "{login:?}");
    assert!(login.stderr.trim_end().ends_with("; `fourinsightctl why default` says more"), "{login:?}");

    let told = home.ctl(&["why"]).await.unwrap().success().unwrap();
    for part in
        ["login by device was refused", "AADSTS7000218", CORRELATION, TRACE, "Allow public client flows"]
    {
        assert!(told.contains(part), "{part} is missing:\n{told}");
    }
    let attempts = attempts(&home).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].error_description, Some(format!("AADSTS7000218: {words}")));
    assert_eq!(home.ctl(&["why", "nobody"]).await.unwrap().code, Some(1));
    assert_eq!(home.ctl(&["status", "default"]).await.unwrap().code, Some(1), "there is no session yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_refresh_is_told_before_and_after_a_restart() {
    let (practice, _serving, home) = world().await.unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    let login = home.begin_device_login(&[]).await.unwrap();
    practice.answer_device(&login.login.authorization_uri, &login.user_code, Some("ada")).await.unwrap();
    // Polls and refreshes go to the same endpoint: from here on there are refreshes only.
    login.login.finish().await.unwrap().success().unwrap();
    let words = "The refresh token has expired due to inactivity.";
    practice.answer_next_token_requests([entra("invalid_grant", 700_082, words)]);
    wait::until("the refusal", SOON, async || {
        Ok(status(&home).await.ok().filter(|status| status.state == SessionState::LoginRequired))
    })
    .await
    .unwrap();

    let token = home.ctl(&["token"]).await.unwrap();
    assert_eq!(token.code, Some(3), "{token:?}");
    assert!(token.stderr.trim_end().ends_with("; `fourinsightctl why default` says more"), "{token:?}");
    let shown = home.ctl(&["status"]).await.unwrap().success().unwrap();
    assert!(shown.contains("`fourinsightctl why default` says more"), "{shown}");
    let before = attempts(&home).await.unwrap();
    let [newest, .., oldest] = &before[..] else { panic!("{before:?}") };
    assert_eq!((oldest.action, oldest.outcome), (Action::Login, AttemptOutcome::Succeeded));
    is_told(&home, newest).await.unwrap();

    assert!(daemon.stop().await.unwrap().success());
    let _daemon = Daemon::start(&home).await.unwrap();
    let after = attempts(&home).await.unwrap();
    assert_eq!(after.len(), 1, "{after:?}");
    is_told(&home, &after[0]).await.unwrap();

    let printed =
        [home.ctl(&["why"]).await.unwrap().stdout, home.ctl(&["why", "--json"]).await.unwrap().stdout];
    let secrets: Vec<_> = practice.ledger().secrets().iter().map(|secret| secret.text.clone()).collect();
    let search = Search::new(secrets.iter().map(String::as_str));
    for text in printed {
        assert_eq!(search.leaks(text.as_bytes()), [], "{text}");
    }
}

/// Checks that the refused refresh is told in full, in JSON and in words.
async fn is_told(home: &Home, refused: &Attempt) -> Result<()> {
    assert_eq!((refused.action, refused.outcome), (Action::Refresh, AttemptOutcome::Refused));
    assert_eq!(refused.error.as_deref(), Some("invalid_grant"));
    assert_eq!((&refused.codes[..], refused.correlation_id.as_deref()), (&[700_082][..], Some(CORRELATION)));
    let cause = refused.cause.as_deref().unwrap_or_default();
    assert!(cause.contains("not used for too long"), "{refused:?}");
    let told = home.ctl(&["why", "default"]).await?.success()?;
    let next = refused.next_step.as_deref().unwrap_or_default();
    assert!(next.contains("`fourinsightctl login`"), "{refused:?}");
    // Lines are broken between words.
    let told: String = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["refresh was refused", "AADSTS700082", CORRELATION, cause, next] {
        assert!(told.contains(part), "{part} is missing: {told}");
    }
    Ok(())
}

/// A server whose access tokens live for seconds, and a home whose profile signs in there by the device flow.
async fn world() -> Result<(Practice, Serving, Home)> {
    let practice = Practice::new(Settings {
        access_token_life: Duration::from_secs(4),
        device_flow: Some(DeviceFlow { interval: Duration::from_secs(1), ..DeviceFlow::default() }),
        ..Settings::default()
    });
    let serving = practice.serve_plain().await?;
    let home = Home::new(&format!(
        "default_profile = \"work\"\n[profiles.work]\nissuer = \"{}\"\nclient_id = \"{}\"\nflow = \"device\"\n\
         scopes = \"openid offline_access read\"\n",
        serving.issuer,
        practice::Client::public().id
    ))?;
    Ok((practice, serving, home))
}

async fn attempts(home: &Home) -> Result<Vec<Attempt>> {
    let known: SessionAttempts = home.ctl(&["why", "--json"]).await?.json()?;
    assert_eq!(known.session.as_str(), "default");
    Ok(known.attempts)
}

async fn status(home: &Home) -> Result<SessionStatus> {
    home.get("/v1/sessions/default").await?.json()
}
