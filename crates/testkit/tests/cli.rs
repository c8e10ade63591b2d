//! `fourinsightctl` end to end: what it says, and the exit codes of the contract.

use std::time::Duration;

use fourinsight_ipc::message::{SessionStatus, TokenResponse};
use testkit::{
    browser::{Answer, Browser},
    process::{Daemon, Home, Output, signal},
    provider::{Options, Provider},
    wait,
};

const SOON: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_session_from_its_login_to_its_end() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new(&provider.config()).unwrap();
    fails(&home, &["status"], 4).await;
    fails(&home, &["token", "--no-autostart"], 4).await;
    fails(&home, &["stop"], 4).await;
    fails(&home, &["token"], 3).await;
    fails(&home, &["status", "default"], 1).await;

    let (login, landing) = home.login(&[], &Answer::allow("ada")).await.unwrap();
    assert!(said(&login).contains("ada of Practice"), "{login:?}");
    assert_eq!(login.code, Some(0));
    assert!(
        landing.address.query().is_none(),
        "the code has left the address bar: {}",
        landing.address.path()
    );

    let token = home.ctl(&["token"]).await.unwrap();
    assert_eq!((token.code, token.stderr.as_str()), (Some(0), ""));
    let bare = token.stdout.strip_suffix('\n').unwrap().to_owned();
    assert!(provider.introspect(&bare).await.unwrap().active);
    let header = home.ctl(&["token", "--header"]).await.unwrap().success().unwrap();
    assert_eq!(header, format!("Authorization: Bearer {bare}"));
    let json: TokenResponse = home.ctl(&["token", "default", "--json"]).await.unwrap().json().unwrap();
    assert_eq!((json.token_type.as_str(), json.session.as_str()), ("Bearer", "default"));

    let status = home.ctl(&["status"]).await.unwrap().success().unwrap();
    for word in ["default", "ada of Practice", home.socket().to_str().unwrap()] {
        assert!(status.contains(word), "no {word} in:\n{status}");
    }
    assert!(!status.contains(&bare));
    let session: SessionStatus = home.ctl(&["status", "default", "--json"]).await.unwrap().json().unwrap();
    assert_eq!(session.identity.unwrap().sub, "ada");

    let revoke = home.ctl(&["revoke", "default"]).await.unwrap();
    assert_eq!(revoke.code, Some(0), "{revoke:?}");
    assert!(!provider.introspect(&bare).await.unwrap().active);
    fails(&home, &["token"], 3).await;
    fails(&home, &["revoke", "default"], 1).await;
    assert_eq!(home.ctl(&["status"]).await.unwrap().code, Some(0));
    assert_eq!(home.ctl(&["stop"]).await.unwrap().code, Some(0));
    fails(&home, &["status"], 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_is_made_only_when_it_would_change_nothing_unasked() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let other =
        provider.config().replace("default_profile = \"practice\"", "").replace("practice]", "other]");
    let home = Home::new(&format!("{}{other}", provider.config())).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let narrow = ["--scope", "openid offline_access", "--scope", "profile", "--scope", "api:read"];
    home.login(&narrow, &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    let requests = provider.ledger().await.unwrap().token_requests.len();

    let again = home.ctl(&[&["login", "--no-browser"][..], &narrow].concat()).await.unwrap();
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(said(&again).contains("ada of Practice"), "{again:?}");
    let profile = fails(&home, &["login", "--no-browser", "--profile", "other"], 2).await;
    assert!(profile.contains("other") && profile.contains("--force"), "{profile}");
    let scope = fails(&home, &["login", "--no-browser", "--scope", "api:write"], 2).await;
    assert!(scope.contains("api:write") && scope.contains("--force"), "{scope}");
    assert_eq!(provider.ledger().await.unwrap().token_requests.len(), requests);

    let switching = ["--force", "--switch-user", "--profile", "other"];
    let (forced, _) = home.login(&switching, &Answer::allow("grace")).await.unwrap();
    assert!(said(&forced).contains("grace of Practice"), "{forced:?}");
    let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
    assert_eq!(provider.introspect(&token).await.unwrap().sub.as_deref(), Some("grace"));
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_that_do_not_succeed() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new(&provider.config()).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();

    let (denied, landing) = home.login(&[], &Answer::deny("ada")).await.unwrap();
    assert_eq!(denied.code, Some(5), "{denied:?}");
    one_line(&denied);
    assert!(!landing.page.text().contains("End-User aborted"), "nothing from the request is reflected");

    let late = home.begin_login(&["--timeout", "1s"]).await.unwrap().finish().await.unwrap();
    assert_eq!(late.code, Some(1), "{late:?}");

    let interrupted = home.begin_login(&[]).await.unwrap();
    let uri = interrupted.authorization_uri.clone();
    signal(interrupted.id().unwrap(), "INT").unwrap();
    assert_eq!(interrupted.finish().await.unwrap().code, Some(130));
    let landing = Browser::new().sign_in(&uri, &Answer::allow("ada")).await.unwrap();
    assert!(landing.page.text().contains("Sign-in cancelled"), "nobody waits for it any more");
    fails(&home, &["token"], 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_pasted_at_the_prompt_signs_in() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new(&provider.config()).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let mut login = home.begin_login(&[]).await.unwrap();
    let callback = Browser::new().authorize(&login.authorization_uri, &Answer::allow("ada")).await.unwrap();
    let mut forged = callback.clone();
    forged.query_pairs_mut().clear().append_pair("code", "wrong").append_pair("state", "wrong");
    login.type_line(forged.as_str()).await.unwrap();
    login.type_line(callback.as_str()).await.unwrap();
    let output = login.finish().await.unwrap();
    assert_eq!(output.code, Some(0), "{output:?}");
    let (_, code) = callback.query_pairs().find(|(name, _)| name == "code").unwrap();
    assert!(!said(&output).contains(&*code), "the code is echoed");
    home.ctl(&["token"]).await.unwrap().success().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn revoke_tells_what_the_server_made_of_it() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let by_hand = format!(
        "[profiles.bare]\nauthorization_endpoint = \"{}\"\ntoken_endpoint = \"{}\"\nclient_id = \"{}\"\n\
         scopes = \"openid offline_access\"\nauthorize_params = {{ prompt = \"consent\" }}\n",
        provider.endpoint("auth"),
        provider.endpoint("token"),
        provider.public_client().client_id
    );
    let home = Home::new(&format!("{}{by_hand}", provider.config())).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    home.login(&["bare", "--profile", "bare"], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    for key in ["a", "b", "c"] {
        home.login(&[key], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    }
    let status = |code: Option<i32>, output: &Output| assert_eq!(output.code, code, "{output:?}");
    status(Some(6), &home.ctl(&["revoke", "bare"]).await.unwrap());
    status(Some(0), &home.ctl(&["revoke", "a"]).await.unwrap());
    drop(provider);
    status(Some(7), &home.ctl(&["revoke", "b"]).await.unwrap());
    status(Some(7), &home.ctl(&["revoke", "--all"]).await.unwrap());
    let sessions = home.get("/v1/sessions").await.unwrap().text();
    assert_eq!(sessions, r#"{"sessions":[]}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_a_temporary_trouble() {
    let provider = Provider::start(Options { access_token_life: 5, ..Options::default() }).await.unwrap();
    let home = Home::new(&provider.config()).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    home.login(&[], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    drop(provider);
    let last = wait::until("the token's end", SOON, async || {
        let output = home.ctl(&["token", "--wait", "1"]).await?;
        Ok((output.code != Some(0)).then_some(output))
    })
    .await
    .unwrap();
    assert_eq!(last.code, Some(8), "{last:?}");
    one_line(&last);
    let session: SessionStatus = home.ctl(&["status", "default", "--json"]).await.unwrap().json().unwrap();
    assert_eq!(session.state, fourinsight_ipc::message::SessionState::SignedIn);
    assert!(session.problem.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_and_wrong_configuration_have_codes_of_their_own() {
    let home = Home::new("[profiles.work]\nisuer = \"https://id.example.com\"\n").unwrap();
    let canary = "/c4n4ry/";
    let bad_key = home.ctl(&["token", canary]).await.unwrap();
    assert_eq!(bad_key.code, Some(2), "{bad_key:?}");
    assert!(!said(&bad_key).contains("c4n4ry"), "{bad_key:?}");
    assert_eq!(home.ctl(&["frobnicate"]).await.unwrap().code, Some(2));
    let bad_config = fails(&home, &["token"], 78).await;
    assert!(bad_config.contains("daemon.log") || bad_config.contains("config.toml"), "{bad_config}");
    assert_eq!(home.running_daemon(), None);
}

/// Runs a command that must end with this code and one line of error; gives the line.
async fn fails(home: &Home, arguments: &[&str], code: i32) -> String {
    let output = home.ctl(arguments).await.expect("the command runs");
    assert_eq!(output.code, Some(code), "{arguments:?}: {output:?}");
    assert_eq!(output.stdout, "", "{arguments:?}");
    one_line(&output);
    output.stderr
}

/// `error: what; what to do next`, alone on the last line.
fn one_line(output: &Output) {
    let line = output.stderr.lines().last().unwrap_or_default();
    assert!(line.starts_with("error: ") && line.contains("; "), "{output:?}");
    let errors = output.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, 1, "{output:?}");
}

fn said(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}
