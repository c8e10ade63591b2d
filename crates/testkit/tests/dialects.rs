//! The real programs against the practice server in the dialects of Entra, GitHub, Auth0 and 4insight, over TLS: from
//! the login to a refresh, a refusal and a revocation.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use testkit::{
    practice::{Answer, Client, DeviceFlow, Endpoint, Settings, Verdict, ledger::Entry},
    process::{Home, Output, TIME_LIMIT},
    world::World,
};
use tokio::{io::AsyncWriteExt as _, time::timeout};

/// A life that the daemon outlives many times in a test.
const SHORT: Duration = Duration::from_secs(4);

/// Nothing that a request of Entra's dialect may not hold.
fn is_entras(entry: &Entry) -> bool {
    entry.form.get("resource").is_none() && entry.form.get("client_id").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn entra_signs_in_in_the_browser_and_keeps_refreshing() {
    let settings = Settings { access_token_life: SHORT, ..Settings::entra() };
    let world = World::new(settings, "").await.unwrap();
    let said = world.sign_in().await.unwrap();
    assert!(said.contains("Signed in as Ada Lovelace"), "{said}");
    let ledger = world.practice.ledger();
    let asked = ledger.requests(Endpoint::Authorization).find(|entry| entry.method == "GET").unwrap();
    let scope: Vec<_> = asked.query.get("scope").unwrap().split(' ').collect();
    for word in ["https://api.example/.default", "openid", "profile", "offline_access"] {
        assert!(scope.contains(&word), "{word} in {scope:?}");
    }
    world.keeps_refreshing(3).await.unwrap();
    let refreshes = world.requests("refresh_token");
    for refresh in &refreshes {
        assert!(is_entras(refresh), "{refresh:?}");
        assert!(refresh.form.get("scope").unwrap().split(' ').any(|word| word == "offline_access"));
    }
    // Each refresh used the token that the one before it brought, though the older ones live.
    assert_eq!(world.practice.ledger().most_redemptions(), 1);
    let answer: serde_json::Value = world.home.ctl(&["token", "--json"]).await.unwrap().json().unwrap();
    let granted: Vec<_> = answer["scope"].as_str().unwrap().split(' ').collect();
    assert!(granted.contains(&"https://api.example/read"), "{granted:?}");
    let again = world.home.ctl(&["login"]).await.unwrap();
    assert_eq!(again.code, Some(0), "the session has what the profile asks for: {again:?}");

    let revoked = world.home.ctl(&["revoke", "default"]).await.unwrap();
    assert_eq!(revoked.code, Some(6), "{revoked:?}");
    assert_eq!(world.home.ctl(&["token"]).await.unwrap().code, Some(3));
    world.has_no_leak().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn entra_signs_a_device_in_and_refreshes_default_alone() {
    let flow = DeviceFlow { interval: Duration::from_secs(1), slows_down: false, ..DeviceFlow::default() };
    let settings = Settings { device_flow: Some(flow), access_token_life: SHORT, ..Settings::entra() };
    let world = World::new(settings, "").await.unwrap();
    world.sign_in_by_device().await.unwrap();
    world.keeps_refreshing(2).await.unwrap();
    let refreshes = world.requests("refresh_token");
    let alone = |refresh: &Entry| refresh.form.get("scope") == Some("https://api.example/.default");
    assert!(refreshes.iter().all(|refresh| is_entras(refresh) && alone(refresh)), "{refreshes:?}");
    let revoked = world.home.ctl(&["revoke", "default"]).await.unwrap();
    assert_eq!(revoked.code, Some(6), "{revoked:?}");
    world.has_no_leak().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn entra_takes_client_credentials_for_default_alone() {
    let client = Client::confidential();
    let clients = vec![client.clone()];
    let lines = "client_secret = {secret}\nclient_auth = \"post\"\nflow = \"client_credentials\"";
    let world = World::new(Settings { clients, ..Settings::entra() }, lines).await.unwrap();
    let said = world.home.ctl(&["login"]).await.unwrap().success().unwrap();
    assert!(said.contains("as the client itself"), "{said}");
    world.renewed_token().await.unwrap();
    let requests = world.requests("client_credentials");
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert!(is_entras(request), "{request:?}");
        assert_eq!(request.form.get("scope"), Some("https://api.example/.default"));
        assert_eq!(request.form.get("client_id"), Some(client.id.as_str()));
    }
    world.has_no_leak().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn entras_numbers_reach_the_person() {
    let client = Client::confidential();
    let settings = Settings { clients: vec![client], ..Settings::entra() };
    let world = World::new(settings, "flow = \"device\"").await.unwrap();
    let refused = world.home.ctl(&["login", "--no-browser"]).await.unwrap();
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("AADSTS7000218"), "{refused:?}");
    assert!(refused.stderr.contains("Allow public client flows"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn entras_policy_for_one_api_leaves_the_others_alone() {
    let world = World::new(Settings::entra(), "").await.unwrap();
    world.sign_in().await.unwrap();
    let other = ["token", "--scope", "https://other.example/.default"];
    let other = world.home.ctl(&other).await.unwrap().success().unwrap();
    assert_eq!(world.practice.access_token(&other).unwrap().audience, ["https://other.example"]);
    let guarded = world.home.ctl(&["token", "--scope", "https://guarded.example/.default"]).await.unwrap();
    assert_eq!(guarded.code, Some(3), "{guarded:?}");
    world.living_token().await.unwrap();
    // A policy on the session's own API asks for a person too, and costs no login.
    world.practice.answer_next_token_requests([Answer::json(
        400,
        &serde_json::json!({
            "error": "invalid_grant",
            "error_description": "AADSTS50079: as scripted",
            "error_codes": [50_079],
            "suberror": "additional_action",
        }),
    )]);
    let life = world.practice.settings().access_token_life.as_secs().to_string();
    let living = world.home.ctl(&["token", "--min-validity", &life]).await.unwrap();
    assert_eq!(living.code, Some(0), "the living token is served: {living:?}");
    let refused = world.requests("refresh_token").into_iter().filter(|request| request.status == Some(400));
    assert_eq!(refused.count(), 2, "one for the guarded API, one as scripted");
    assert_eq!(world.home.ctl(&["status", "default"]).await.unwrap().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn github_signs_in_refreshes_and_ends_by_its_own_word() {
    let world = World::new(Settings::github(), "").await.unwrap();
    world.sign_in().await.unwrap();
    world.renewed_token().await.unwrap();
    assert_eq!(world.practice.ledger().reuse_events().len(), 0);
    world.loses_its_login().await.unwrap();
    let last = world.requests("refresh_token").pop().unwrap();
    assert_eq!(last.status, Some(200), "GitHub refuses with status 200");
    world.has_no_leak().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn github_signs_a_device_in_though_every_poll_is_answered_200() {
    let flow = DeviceFlow { interval: Duration::from_secs(1), error_status: 200, ..DeviceFlow::default() };
    let world = World::new(Settings { device_flow: Some(flow), ..Settings::github() }, "").await.unwrap();
    world.sign_in_by_device().await.unwrap();
    world.renewed_token().await.unwrap();
    let revoked = world.home.ctl(&["revoke", "default"]).await.unwrap();
    assert_eq!(revoked.code, Some(6), "{revoked:?}");
    world.has_no_leak().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn auth0_signs_in_for_an_audience_and_ends_by_403() {
    let world = World::new(Settings::auth0(), "").await.unwrap();
    world.sign_in().await.unwrap();
    let token = world.renewed_token().await.unwrap();
    assert_eq!(world.practice.access_token(&token).unwrap().audience, ["https://api.example"]);
    world.loses_its_login().await.unwrap();
    assert_eq!(world.requests("refresh_token").pop().unwrap().status, Some(403));
    world.has_no_leak().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn auth0_revokes_where_it_says() {
    let world = World::new(Settings::auth0(), "").await.unwrap();
    world.sign_in().await.unwrap();
    let token = world.living_token().await.unwrap();
    let revoked = world.home.ctl(&["revoke", "default"]).await.unwrap();
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    assert_eq!(world.practice.verdict(&token), Verdict::Revoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn fourinsights_package_signs_in_and_its_odd_refresh_keeps_it_so() {
    let settings = Settings { access_token_life: SHORT, ..Settings::fourinsight() };
    let world = World::new(settings, "").await.unwrap();
    let page = format!("{}/auth", world.serving.origin);
    let package = world.practice.sign_in_for_package(&page, "ada").await.unwrap();
    let done = typed(&world.home, &[&package, "yes", "yes"]).await.unwrap();
    assert_eq!(done.code, Some(0), "{done:?}");
    world.keeps_refreshing(2).await.unwrap();
    let client = &world.practice.settings().clients[0];
    let secret = client.secret.as_deref().unwrap();
    assert!(secret.contains('~'));
    for refresh in world.requests("refresh_token") {
        assert_eq!((refresh.status, refresh.form.get("client_secret")), (Some(200), Some(secret)));
        assert!(refresh.form.get("client_id").is_none() && refresh.header("authorization").is_none());
    }
    let exchange = world.requests("authorization_code").pop().unwrap();
    let names: Vec<_> = exchange.form.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["grant_type", "code"]);
    assert!(exchange.header("authorization").is_some_and(|value| value.starts_with("Basic ")));
    let revoked = world.home.ctl(&["revoke", "default"]).await.unwrap();
    assert_eq!(revoked.code, Some(6), "{revoked:?}");
    world.has_no_leak().unwrap();
}

/// `fourinsightctl login` with these lines as its whole standard input.
async fn typed(home: &Home, lines: &[&str]) -> Result<Output> {
    let mut command = home.command(&home.programs().fourinsightctl);
    command.args(["login", "--no-browser"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("no standard input")?;
    for line in lines {
        input.write_all(format!("{line}\n").as_bytes()).await?;
    }
    drop(input);
    let output = timeout(TIME_LIMIT, child.wait_with_output()).await.context("login does not end")??;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(Output { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
}
