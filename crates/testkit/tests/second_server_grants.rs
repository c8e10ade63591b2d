//! The other ways in at a second real server, `django-oauth-toolkit` on Django: by device, and as the client itself.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result};
use fourinsight_ipc::message::{SessionState, SessionStatus};
use serde_json::json;
use testkit::{
    browser::Answer,
    django::{Options, Site},
    process::{Daemon, Home},
    provider::Client,
    wait,
};

const SOON: Duration = Duration::from_mins(1);
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const SCOPES: &str = "scopes = \"openid profile read\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_device_signs_in_where_the_metadata_leaves_the_device_flow_out() {
    let site = Site::start(Options::default()).await.unwrap();
    for (client, way) in [(&site.clients().public_device, "none"), (&site.clients().device, "basic")] {
        let home = Home::new("").unwrap();
        home.write_config(&site.profile(&home, "site", client, SCOPES).unwrap()).unwrap();
        let _daemon = Daemon::start(&home).await.unwrap();
        let refused = home.ctl(&["login", "--flow", "device"]).await.unwrap();
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("device_authorization_endpoint"), "{refused:?}");

        home.write_config(&device_profile(&site, &home, client).unwrap()).unwrap();
        let before = site.ledger().await.unwrap().requests.len();
        let login = home.begin_device_login(&[]).await.unwrap();
        assert_eq!(login.login.authorization_uri, site.endpoint("device"));
        let (signed_in, page) = login.connect(&Answer::allow("grace")).await.unwrap();
        assert!(page.text().contains("Device Authorized"), "{}", page.text());
        // Its answer to a device has no ID token: who it is comes from the userinfo endpoint.
        assert_eq!(signed_in.success().unwrap(), "Signed in as Grace Hopper (2), session default.");

        let first = home.ctl(&["token"]).await.unwrap().success().unwrap();
        let token = home.ctl(&["token", "--min-validity", "1h"]).await.unwrap().success().unwrap();
        assert_ne!(token, first, "{way}");
        assert!(site.introspect(&token).await.unwrap().active, "{way}");
        let stored = site.ledger().await.unwrap();
        let stored = stored.access_tokens.iter().find(|stored| stored.token == token).unwrap();
        assert_eq!((stored.client_id.as_str(), stored.user.as_deref()), (&*client.client_id, Some("grace")));
        assert_eq!(home.ctl(&["revoke"]).await.unwrap().code, Some(0), "{way}");
        assert!(!site.introspect(&token).await.unwrap().active, "{way}");

        let ledger = site.ledger().await.unwrap();
        let requests = &ledger.requests[before..];
        let ways: BTreeSet<_> = requests
            .iter()
            .filter(|request| request.endpoint != "userinfo")
            .map(|request| request.client_authentication.as_str())
            .collect();
        assert_eq!(ways, [way].into(), "every request, from the start of the flow to the revocation");
        let (granted, pending) = requests
            .iter()
            .filter(|request| request.grant_type.as_deref() == Some(DEVICE_CODE))
            .collect::<Vec<_>>()
            .split_last()
            .map(|(last, before)| (*last, before.to_vec()))
            .unwrap();
        assert_eq!(granted.status, 200);
        assert!(!granted.answered.contains(&"id_token".to_owned()));
        assert!(pending.iter().all(|poll| poll.error.as_deref() == Some("authorization_pending")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_a_person_denies_is_not_signed_in() {
    let site = Site::start(Options::default()).await.unwrap();
    let home = Home::new("").unwrap();
    home.write_config(&device_profile(&site, &home, &site.clients().device).unwrap()).unwrap();
    let login = home.begin_device_login(&[]).await.unwrap();
    let (denied, page) = login.connect(&Answer::deny("ada")).await.unwrap();
    assert!(page.text().contains("Device Denied"), "{}", page.text());
    assert_eq!(denied.code, Some(5), "{denied:?}");
    assert_eq!(home.ctl(&["token"]).await.unwrap().code, Some(3));
    assert!(site.ledger().await.unwrap().access_tokens.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_session_signs_in_and_renews_by_itself() {
    let site = Site::start(Options { access_token_life: 6, ..Options::default() }).await.unwrap();
    let home = Home::new("").unwrap();
    let lines = "flow = \"client_credentials\"\nscopes = \"read write\"";
    let profile = site.profile(&home, "batch", &site.clients().batch, lines).unwrap();
    home.write_config(&format!("{profile}[sessions.batch]\nprofile = \"batch\"\n")).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let first = home.ctl(&["token", "batch"]).await.unwrap().success().unwrap();
    let verdict = site.introspect(&first).await.unwrap();
    assert_eq!((verdict.active, verdict.scope.as_deref()), (true, Some("read write")));
    wait::until("a renewal", SOON, async || {
        Ok((site.ledger().await?.token_requests("client_credentials").count() >= 2).then_some(()))
    })
    .await
    .unwrap();
    let token = wait::until("the renewed token", SOON, async || {
        Ok(Some(home.ctl(&["token", "batch"]).await?.success()?).filter(|token| *token != first))
    })
    .await
    .unwrap();
    assert!(site.introspect(&token).await.unwrap().active);
    let status = status(&home, "batch").await.unwrap();
    assert_eq!((status.state, status.identity.is_none()), (SessionState::SignedIn, true));
    let ledger = site.ledger().await.unwrap();
    assert!(ledger.refused().is_empty(), "{:?}", ledger.refused());
    assert!(ledger.refresh_tokens.is_empty());
    assert!(ledger.access_tokens.iter().all(|token| token.user.is_none()));
    assert!(ledger.requests.iter().all(|request| request.client_authentication == "basic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_brings_its_secret_is_told_at_once_whether_it_is_right() {
    let site = Site::start(Options::default()).await.unwrap();
    let home = Home::new("").unwrap();
    let lines = "flow = \"client_credentials\"\nscopes = \"read\"\nclient_auth = \"post\"";
    let Client { client_id, client_secret, .. } = site.clients().batch.clone();
    let nameless = Client { client_secret: None, ..site.clients().batch.clone() };
    home.write_config(&site.profile(&home, "batch", &nameless, lines).unwrap()).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let bring = |secret: &str| json!({ "session": "batch", "profile": "batch", "client_id": client_id, "client_secret": secret });
    for (secret, state) in
        [("not the secret of this client", "failed"), (client_secret.as_deref().unwrap(), "succeeded")]
    {
        let started: serde_json::Value =
            home.post("/v1/logins", &bring(secret)).await.unwrap().json().unwrap();
        let id = started["id"].as_str().with_context(|| started.to_string()).unwrap();
        let ended = wait::until("the end of the login", SOON, async || {
            let login: serde_json::Value = home.get(&format!("/v1/logins/{id}?wait=30")).await?.json()?;
            Ok((login["state"] != "pending").then_some(login))
        })
        .await
        .unwrap();
        assert_eq!(ended["state"], state, "{ended}");
    }
    let token = home.ctl(&["token", "batch"]).await.unwrap().success().unwrap();
    assert!(site.introspect(&token).await.unwrap().active);
    let asked: Vec<_> = site
        .ledger()
        .await
        .unwrap()
        .requests
        .into_iter()
        .map(|request| (request.client_authentication, request.status, request.error))
        .collect();
    let post = || "post".to_owned();
    assert_eq!(asked, [(post(), 401, Some("invalid_client".to_owned())), (post(), 200, None)]);
    assert_eq!(home.ctl(&["revoke", "batch"]).await.unwrap().code, Some(0));
    assert!(!site.introspect(&token).await.unwrap().active);
}

/// The framework below a prefix and nothing at the root: its OpenID Connect document names no revocation endpoint.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_endpoint_that_no_metadata_names_is_not_guessed() {
    let site = Site::start(Options { metadata_at_root: false, ..Options::default() }).await.unwrap();
    let home = Home::new("").unwrap();
    let lines = "flow = \"client_credentials\"\nscopes = \"read\"";
    home.write_config(&site.profile(&home, "batch", &site.clients().batch, lines).unwrap()).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    home.ctl(&["login", "batch"]).await.unwrap().success().unwrap();
    let token = home.ctl(&["token", "batch"]).await.unwrap().success().unwrap();
    let forgotten = home.ctl(&["revoke", "batch"]).await.unwrap();
    assert_eq!(forgotten.code, Some(6), "{forgotten:?}");
    assert!(forgotten.stdout.contains("no revocation endpoint"), "{forgotten:?}");
    assert!(site.introspect(&token).await.unwrap().active, "it lives out its time, as the command says");
}

/// The one profile, with what the metadata leaves out.
fn device_profile(site: &Site, home: &Home, client: &Client) -> Result<String> {
    let lines = format!(
        "flow = \"device\"\n{SCOPES}\ndevice_authorization_endpoint = \"{}\"",
        site.endpoint("device-authorization")
    );
    site.profile(home, "site", client, &lines)
}

async fn status(home: &Home, session: &str) -> Result<SessionStatus> {
    home.ctl(&["status", session, "--json"]).await?.json()
}
