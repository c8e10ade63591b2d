//! Caches that MSAL Python 1.39.0 itself has written, taken over by the real programs: of several people one is picked,
//! and MSAL finds nobody any more when the last has moved.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{
    practice::{DeviceFlow, Rotation, Settings},
    witness::Stage,
};

const PROFILE: &str = r#"
[profiles.practice]
issuer = "{issuer}"
client_id = "practice-client"
flow = "device"
resource_style = "entra"
scopes = "https://api.example/read"
{trust}

[profiles.other]
issuer = "{issuer}"
client_id = "other-client"
{trust}
"#;

const ADA: &str = "ada@contoso.example";
const GRACE: &str = "grace@contoso.example";

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_people_is_picked_and_the_cache_goes_with_the_last() {
    let stage = stage().await.unwrap();
    for user in ["ada", "grace"] {
        sign_in_there(&stage, user).await.unwrap();
    }
    let path = cache(&stage);
    let file = path.to_str().unwrap();
    let choice = stage.dry_run(&["msal", file]).await.unwrap();
    assert_eq!(choice.code, Some(2), "{choice:?}");
    for person in [ADA, GRACE] {
        assert!(choice.stdout.contains(&format!("--pick {person}  ")), "{choice:?}");
    }
    let ada = ["msal", file, "--session", "ada", "--pick", ADA];
    stage.dry_run(&ada).await.unwrap().success().unwrap();

    let moved = import(&stage, &ada).await.unwrap();
    assert!(moved.contains("Taken over as Ada Lovelace"), "{moved}");
    assert!(moved.contains("warning: ") && moved.contains("sign out of this one in the tool"), "{moved}");
    assert_eq!(stage.greeted("ada").await.unwrap(), "subject-of-ada");
    // As it says. The other goes on there.
    assert_eq!(there(&stage, "sign out", ADA).await.unwrap(), [GRACE]);
    assert_eq!(there(&stage, "renew", "").await.unwrap(), [GRACE]);
    assert_eq!(stage.greeted("ada").await.unwrap(), "subject-of-ada");

    let moved = import(&stage, &["msal", file, "--session", "grace"]).await.unwrap();
    assert!(moved.contains(" is now ") && !path.exists(), "{moved}");
    assert_eq!(stage.greeted("grace").await.unwrap(), "subject-of-grace");
    let mark = stage.mark();
    assert!(there(&stage, "renew", "").await.unwrap().is_empty());
    assert_eq!(stage.mark(), mark, "MSAL has nothing to send");
    stage.nobody_fought().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_login_is_left_as_it_is_and_so_is_one_to_keep() {
    let stage = stage().await.unwrap();
    sign_in_there(&stage, "ada").await.unwrap();
    let path = cache(&stage);
    let file = path.to_str().unwrap();
    stage.leaves_wrecks_alone(&["msal", file], &path, "no token cache of MSAL").await.unwrap();

    let before = fs::read(&path).unwrap();
    let other = stage.home.ctl(&["import", "msal", file, "--profile", "other"]).await.unwrap();
    assert_eq!(other.code, Some(2), "{other:?}");
    assert!(other.stderr.contains("of another client"), "{other:?}");
    let kept = import(&stage, &["msal", file, "--keep"]).await.unwrap();
    assert!(kept.contains("as --keep says"), "{kept}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(stage.greeted("default").await.unwrap(), "subject-of-ada");

    // What is there is spent now, which only the server knows.
    assert_eq!(stage.home.ctl(&["revoke"]).await.unwrap().code, Some(6), "Entra has nothing to revoke at");
    let refused = stage.home.ctl(&["import", "msal", file, "--session", "again"]).await.unwrap();
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("untouched"), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// Imports, and gives all that is said.
async fn import(stage: &Stage, arguments: &[&str]) -> Result<String> {
    let output = stage.home.ctl(&[&["import"], arguments].concat()).await?;
    let said = output.stderr.clone();
    Ok(said + &output.success()?)
}

/// A server like Entra, whose ID tokens name people, but which lets nobody present a refresh token twice.
async fn stage() -> Result<Stage> {
    let entra = Settings::entra();
    let flow = DeviceFlow { interval: Duration::from_secs(1), ..entra.device_flow.context("a device flow")? };
    let settings = Settings { device_flow: Some(flow), rotation: Rotation::Strict, ..entra };
    Stage::in_one_home(settings, PROFILE).await
}

fn cache(stage: &Stage) -> PathBuf {
    stage.home.path().join("msal_token_cache.json")
}

async fn sign_in_there(stage: &Stage, user: &str) -> Result<()> {
    let mut script = stage.script("msal_cache", &given(stage, "sign in", "")).await?;
    let asked = script.next().await?;
    let text = |name: &str| asked[name].as_str().with_context(|| format!("no {name}"));
    stage.practice.answer_device(text("verification_uri")?, text("user_code")?, Some(user)).await?;
    script.tell("entered").await?;
    script.finish().await.map(drop)
}

/// Has MSAL do this, and gives whom it knows afterwards.
async fn there(stage: &Stage, act: &str, username: &str) -> Result<Vec<String>> {
    let said = stage.script("msal_cache", &given(stage, act, username)).await?.finish().await?;
    Ok(serde_json::from_value(said["usernames"].clone())?)
}

fn given(stage: &Stage, act: &str, username: &str) -> Value {
    json!({
        "do": act,
        "username": username,
        "cache": Path::new(&cache(stage)),
        "client_id": "practice-client",
        "authority": {
            "authority": format!("{}/contoso.example", stage.serving.origin),
            "validate_authority": false,
            "instance_discovery": false,
        },
        "scope": ["https://api.example/read"],
    })
}
