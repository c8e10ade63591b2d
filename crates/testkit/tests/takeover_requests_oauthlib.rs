//! Tokens that programs with `requests-oauthlib` 2.0.0 have saved, taken over by the real programs: however much of
//! the dictionary they keep, the login is renewed at once, and the program finds no file any more and asks.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{
    practice::{Client, ClientAuthentication, Settings},
    witness::Stage,
};

const REDIRECT_URI: &str = "https://app.example/callback";

const PROFILE: &str = r#"
[profiles.practice]
issuer = "{issuer}"
client_id = "practice confidential"
client_secret = { file = "{secret}" }
client_auth = { code = "basic_raw", refresh = "post", revoke = "post" }
redirect_uri = "https://app.example/callback"
flow = "paste"
scopes = "openid offline_access api"
{trust}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn however_much_a_program_keeps_its_login_is_renewed_at_once() {
    let stage = stage().await.unwrap();
    let few = ["access_token", "refresh_token", "token_type", "expires_in"];
    for (name, keeps) in [
        ("everything", json!({})),
        ("unknown", json!({ "keeps": few })),
        ("over", json!({ "keeps": few, "instead": { "expires_in": "-30" } })),
    ] {
        sign_in_there(&stage, name, &keeps).await.unwrap();
        let path = file(&stage, name);
        let saved: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(saved.get("expires_at").is_some(), name == "everything", "{saved}");

        let file = path.to_str().unwrap();
        let arguments = ["oauthlib", file, "--profile", "practice", "--session", name];
        stage.dry_run(&arguments).await.unwrap().success().unwrap();
        let refreshes = stage.practice.ledger().refreshes().len();
        let imported = stage.home.ctl(&[&["import"], &arguments[..]].concat()).await.unwrap();
        assert!(imported.stdout.contains("Taken over as Ada Lovelace"), "{imported:?}");
        assert_eq!(stage.greeted(name).await.unwrap(), "subject-of-ada");
        assert_eq!(stage.practice.ledger().refreshes().len(), refreshes + 1, "the proof, and nothing more");
        assert!(!path.exists(), "{imported:?}");

        let mark = stage.mark();
        let mut program = stage.script("requests_oauthlib_file", &given(&stage, name, &keeps)).await.unwrap();
        assert!(program.next().await.unwrap()["authorization_uri"].is_string(), "{name}");
        program.finish().await.unwrap();
        assert_eq!(stage.mark(), mark, "the program has nothing to send");
    }
    stage.nobody_fought().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_login_is_left_as_it_is_and_so_is_one_to_keep() {
    let stage = stage().await.unwrap();
    sign_in_there(&stage, "token", &json!({})).await.unwrap();
    let path = file(&stage, "token");
    let file = path.to_str().unwrap();
    let arguments = ["oauthlib", file, "--profile", "practice"];
    stage.leaves_wrecks_alone(&arguments, &path, "no refresh token").await.unwrap();

    let (before, arrived) = (fs::read(&path).unwrap(), stage.arrived());
    let unnamed = stage.home.ctl(&["import", "oauthlib", file]).await.unwrap();
    assert_eq!(unnamed.code, Some(2), "{unnamed:?}");
    assert!(unnamed.stderr.contains("--profile"), "{unnamed:?}");
    assert_eq!(stage.arrived(), arrived, "nobody is asked whose it is");

    let kept = stage.home.ctl(&[&["import"], &arguments[..], &["--keep"]].concat()).await.unwrap();
    assert!(kept.code == Some(0) && kept.stderr.contains("as --keep says"), "{kept:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(stage.greeted("default").await.unwrap(), "subject-of-ada");

    // The grant is over once it is revoked, and the program's file does not know.
    stage.home.ctl(&["revoke"]).await.unwrap().success().unwrap();
    let refused = stage.home.ctl(&[&["import"], &arguments[..]].concat()).await.unwrap();
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("untouched"), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// A server with one client, which proves itself as `requests-oauthlib` does.
async fn stage() -> Result<Stage> {
    let client =
        Client::confidential().accepting(&[ClientAuthentication::BasicRaw, ClientAuthentication::Post]);
    Stage::in_one_home(Settings { clients: vec![client], ..Settings::default() }, PROFILE).await
}

fn file(stage: &Stage, name: &str) -> PathBuf {
    stage.home.path().join(format!("{name}.json"))
}

async fn sign_in_there(stage: &Stage, name: &str, keeps: &Value) -> Result<()> {
    let mut program = stage.script("requests_oauthlib_file", &given(stage, name, keeps)).await?;
    let asked = program.next().await?;
    let uri = asked["authorization_uri"].as_str().context("no authorization URI")?;
    program.tell(stage.practice.sign_in(uri, "ada").await?.as_str()).await?;
    stage.finish_script(program).await?;
    ensure!(file(stage, name).exists(), "the program keeps nothing");
    Ok(())
}

/// What the program is told.
fn given(stage: &Stage, name: &str, keeps: &Value) -> Value {
    let Client { id, secret, .. } = Client::confidential();
    let mut given = json!({
        "file": file(stage, name),
        "authorization_endpoint": format!("{}/authorize", stage.serving.issuer),
        "token_endpoint": format!("{}/token", stage.serving.issuer),
        "api": format!("{}/api/hello", stage.serving.issuer),
        "client_id": id,
        "client_secret": secret,
        "redirect_uri": REDIRECT_URI,
        "scope": ["openid", "offline_access", "api"],
    });
    for (key, value) in keeps.as_object().into_iter().flatten() {
        given[key] = value.clone();
    }
    given
}
