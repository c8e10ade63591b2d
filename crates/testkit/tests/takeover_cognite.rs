//! What Cognite's SDK 8.22.0 itself has written or takes: its token caches are taken over by the real programs and it
//! asks anew; its credential mappings become profiles that sign in.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{
    http::Request,
    practice::{DeviceFlow, Rotation, Settings},
    witness::{Script, Stage},
};

const PROFILE: &str = r#"
[profiles.fusion]
issuer = "{issuer}"
client_id = "practice-client"
resource_style = "entra"
scopes = "https://api.example/.default"
{trust}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_of_a_device_login_is_taken_over_and_the_sdk_asks() {
    let stage = stage().await.unwrap();
    let mut fields = person(&stage);
    // MSAL adds them by itself, and the SDK does only in the browser flow.
    fields["scopes"].as_array_mut().unwrap().extend(["openid", "profile", "offline_access"].map(Value::from));
    let mapping = json!({ "device_code": fields });
    let mut sdk = stage.script("cognite_credentials", &signing_in(&mapping)).await.unwrap();
    enter_code(&stage, &mut sdk).await.unwrap();
    stage.finish_script(sdk).await.unwrap();
    // The profile's own flow is another. With this scope Entra renews the login of a device only where nothing asks
    // whose it is.
    move_in(&stage, "Taken over, session default").await.unwrap();

    let mut again = stage.script("cognite_credentials", &signing_in(&mapping)).await.unwrap();
    assert!(again.next().await.unwrap()["said"].as_str().unwrap().contains(" enter the code: "));
    assert_eq!(stage.greeted("default").await.unwrap(), "subject-of-ada");
    stage.nobody_fought().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_of_a_browser_login_is_taken_over_and_the_sdk_asks() {
    let stage = stage().await.unwrap();
    let mut fields = person(&stage);
    fields["redirect_port"] = json!(0);
    let mapping = json!({ "interactive": fields });
    let mut sdk = stage.script("cognite_credentials", &signing_in(&mapping)).await.unwrap();
    let asked = sdk.next().await.unwrap();
    let uri = asked["authorization_uri"].as_str().unwrap();
    let (callback, form) = stage.practice.sign_in_for_form(uri, "ada").await.unwrap();
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    assert_eq!(Request::form(callback, fields).send().await.unwrap().status, 200);
    stage.finish_script(sdk).await.unwrap();
    move_in(&stage, "Taken over as Ada Lovelace").await.unwrap();

    let mut again = stage.script("cognite_credentials", &signing_in(&mapping)).await.unwrap();
    assert!(again.next().await.unwrap()["authorization_uri"].is_string());
    assert_eq!(stage.greeted("default").await.unwrap(), "subject-of-ada");
    stage.nobody_fought().unwrap();
}

/// Takes over what the SDK has for its client, where it keeps it by default.
async fn move_in(stage: &Stage, says: &str) -> Result<()> {
    let path = cache(stage);
    let file = path.to_str().context("a path of text")?;
    let before = fs::read(&path)?;
    stage.dry_run(&["msal", file]).await?.success()?;
    let refreshes = stage.practice.ledger().refreshes().len();
    let imported = stage.home.ctl(&["import", "msal", file]).await?;
    ensure!(imported.code == Some(0) && imported.stdout.starts_with(says), "{imported:?}");
    ensure!(stage.practice.ledger().refreshes().len() == refreshes + 1, "the proof, and nothing more");
    ensure!(stage.greeted("default").await? == "subject-of-ada");
    let retired = path.with_file_name(format!("taken-over.{CACHE}"));
    ensure!(!path.exists() && fs::read(retired)? == before, "{imported:?}");
    Ok(())
}

/// Does what the SDK says: opens the page, enters the code.
async fn enter_code(stage: &Stage, sdk: &mut Script) -> Result<()> {
    let said = sdk.next().await?["said"].as_str().context("it says nothing")?.to_owned();
    let (uri, code) = said
        .strip_prefix("Visit ")
        .and_then(|rest| rest.split_once(" and enter the code: "))
        .with_context(|| said.clone())?;
    stage.practice.answer_device(uri, code, Some("ada")).await
}

/// A server like Entra, but which lets nobody present a refresh token twice.
async fn stage() -> Result<Stage> {
    let entra = Settings::entra();
    let flow = DeviceFlow { interval: Duration::from_secs(1), ..entra.device_flow.context("a device flow")? };
    let settings = Settings { device_flow: Some(flow), rotation: Rotation::Strict, ..entra };
    Stage::in_one_home(settings, PROFILE).await
}

/// The fields of a mapping for a person.
fn person(stage: &Stage) -> Value {
    json!({
        "authority_url": format!("{}/contoso.example", stage.serving.origin),
        "client_id": "practice-client",
        "scopes": ["https://api.example/.default"],
    })
}

fn signing_in(mapping: &Value) -> Value {
    json!({ "mapping": mapping, "signs_in": true })
}

const CACHE: &str = "cognitetokencache.practice-client.bin";

fn cache(stage: &Stage) -> PathBuf {
    stage.home.path().join(".cache/cognite-sdk-python").join(CACHE)
}
