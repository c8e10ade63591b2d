//! Logins of other tools, taken over by the real programs from files as those tools leave them: the session works, the
//! file is out of the way, and nothing that was written or said holds a secret.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::{Context as _, Result};
use fourinsight_ipc::message::SessionStatus;
use serde_json::{Value, json};
use testkit::{
    http::Request,
    leak::Search,
    practice::{Practice, Serving, Settings, Verdict},
    process::{Daemon, Home},
};
use url::Url;

// The pair of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT_URI: &str = "http://127.0.0.1:4711/callback";

/// What a token endpoint answered some other tool, after a login as ada.
async fn answer(practice: &Practice, serving: &Serving) -> Result<Value> {
    let mut uri = Url::parse(&format!("{}/authorize", serving.origin))?;
    uri.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", "practice-client"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "openid offline_access api read"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let callback = practice.sign_in(uri.as_str(), "ada").await?;
    let code = callback.query_pairs().find(|(name, _)| name == "code").context("a code")?.1.into_owned();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
        ("client_id", "practice-client"),
    ];
    Request::form(Url::parse(&token_url(serving))?, fields).send().await?.json()
}

fn token_url(serving: &Serving) -> String {
    format!("{}/token", serving.origin)
}

/// A profile like 4insight's, one of an issuer, and one that is for somebody else.
fn config(serving: &Serving) -> String {
    let Serving { origin, issuer, .. } = serving;
    format!(
        "[profiles.fourinsight]\nflow = \"paste\"\nauthorization_endpoint = \"{origin}/authorize\"\n\
         allowed_token_endpoints = [\"{origin}/token\"]\nclient_id = \"practice-client\"\n\
         [profiles.work]\nissuer = \"{issuer}\"\nclient_id = \"practice-client\"\n\
         scopes = \"openid offline_access api read\"\n\
         [profiles.other]\nissuer = \"https://id.example\"\nclient_id = \"other\"\n"
    )
}

/// As fourinsight.api writes it: no care for who may read it, the scope as a list.
fn write_token_file(path: &Path, serving: &Serving, answer: &Value) -> Result<()> {
    let mut file = answer.clone();
    file["token_url"] = json!(token_url(serving));
    file["scope"] = json!(["openid", "offline_access", "api", "read"]);
    file["expires_at"] = json!(1_700_000_000.25);
    fs::create_dir_all(path.parent().context("a folder")?)?;
    fs::write(path, file.to_string())?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o644))?)
}

async fn status(home: &Home, session: &str) -> Result<SessionStatus> {
    home.ctl(&["status", session, "--json"]).await?.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_fourinsight_api_become_sessions_and_nothing_leaks() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new(&config(&serving)).unwrap().with_variable("FOURINSIGHT_LOG", "trace");
    let (file, keyed) = (home.state_dir().join("token"), home.state_dir().join("token.work"));
    for path in [&file, &keyed] {
        write_token_file(path, &serving, &answer(&practice, &serving).await.unwrap()).unwrap();
    }
    let daemon = Daemon::start(&home).await.unwrap();
    let tried = home.ctl(&["import", "fourinsight-api", "--dry-run"]).await.unwrap();
    assert_eq!((tried.code, practice.ledger().refreshes().len()), (Some(0), 0), "{tried:?}");

    let imported = home.ctl(&["import", "fourinsight-api"]).await.unwrap();
    let said = format!("{tried:?}{imported:?}");
    assert_eq!(imported.code, Some(0), "{imported:?}");
    assert_eq!(practice.ledger().refreshes().len(), 2);
    for (session, path) in [("default", &file), ("work", &keyed)] {
        assert!(!path.exists());
        let retired =
            path.with_file_name(format!("taken-over.{}", path.file_name().unwrap().to_str().unwrap()));
        assert_eq!(retired.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let token = home.ctl(&["token", session]).await.unwrap().success().unwrap();
        assert!(matches!(practice.verdict(&token), Verdict::Live), "{session}");
        let status = status(&home, session).await.unwrap();
        assert_eq!(status.identity.unwrap().sub, "subject-of-ada", "{session}");
        assert_eq!(status.profile.as_deref(), Some("fourinsight"), "{session}");
    }
    assert_eq!(practice.ledger().refreshes().len(), 2, "the proof brought the tokens");
    let again = home.ctl(&["import", "fourinsight-api"]).await.unwrap();
    assert_eq!(again.code, Some(1), "there is nothing left: {again:?}");

    assert!(daemon.stop().await.unwrap().success());
    let secrets = practice.ledger();
    let search = Search::new(secrets.secrets().iter().map(|secret| secret.text.as_str()));
    assert!(search.len() >= 20, "only {} forms to search for", search.len());
    assert_eq!(search.leaks(said.as_bytes()), []);
    for (path, content) in home.files().unwrap() {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("taken-over.") && !name.ends_with(".README.txt") {
            continue;
        }
        assert_eq!(search.leaks(&content), [], "in {}", path.display());
    }

    let _again = Daemon::start(&home).await.unwrap();
    assert_eq!(home.ctl(&["token", "work"]).await.unwrap().code, Some(0), "it outlives the daemon");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_login_of_a_shared_msal_cache_is_picked_and_the_cache_goes_with_the_last() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new(&config(&serving)).unwrap();
    let host = Url::parse(&serving.origin).unwrap().host_str().unwrap().to_owned();
    let mut cache = json!({ "AccessToken": {}, "RefreshToken": {}, "Account": {} });
    for user in ["ada", "grace"] {
        let answer = answer(&practice, &serving).await.unwrap();
        cache["RefreshToken"][user] = json!({ "credential_type": "RefreshToken", "secret": answer["refresh_token"],
            "home_account_id": user, "environment": host, "client_id": "practice-client",
            "last_modification_time": "1769000000" });
        let username = format!("{user}@example.com");
        cache["Account"][user] =
            json!({ "home_account_id": user, "environment": host, "username": username });
    }
    let path = home.path().join("msal_token_cache.json");
    fs::write(&path, cache.to_string()).unwrap();
    let file = path.to_str().unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();

    let choose = home.ctl(&["import", "msal", file]).await.unwrap();
    assert_eq!(choose.code, Some(2), "{choose:?}");
    assert!(choose.stdout.contains("--pick ada@example.com"), "{choose:?}");
    let ada = ["import", "msal", file, "--session", "ada", "--pick", "ada@example.com"];
    let first = home.ctl(&ada).await.unwrap();
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.stderr.contains("other logins") && path.exists(), "{first:?}");
    let grace = ["import", "msal", file, "--session", "grace", "--pick", "grace@example.com"];
    let last = home.ctl(&grace).await.unwrap();
    assert_eq!(last.code, Some(0), "{last:?}");
    assert!(!path.exists(), "{last:?}");
    assert_eq!(practice.ledger().refreshes().len(), 2);
    assert!(practice.ledger().reuse_events().is_empty());
    assert_eq!(status(&home, "grace").await.unwrap().profile.as_deref(), Some("work"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dictionary_whose_login_is_over_is_left_and_the_session_signed_out() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new(&config(&serving)).unwrap();
    let answer = answer(&practice, &serving).await.unwrap();
    let path = home.path().join("token.json");
    fs::write(&path, answer.to_string()).unwrap();
    let file = path.to_str().unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let unnamed = home.ctl(&["import", "oauthlib", file]).await.unwrap();
    assert_eq!(unnamed.code, Some(2), "{unnamed:?}");
    assert!(unnamed.stderr.contains("--profile"), "{unnamed:?}");

    practice.revoke_all();
    let over = home.ctl(&["import", "oauthlib", file, "--profile", "work"]).await.unwrap();
    assert_eq!(over.code, Some(3), "{over:?}");
    assert!(over.stderr.contains("untouched") && over.stderr.contains("fourinsightctl login"), "{over:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), answer.to_string());
    assert_eq!(home.ctl(&["token"]).await.unwrap().code, Some(3));
}
