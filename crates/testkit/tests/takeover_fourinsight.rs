//! Logins that `fourinsight.api` 0.1.24 itself has made, taken over by the real programs: each becomes a session that
//! works, and the package finds no login any more and asks.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use fourinsight_ipc::{SessionKey, message::SessionStatus};
use serde_json::{Value, json};
use testkit::{
    practice::Settings,
    process::Screen,
    witness::{Stage, fourinsight_constant},
};

/// The preset, but for where its server is: the client secret comes from the installed package.
const PROFILE: &str = r#"
[profiles.4insight]
preset = "4insight"
authorization_endpoint = "{issuer}/auth"
allowed_token_endpoints = ["{issuer}/{tenant}/oauth2/v2.0/token"]
{trust}
"#;

/// What people call their sessions, and none at all.
const KEYS: [Option<&str>; 3] = [None, Some("prod"), Some("Ünï/cödé")];

const IMPORT: [&str; 1] = ["fourinsight-api"];

#[tokio::test(flavor = "multi_thread")]
async fn each_login_of_the_package_becomes_a_session_and_the_package_asks() {
    let stage = stage().await.unwrap();
    // The package does not look at its keys, so this one works for whoever has made the folder.
    fs::create_dir_all(folder(&stage).join("token.Ünï")).unwrap();
    for key in KEYS {
        sign_in_there(&stage, key, "ada").await.unwrap();
    }
    let tried = stage.dry_run(&IMPORT).await.unwrap().success().unwrap();
    assert_eq!(tried.matches("Nothing was sent.").count(), 3, "{tried}");

    let imported = stage.home.ctl(&["import", "fourinsight-api"]).await.unwrap();
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let refreshes = stage.practice.ledger().refreshes().len();
    assert_eq!(refreshes, 3, "one is the proof for each");
    for key in KEYS {
        let session = SessionKey::of_seed(key);
        assert_eq!(stage.greeted(session.as_str()).await.unwrap(), "subject-of-ada");
        let status: SessionStatus =
            stage.home.ctl(&["status", session.as_str(), "--json"]).await.unwrap().json().unwrap();
        assert_eq!(status.profile.as_deref(), Some("4insight"));
        assert_eq!(status.identity.unwrap().name.as_deref(), Some("Ada Lovelace"));
    }
    assert!(SessionKey::of_seed(KEYS[2]).as_str() != "Ünï/cödé");

    let arrived = stage.arrived();
    for key in KEYS {
        assert!(asks(&stage, key).await.unwrap(), "{key:?}");
        assert!(!token_file(&stage, key).exists(), "{key:?}");
    }
    assert_eq!(stage.arrived(), arrived, "the package has nothing to send");
    let again = stage.home.ctl(&["import", "fourinsight-api"]).await.unwrap();
    assert_eq!(again.code, Some(1), "{again:?}");

    // Whoever goes back signs in there as ever, and nobody is in the other's way.
    sign_in_there(&stage, None, "ada").await.unwrap();
    for _ in 0..2 {
        stage.renew().await.unwrap();
        assert!(!asks(&stage, None).await.unwrap());
    }
    stage.nobody_fought().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keep_the_package_keeps_a_login_that_two_then_own() {
    let stage = stage().await.unwrap();
    sign_in_there(&stage, None, "ada").await.unwrap();
    let file = token_file(&stage, None);
    let before = fs::read(&file).unwrap();
    let kept = stage.home.ctl(&["import", "fourinsight-api", "--keep"]).await.unwrap();
    assert_eq!(kept.code, Some(0), "{kept:?}");
    assert!(kept.stderr.contains("warning: ") && kept.stderr.contains("ends the other's"), "{kept:?}");
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(fs::read_dir(folder(&stage)).unwrap().filter(is_note).count(), 0);
    assert_eq!(stage.greeted("default").await.unwrap(), "subject-of-ada");

    // This is what the warning is about, and what the other tests would see.
    assert!(asks(&stage, None).await.unwrap());
    stage.nobody_fought().unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_login_is_left_as_it_is() {
    let stage = stage().await.unwrap();
    sign_in_there(&stage, None, "ada").await.unwrap();
    let file = token_file(&stage, None);
    stage.leaves_wrecks_alone(&IMPORT, &file, "no token file of fourinsight.api").await.unwrap();

    // One that is over, which only the server knows.
    let before = fs::read(&file).unwrap();
    stage.practice.revoke_all();
    let refused = stage.home.ctl(&["import", "fourinsight-api"]).await.unwrap();
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("untouched"), "{refused:?}");
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(stage.home.ctl(&["token"]).await.unwrap().code, Some(3));
    assert!(asks(&stage, None).await.unwrap(), "the package learns the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_offers_what_is_there_and_goes_on_where_that_is_declined() {
    let stage = stage().await.unwrap();
    sign_in_there(&stage, None, "ada").await.unwrap();
    let arrived = stage.arrived();
    // With nobody to agree it only says so.
    let unattended = stage.home.ctl(&["login", "--profile", "4insight", "--no-browser"]).await.unwrap();
    assert_ne!(unattended.code, Some(0), "{unattended:?}");
    assert!(
        unattended.stderr.contains("`fourinsightctl import fourinsight-api` takes it over"),
        "{unattended:?}"
    );
    let declined = offered(&stage, "no").await.unwrap();
    assert!(declined.shown.contains(&format!("{}/auth", stage.serving.issuer)), "{}", declined.shown);
    assert_eq!(stage.arrived(), arrived, "nothing is sent without a yes");
    assert!(token_file(&stage, None).exists());

    let accepted = offered(&stage, "yes").await.unwrap();
    assert_eq!(accepted.code, Some(0), "{}", accepted.shown);
    assert!(accepted.shown.contains("Taken over as Ada Lovelace"), "{}", accepted.shown);
    assert_eq!(stage.greeted("default").await.unwrap(), "subject-of-ada");
    assert!(!token_file(&stage, None).exists());
    assert!(asks(&stage, None).await.unwrap());
    stage.nobody_fought().unwrap();
}

/// Signs in on a terminal, with this answer to the offer; a login that goes on is left at its next question.
async fn offered(stage: &Stage, answer: &str) -> Result<Screen> {
    let mut terminal = stage.home.on_a_terminal(&["login", "--profile", "4insight", "--no-browser"])?;
    terminal.wait_for("holds a login of fourinsight.api.").await?;
    terminal
        .wait_for("Take it over, instead of signing in anew? Type yes or no and press Enter.\r\n")
        .await?;
    terminal.type_line(answer)?;
    if answer == "no" {
        terminal.wait_for("It is not shown.\r\n").await?;
        testkit::process::signal(terminal.id()?, "INT")?;
    }
    terminal.finish().await
}

/// A server that knows the real client, takes from it the two requests alone that 4insight takes, and gives a new
/// refresh token at each use; the package is installed for the home's user.
async fn stage() -> Result<Stage> {
    let mut settings = Settings::fourinsight();
    settings.clients[0].secret = Some(fourinsight_constant("USER_CLIENT_SECRET")?);
    Stage::in_one_home(settings, PROFILE).await
}

fn folder(stage: &Stage) -> PathBuf {
    stage.home.path().join(".fourinsight/api")
}

fn token_file(stage: &Stage, key: Option<&str>) -> PathBuf {
    folder(stage).join(key.map_or_else(|| "token".to_owned(), |key| format!("token.{key}")))
}

fn is_note(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry
        .as_ref()
        .is_ok_and(|entry| Path::new(&entry.file_name()).to_string_lossy().starts_with("taken-over"))
}

/// Signs in with the package, as a notebook does at its first start.
async fn sign_in_there(stage: &Stage, key: Option<&str>, user: &str) -> Result<()> {
    let mut session = stage.script("fourinsight_user", &given(key)).await?;
    let page = format!("{}/auth", stage.serving.issuer);
    session.tell(&stage.practice.sign_in_for_package(&page, user).await?).await?;
    stage.finish_script(session).await?;
    ensure!(token_file(stage, key).exists(), "the package keeps its login elsewhere");
    Ok(())
}

/// Starts the package again with nobody to answer it: whether it asks for a login, having none.
async fn asks(stage: &Stage, key: Option<&str>) -> Result<bool> {
    let said = stage.script("fourinsight_user", &given(key)).await?.finish().await?;
    Ok(said["asks"] == true)
}

fn given(key: Option<&str>) -> Value {
    json!({ "session_key": key })
}
