//! What Cognite's SDK 8.22.0 itself has written or takes: its token caches are taken over by the real programs and it
//! asks anew; its credential mappings become profiles that sign in.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};
use testkit::{
    http::Request,
    practice::{Client, ClientKey, DeviceFlow, Rotation, Settings},
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

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_the_sdk_loads_becomes_a_profile_that_signs_in() {
    let stage = stage().await.unwrap();
    let tenant = stage.serving.issuer.strip_suffix("/v2.0").unwrap().to_owned();
    let scopes = "  scopes: [\"https://api.example/.default\"]\n";
    let person = format!("  authority_url: {tenant}\n  client_id: practice-client\n{scopes}");
    let key = ClientKey::rsa();
    let certificate = format!(
        "  authority_url: {tenant}\n  client_id: practice key holder\n  cert_thumbprint: {}\n{scopes}  \
         certificate: |\n    {}\n",
        thumbprint(&key),
        key.private_pem.replace('\n', "\n    "),
    );
    for (kind, provider, fields) in [
        (
            "client_credentials",
            "OAuthClientCredentials",
            format!(
                "  token_url: {tenant}/oauth2/v2.0/token\n  client_id: practice confidential\n  \
                 client_secret: ${{CLIENT_SECRET}}\n{scopes}"
            ),
        ),
        ("client_certificate", "OAuthClientCertificate", certificate),
        ("device_code", "OAuthDeviceCode", person.clone()),
        ("interactive", "OAuthInteractive", format!("{person}  redirect_port: 0\n")),
    ] {
        let file = mapping_file(&stage, kind, &fields, provider).await.unwrap();
        let arguments = ["cognite", &*file, "--profile", kind];
        stage.dry_run(&arguments).await.unwrap().success().unwrap();
        let arrived = stage.arrived();
        let said = stage.home.ctl(&[&["import"], &arguments[..]].concat()).await.unwrap().success().unwrap();
        assert!(said.contains(&format!("fourinsightctl login --profile {kind}")), "{said}");
        assert_eq!(stage.arrived(), arrived, "a mapping is no login");
        assert!(fs::exists(&file).unwrap());
        trust(&stage, kind).unwrap();
        let secret = stage.practice.settings().clients.last().unwrap().secret.clone().unwrap();
        let config = fs::read_to_string(stage.home.config()).unwrap();
        assert!(!config.contains(&secret) && !config.contains(&key.private_pem[60..120]));

        let subject = sign_in_here(&stage, kind).await.unwrap();
        assert_eq!(stage.greeted(kind).await.unwrap(), subject, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_mapping_is_read_there_and_not_copied() {
    let stage = stage().await.unwrap();
    let tenant = stage.serving.issuer.strip_suffix("/v2.0").unwrap().to_owned();
    let secret = stage.practice.settings().clients.last().unwrap().secret.clone().unwrap();
    let kind = "client_credentials";
    let fields = format!(
        "  token_url: {tenant}/oauth2/v2.0/token\n  client_id: practice confidential\n  client_secret: '{secret}'\n  \
         scopes: [\"https://api.example/.default\"]\n"
    );
    let file = mapping_file(&stage, kind, &fields, "OAuthClientCredentials").await.unwrap();
    let said = stage.home.ctl(&["import", "cognite", &file, "--profile", kind]).await.unwrap();
    assert!(said.code == Some(0) && !format!("{said:?}").contains(&secret), "{said:?}");
    trust(&stage, kind).unwrap();
    assert_eq!(sign_in_here(&stage, kind).await.unwrap(), stage.greeted(kind).await.unwrap());
    for (path, content) in stage.home.files().unwrap() {
        let holds = content.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert_eq!(holds, path == Path::new(&file), "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_without_what_a_profile_needs_is_refused_with_the_reason() {
    let stage = stage().await.unwrap();
    let config = fs::read(stage.home.config()).unwrap();
    let file = mapping_file(&stage, "token", "  token: c4nary\n", "Token").await.unwrap();
    stage.leaves_alone(&["cognite", &file], Path::new(&file), "cannot renew itself").await.unwrap();
    let said = stage.home.ctl(&["import", "cognite", &file]).await.unwrap().stderr;
    assert!(!said.contains("c4nary"), "{said}");
    let path = stage.home.path().join("mapping.yaml");
    let file = path.to_str().unwrap();
    for (content, says) in [
        ("", "it is empty"),
        ("name: somebody's\n", "no credential mapping"),
        ("device_code: {client_id: ", "cannot be read"),
        ("token: a\ndevice_code: {}\n", "several credential mappings"),
    ] {
        fs::write(&path, content).unwrap();
        stage.leaves_alone(&["cognite", file], &path, says).await.unwrap();
    }
    stage.leaves_alone_what_somebody_else_has(&["cognite", file], &path).await.unwrap();
    assert_eq!(fs::read(stage.home.config()).unwrap(), config);
}

/// As certificate stores show it.
fn thumbprint(key: &ClientKey) -> String {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &key.certificate_der);
    digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat()
}

/// A file with this mapping, which the SDK loads as this kind of credentials.
async fn mapping_file(stage: &Stage, kind: &str, fields: &str, provider: &str) -> Result<String> {
    let text = format!("{kind}:\n{fields}");
    let said = stage.script("cognite_credentials", &json!({ "mapping": text })).await?.finish().await?;
    ensure!(said["provider"] == provider, "the SDK makes {said} of it");
    let file = stage.home.path().join(format!("{kind}.yaml"));
    fs::write(&file, text)?;
    Ok(file.to_string_lossy().into_owned())
}

/// Lets a new profile trust the server's certificate authority, which no mapping names.
fn trust(stage: &Stage, profile: &str) -> Result<()> {
    let (config, authorities) = (stage.home.config(), stage.home.path().join("ca.pem"));
    let (text, header) = (fs::read_to_string(&config)?, format!("[profiles.{profile}]\n"));
    ensure!(text.contains(&header), "{text}");
    let trusting = format!("{header}tls_ca_file = \"{}\"\n", authorities.display());
    Ok(fs::write(&config, text.replace(&header, &trusting))?)
}

/// Signs in by the profile of a kind of mapping, and gives whom the server takes the bearer of its token for.
async fn sign_in_here(stage: &Stage, kind: &str) -> Result<&'static str> {
    let arguments = [kind, "--profile", kind];
    match kind {
        "client_credentials" => {
            stage.home.ctl(&[&["login"], &arguments[..]].concat()).await?.success()?;
            return Ok("practice confidential");
        }
        "client_certificate" => {
            stage.home.ctl(&[&["login"], &arguments[..]].concat()).await?.success()?;
            return Ok("practice key holder");
        }
        "device_code" => {
            let login = stage.home.begin_device_login(&arguments).await?;
            let uri = &login.login.authorization_uri;
            stage.practice.answer_device(uri, &login.user_code, Some("ada")).await?;
            login.login.finish().await?.success()?;
        }
        _ => {
            let mut login = stage.home.begin_login(&arguments).await?;
            let callback = stage.practice.sign_in(&login.authorization_uri, "ada").await?;
            login.type_line(callback.as_str()).await?;
            login.finish().await?.success()?;
        }
    }
    Ok("subject-of-ada")
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
    let mut settings = Settings { device_flow: Some(flow), rotation: Rotation::Strict, ..entra };
    settings.clients.insert(0, Client::with_key(ClientKey::rsa().certificate()));
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
