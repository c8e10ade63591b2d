//! People who sign in by code at a second real server, `django-oauth-toolkit` on Django: its own pages, its rotation,
//! its revocation, and what it stores about them.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result};
use fourinsight_ipc::message::{SessionState, SessionStatus};
use serde_json::{Value, json};
use testkit::{
    browser::{Answer, Browser},
    django::{Ledger, Options, Site},
    http::Request,
    leak::Search,
    process::{Daemon, Home, signal},
    wait,
};

const SOON: Duration = Duration::from_mins(1);
const SCOPES: &str = "scopes = \"openid profile read\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_public_client_is_kept_signed_in_through_its_rotations_until_it_is_revoked() {
    // Where its metadata is found but in part, the rest is written by hand.
    let options = Options { metadata_at_root: false, ..Options::default() };
    let site = Site::start(options).await.unwrap();
    let lines = format!("{SCOPES}\nrevocation_endpoint = \"{}\"", site.endpoint("revoke_token"));
    let home = home(&site, &lines).unwrap().with_variable("FOURINSIGHT_LOG", "trace");
    let daemon = Daemon::start(&home).await.unwrap();
    let (login, landing) = home.login(&["work"], &Answer::allow("ada")).await.unwrap();
    assert_eq!(login.success().unwrap(), "Signed in as Ada Lovelace (1), session work.");
    assert!(landing.page.text().contains("Ada Lovelace"), "{}", landing.page.text());
    // It names itself in the callback (RFC 9207), and that is checked.
    assert!(landing.callback.query_pairs().any(|(name, value)| name == "iss" && value == site.issuer()));
    let status = status(&home, "work").await.unwrap();
    assert_eq!(
        (status.state, status.scope.as_deref()),
        (SessionState::SignedIn, Some("openid profile read"))
    );
    let identity = status.identity.unwrap();
    assert_eq!((identity.sub.as_str(), identity.name.as_deref()), ("1", Some("Ada Lovelace")));

    let (mut token, _) = served(&home, &["work"]).await.unwrap();
    let more_than_a_life = ["work", "--min-validity", "1h"];
    // The second time it is an API's refusal of the token that makes the daemon fetch another.
    for is_refused in [false, true, false] {
        if is_refused {
            let rejection = json!({ "token_id": served(&home, &["work"]).await.unwrap().1 });
            assert_eq!(home.post("/v1/sessions/work/rejections", &rejection).await.unwrap().status, 202);
        }
        let asking: &[&str] = if is_refused { &["work"] } else { &more_than_a_life };
        let (next, _) = served(&home, asking).await.unwrap();
        assert_ne!(next, token);
        let verdict = site.introspect(&next).await.unwrap();
        assert_eq!((verdict.active, verdict.scope.as_deref()), (true, Some("openid profile read")));
        // A rotation here ends the access token before it as well.
        assert!(!site.introspect(&token).await.unwrap().active);
        token = next;
    }

    let revoked = home.ctl(&["revoke", "work"]).await.unwrap();
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    assert!(!site.introspect(&token).await.unwrap().active);
    let ledger = site.ledger().await.unwrap();
    assert!(ledger.refused().is_empty(), "{:?}", ledger.refused());
    each_refresh_token_was_used_once(&ledger).unwrap();
    assert_eq!(ledger.refreshes().count(), 3);
    assert_eq!(ledger.at("revocation").count(), 2, "the refresh token and the access token");
    assert_eq!((ledger.living_refresh_tokens().count(), ledger.access_tokens.len()), (0, 0));

    assert!(daemon.stop().await.unwrap().success());
    let search = Search::new(ledger.secrets.iter().map(String::as_str));
    assert!(search.len() >= 40, "only {} forms to search for", search.len());
    for (path, content) in home.files().unwrap() {
        assert_eq!(search.leaks(&content), [], "in {}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confidential_client_proves_itself_as_it_is_told_to() {
    let site = Site::start(Options::default()).await.unwrap();
    // Unsaid, it is the server's metadata that decides.
    let ways = [("basic", "client_auth = \"basic\""), ("post", "client_auth = \"post\""), ("basic", "")];
    for (way, line) in ways {
        let home = Home::new("").unwrap();
        let lines = format!("{SCOPES}\n{line}");
        let profile = site.profile(&home, "site", &site.clients().confidential, &lines).unwrap();
        home.write_config(&profile).unwrap();
        let _daemon = Daemon::start(&home).await.unwrap();
        let before = site.ledger().await.unwrap().requests.len();
        home.login(&[], &Answer::allow("grace")).await.unwrap().0.success().unwrap();
        let first = home.ctl(&["token"]).await.unwrap().success().unwrap();
        let token = home.ctl(&["token", "--min-validity", "1h"]).await.unwrap().success().unwrap();
        assert_ne!(token, first, "{way}");
        assert!(site.introspect(&token).await.unwrap().active, "{way}");
        let stored = site.ledger().await.unwrap();
        let stored = stored.access_tokens.iter().find(|stored| stored.token == token).unwrap();
        assert_eq!(stored.client_id, site.clients().confidential.client_id);
        assert_eq!(stored.user.as_deref(), Some("grace"));
        assert_eq!(home.ctl(&["revoke"]).await.unwrap().code, Some(0), "{way}");
        assert!(!site.introspect(&token).await.unwrap().active, "{way}");

        let ledger = site.ledger().await.unwrap();
        assert!(ledger.refused().is_empty(), "{:?}", ledger.refused());
        let kinds: Vec<_> = ledger.requests[before..]
            .iter()
            .filter(|request| request.endpoint != "userinfo")
            .map(|request| {
                let kind = request.grant_type.as_deref().unwrap_or(&request.endpoint);
                (kind, request.client_authentication.as_str())
            })
            .collect();
        let expected = ["authorization_code", "refresh_token", "revocation", "revocation"];
        assert_eq!(kinds, expected.map(|kind| (kind, way)));
    }
    assert_eq!(site.ledger().await.unwrap().living_refresh_tokens().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_cancelled_or_has_a_wrong_secret_fails_at_once() {
    let site = Site::start(Options { names_itself: false, ..Options::default() }).await.unwrap();
    let home = home(&site, SCOPES).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let (cancelled, landing) = home.login(&[], &Answer::deny("ada")).await.unwrap();
    assert_eq!(cancelled.code, Some(5), "{cancelled:?}");
    assert!(landing.callback.query_pairs().any(|pair| pair == ("error".into(), "access_denied".into())));
    assert_eq!(home.ctl(&["token"]).await.unwrap().code, Some(3));
    assert!(site.ledger().await.unwrap().requests.is_empty(), "a cancelled login redeems nothing");

    let mut client = site.clients().confidential.clone();
    client.client_secret = Some("not the secret of this client".to_owned());
    let profile = site.profile(&home, "site", &client, SCOPES).unwrap();
    home.write_config(&profile).unwrap();
    let (refused, _) = home.login(&[], &Answer::allow("ada")).await.unwrap();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("invalid_client"), "{refused:?}");
    let ledger = site.ledger().await.unwrap();
    assert_eq!(ledger.requests.len(), 1, "asked once");
    assert_eq!(
        (ledger.requests[0].status, ledger.requests[0].error.as_deref()),
        (401, Some("invalid_client"))
    );
    assert!(ledger.access_tokens.is_empty());
}

/// This server promises to name itself in every answer, and does not where the answer is an error.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_login_is_not_believed_of_a_server_that_breaks_its_promise_to_name_itself() {
    let site = Site::start(Options::default()).await.unwrap();
    let home = home(&site, SCOPES).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let login = home.begin_login(&[]).await.unwrap();
    let landing = Browser::new().sign_in(&login.authorization_uri, &Answer::deny("ada")).await.unwrap();
    assert!(!landing.callback.query_pairs().any(|(name, _)| name == "iss"), "the framework was mended");
    let page = landing.page.text();
    assert!(page.contains("does not name the server"), "{page}");
    signal(login.id().unwrap(), "INT").unwrap();
    let given_up = login.finish().await.unwrap();
    assert_eq!(given_up.code, Some(130), "{given_up:?}");
    assert!(site.ledger().await.unwrap().requests.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_ended_at_the_server_is_noticed_and_a_new_one_mends_it() {
    let site = Site::start(Options { names_itself: false, ..Options::default() }).await.unwrap();
    let home = home(&site, SCOPES).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let (login, landing) = home.login(&[], &Answer::allow("ada")).await.unwrap();
    login.success().unwrap();
    assert!(!landing.callback.query_pairs().any(|(name, _)| name == "iss"));
    let first = home.ctl(&["token"]).await.unwrap().success().unwrap();

    // What its administrator's "delete" does too.
    let ledger = site.ledger().await.unwrap();
    let refresh_token = ledger.living_refresh_tokens().next().unwrap().token.clone();
    let fields = [("token", refresh_token.as_str()), ("client_id", &site.clients().public.client_id)];
    let url = site.endpoint("revoke_token").parse().unwrap();
    assert_eq!(Request::form(url, fields).send().await.unwrap().status, 200);
    home.ctl(&["token", "--min-validity", "1h"]).await.unwrap();
    wait::until("the end of the login", SOON, async || {
        Ok((status(&home, "default").await?.state == SessionState::LoginRequired).then_some(()))
    })
    .await
    .unwrap();
    assert!(!site.introspect(&first).await.unwrap().active);
    let refused = site.ledger().await.unwrap();
    let errors: Vec<_> =
        refused.refused().iter().map(|request| (request.status, request.error.clone())).collect();
    assert_eq!(errors, [(400, Some("invalid_grant".to_owned()))], "asked once");

    home.login(&["--force"], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
    assert!(site.introspect(&token).await.unwrap().active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_login_with_a_resource_leaves_the_old_one_to_its_end() {
    let site = Site::start(Options::default()).await.unwrap();
    let home = home(&site, SCOPES).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    home.login(&[], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    let resource = "https://api.example.com/v1";
    let again = ["--force", "--resource", resource];
    home.login(&again, &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    let token = home.ctl(&["token", "--min-validity", "1h"]).await.unwrap().success().unwrap();
    let ledger = site.ledger().await.unwrap();
    let stored = ledger.access_tokens.iter().find(|stored| stored.token == token).unwrap();
    assert_eq!(stored.resource, [resource], "the refresh keeps what the login asked for");
    let families: BTreeSet<_> = ledger.living_refresh_tokens().map(|token| &token.family).collect();
    assert_eq!(families.len(), 2, "a grant that a new login replaces is forgotten, not revoked");
    assert!(ledger.refused().is_empty(), "{:?}", ledger.refused());
}

/// A home whose one profile is the public client, with these lines.
fn home(site: &Site, lines: &str) -> Result<Home> {
    let home = Home::new("")?;
    home.write_config(&site.profile(&home, "site", &site.clients().public, lines)?)?;
    Ok(home)
}

/// The access token that the daemon hands out, and its id.
async fn served(home: &Home, arguments: &[&str]) -> Result<(String, String)> {
    let answer: Value = home.ctl(&[&["token", "--json"], arguments].concat()).await?.json()?;
    let text = |name: &str| answer[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
    Ok((text("access_token")?, text("token_id")?))
}

async fn status(home: &Home, session: &str) -> Result<SessionStatus> {
    home.ctl(&["status", session, "--json"])
        .await
        .and_then(|output| serde_json::from_str(&output.stdout).with_context(|| format!("{output:?}")))
}

/// One login's refresh tokens are one family, each presented once by the next refresh, the last by nobody.
fn each_refresh_token_was_used_once(ledger: &Ledger) -> Result<()> {
    let families: BTreeSet<_> = ledger.refresh_tokens.iter().map(|token| &token.family).collect();
    anyhow::ensure!(families.len() == 1, "{} families", families.len());
    let presented: Vec<_> = ledger.refreshes().filter_map(|request| request.refresh_token.as_ref()).collect();
    let issued: Vec<_> = ledger.refresh_tokens.iter().map(|token| &token.token).collect();
    anyhow::ensure!(
        issued.split_last().is_some_and(|(_, before)| before == presented),
        "{} issued, {} presented",
        issued.len(),
        presented.len()
    );
    Ok(())
}
