//! README.md as its readers use it: each command of "Install", "Moving in" and "Use" is run by a shell exactly as it
//! stands there, in a home that holds what its reader has. A command that only one of the two knows is an error.
//!
//! Names of the real world stand in the commands. The practice server takes their place in `config.toml`, once
//! `profile init` has written them there; and a `.curlrc` leads `https://api.example.com` to it.

use std::{collections::BTreeMap, fs};

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fourinsight_ipc::message::ProfileList;
use hyper::header;
use serde_json::{Value, json};
use testkit::{
    http::Request,
    practice::{Client, Dialect, Resource, Serving, Settings, Verdict},
    readme::{self, Reader},
    witness::{fourinsight_constant, witness_python},
};
use url::Url;

/// What the profile `api`, `work` and the like have for their issuer.
const ISSUER: &str = "https://id.example.com";

/// The API of Cognite's cluster.
const FUSION: &str = "https://westeurope-1.cognitedata.com";

#[tokio::test(flavor = "multi_thread")]
async fn two_commands_sign_in_without_a_question() {
    // The first three are for a person: cargo's build what this runs, and the terminal's tests answer `login`.
    let [.., profile, login] = readme::section("Install")
        .unwrap()
        .commands([
            "cargo install --locked --path crates/fourinsightd",
            "cargo install --locked --path crates/fourinsightctl",
            "fourinsightctl login",
            "fourinsightctl profile init work --preset generic --set issuer=https://id.example.com --set client_id=abc",
            "fourinsightctl login --profile work",
        ])
        .unwrap();
    let reader = Reader::new(standard()).await.unwrap();
    reader.types(&profile).await.unwrap();
    reader.edit(ISSUER, &reader.serving.issuer).unwrap();
    reader.signs_in(&login).await.unwrap();
    reader.has("default").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_profiles_and_presets_holds() {
    let install = readme::section("Install").unwrap();
    let reader = Reader::new(standard()).await.unwrap();
    reader.home.write_config(&install.block("toml").unwrap()).unwrap();
    let list: ProfileList = reader.home.ctl(&["profile", "list", "--json"]).await.unwrap().json().unwrap();
    assert_eq!((list.profiles.len(), list.problem), (2, None));

    let presets: Value = reader.home.get("/v1/presets").await.unwrap().json().unwrap();
    let known: BTreeMap<_, _> = presets["presets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|preset| (preset["name"].as_str().unwrap(), preset))
        .collect();
    let mut told = BTreeMap::new();
    for row in install.rows() {
        let [name, _, asks] = row[..] else { panic!("{row:?}") };
        // What comes after a semicolon is nobody's to answer.
        let asks = asks.split(';').next().unwrap();
        let (needed, perhaps) = asks.split_once("perhaps").unwrap_or((asks, ""));
        told.insert(quoted(name)[0], (quoted(needed), quoted(perhaps)));
    }
    assert_eq!(told.keys().collect::<Vec<_>>(), known.keys().collect::<Vec<_>>());
    for (name, (needed, perhaps)) in &told {
        let asked = |required: bool| -> Vec<&str> {
            let flow = &known[name]["flows"][0];
            let belongs = |setting: &&Value| {
                let of = setting["flows"].as_array().unwrap();
                setting["required"] == required && (of.is_empty() || of.contains(flow))
            };
            let settings = known[name]["settings"].as_array().unwrap().iter().filter(belongs);
            settings.map(|setting| setting["name"].as_str().unwrap()).collect()
        };
        assert_eq!((needed, perhaps), (&asked(true), &asked(false)), "{name}");

        let settings = needed.iter().map(|setting| format!(" --set {setting}={}", some(setting)));
        let settings: String = settings.collect();
        reader
            .types(&format!("fourinsightctl profile init new-{name} --preset {name}{settings}"))
            .await
            .unwrap();
        reader.types(&format!("fourinsightctl profile show new-{name}")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_login_is_used_as_it_is_told() {
    let [login, curl] = readme::section("fourinsightd")
        .unwrap()
        .commands([
            "fourinsightctl login",
            r#"curl -H "$(fourinsightctl token --header)" https://api.example.com/things"#,
        ])
        .unwrap();
    let [status, why, revoke, resource, scope, socket] = readme::section("Use")
        .unwrap()
        .commands([
            "fourinsightctl status",
            "fourinsightctl why work         # what was last tried, what came of it, what to do next",
            "fourinsightctl revoke work      # sign out at the server, forget it here, and say which of both worked",
            "fourinsightctl token --resource https://files.example.com",
            "fourinsightctl token --scope mail.read",
            r#"curl --unix-socket "$XDG_RUNTIME_DIR/fourinsight/broker.sock" http://localhost/v1/sessions/default/token"#,
        ])
        .unwrap();
    let mut settings = standard();
    settings.scopes.push("mail.read".to_owned());
    let reader = Reader::new(settings).await.unwrap();
    let config = format!(
        "[profiles.work]\nissuer = \"{}\"\nclient_id = \"abc\"\nscopes = \"openid offline_access api mail.read\"\n\
         resources = [\"https://api.example.com\", \"https://files.example.com\"]\n",
        reader.serving.issuer
    );
    reader.home.write_config(&config).unwrap();
    reader.signs_in(&login).await.unwrap();
    reader.curls(&curl).await.unwrap();
    reader.signs_in("fourinsightctl login work --profile work").await.unwrap();

    assert!(reader.types(&status).await.unwrap().contains("work"));
    reader.types(&why).await.unwrap();
    let token = reader.has("work").await.unwrap();
    reader.types(&revoke).await.unwrap();
    assert_eq!(reader.practice.verdict(&token), Verdict::Revoked);

    let files = reader.lives(&reader.types(&resource).await.unwrap()).unwrap();
    let audience = reader.practice.access_token(&files).unwrap().audience;
    assert_eq!(audience, ["https://files.example.com"]);
    let mail = reader.lives(&reader.types(&scope).await.unwrap()).unwrap();
    assert_eq!(reader.practice.access_token(&mail).unwrap().scope, ["mail.read"]);
    let answer: Value = serde_json::from_str(&reader.types(&socket).await.unwrap()).unwrap();
    reader.lives(answer["access_token"].as_str().unwrap()).unwrap();
}

#[test]
fn every_way_of_moving_in_is_known_here() {
    let chapter = readme::chapter("Moving in").unwrap();
    let titles: Vec<_> = chapter.iter().map(|section| section.title.as_str()).collect();
    assert_eq!(
        titles,
        ["Moving in", "From fourinsight.api", "From Cognite's samples and SDK", "From requests-oauthlib"]
    );
    chapter[0].commands([]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn from_fourinsight_api() {
    let [import, token, login, profile, batch] = readme::section("From fourinsight.api")
        .unwrap()
        .commands([
            "fourinsightctl import fourinsight-api",
            "fourinsightctl token",
            "fourinsightctl login --profile 4insight",
            "fourinsightctl profile init batch --preset 4insight-service --set client_id=abc \
             --set client_secret=file:secret.txt",
            "fourinsightctl login batch --profile batch",
        ])
        .unwrap();
    // The package is installed, and has the client secret.
    let python = tokio::task::spawn_blocking(witness_python).await.unwrap().unwrap();
    let environment = python.ancestors().nth(2).unwrap();
    let mut settings = Settings::fourinsight();
    settings.clients[0].secret = Some(fourinsight_constant("USER_CLIENT_SECRET").unwrap());
    "abc".clone_into(&mut settings.clients[1].id);
    let reader = Reader::new(settings).await.unwrap();
    let reader = reader.with_variable("VIRTUAL_ENV", environment.to_str().unwrap());
    // Each preset's server is the real one, and a profile's own words go before it.
    let Serving { origin, issuer, .. } = &reader.serving;
    let (page, tokens) = (format!("{issuer}/auth"), format!("{origin}/{{tenant}}/oauth2/v2.0/token"));
    let config = format!(
        "[profiles.4insight]\npreset = \"4insight\"\nauthorization_endpoint = \"{page}\"\n\
         allowed_token_endpoints = [\"{tokens}\"]\n"
    );
    reader.home.write_config(&config).unwrap();

    let folder = reader.home.path().join(".fourinsight/api");
    for name in ["token", "token.work"] {
        let saved = saved_by_the_package(&reader, &page).await.unwrap();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), saved.to_string()).unwrap();
    }
    reader.types(&import).await.unwrap();
    assert!(!folder.join("token").exists());
    reader.lives(&reader.types(&token).await.unwrap()).unwrap();
    reader.has("work").await.unwrap();

    reader.home.ctl(&["revoke"]).await.unwrap();
    let mut page = reader.opens(&login).await.unwrap();
    let package = reader.practice.sign_in_for_package(&page.address, "ada").await.unwrap();
    // The tenant, and the person.
    for line in [&*package, "yes", "yes"] {
        page.type_line(line).await.unwrap();
    }
    page.finish().await.unwrap();
    reader.has("default").await.unwrap();

    let secret = reader.practice.settings().clients[1].secret.clone().unwrap();
    fs::write(reader.home.path().join("secret.txt"), secret).unwrap();
    reader.types(&profile).await.unwrap();
    let endpoint = tokens.replace("{tenant}", "4subseaid.onmicrosoft.com");
    reader.add("batch", &format!("token_endpoint = \"{endpoint}\"\n")).unwrap();
    reader.types(&batch).await.unwrap();
    reader.has("batch").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn from_cognites_samples_and_sdk() {
    let [profile, login, cache, mapping, nightly] = readme::section("From Cognite's samples and SDK")
        .unwrap()
        .commands([
            "fourinsightctl profile init cognite --preset cognite --set tenant=contoso.com \
             --set cluster=westeurope-1 --set client_id=abc",
            "fourinsightctl login --profile cognite",
            "fourinsightctl import msal cache.bin --profile cognite",
            "fourinsightctl import cognite credentials.yaml --profile nightly",
            "fourinsightctl login nightly --profile nightly",
        ])
        .unwrap();
    let has_profile = async || {
        let secret = Client::confidential().secret.unwrap_or_default();
        let reader = Reader::new(cognite()).await?.with_variable("NIGHTLY_SECRET", &secret);
        reader.types(&profile).await?;
        // The port of the samples is taken where another of these tests runs.
        let server =
            format!("issuer = \"{}\"\nredirect_uri = \"http://localhost:0\"\n", reader.serving.issuer);
        reader.add("cognite", &server)?;
        anyhow::Ok(reader)
    };
    let reader = has_profile().await.unwrap();
    reader.signs_in(&login).await.unwrap();
    let token = reader.has("default").await.unwrap();
    assert_eq!(reader.practice.access_token(&token).unwrap().audience, [FUSION]);

    // A file of the SDK for a program of its own, whose secret the daemon has in a variable.
    let client = Client::confidential();
    let mapped = format!(
        "client_credentials:\n  token_url: {}/contoso.com/oauth2/v2.0/token\n  client_id: {}\n  \
         client_secret: ${{NIGHTLY_SECRET}}\n  scopes: [\"{FUSION}/.default\"]\n",
        reader.serving.origin, client.id
    );
    fs::write(reader.home.path().join("credentials.yaml"), mapped).unwrap();
    reader.types(&mapping).await.unwrap();
    reader.types(&nightly).await.unwrap();
    reader.has("nightly").await.unwrap();

    let reader = has_profile().await.unwrap();
    let path = reader.home.path().join("cache.bin");
    fs::write(&path, cached_by_msal(&reader).await.unwrap().to_string()).unwrap();
    reader.types(&cache).await.unwrap();
    let token = reader.has("default").await.unwrap();
    assert_eq!(reader.practice.access_token(&token).unwrap().audience, [FUSION]);
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn from_requests_oauthlib() {
    let [profile, import, curl] = readme::section("From requests-oauthlib")
        .unwrap()
        .commands([
            "fourinsightctl profile init api --preset generic --set issuer=https://id.example.com --set client_id=abc",
            "fourinsightctl import oauthlib token.json --profile api",
            r#"curl -H "$(fourinsightctl token --header)" https://api.example.com/things"#,
        ])
        .unwrap();
    let reader = Reader::new(standard()).await.unwrap();
    let path = reader.home.path().join("token.json");
    let saved = reader.elsewhere("/authorize", "/token", "openid offline_access").await.unwrap();
    fs::write(&path, saved.to_string()).unwrap();
    reader.types(&profile).await.unwrap();
    reader.edit(ISSUER, &reader.serving.issuer).unwrap();
    reader.types(&import).await.unwrap();
    assert!(!path.exists());
    reader.has("default").await.unwrap();
    reader.curls(&curl).await.unwrap();
}

/// A server with the client that the commands name.
fn standard() -> Settings {
    Settings { clients: vec![Client { id: "abc".to_owned(), ..Client::public() }], ..Settings::default() }
}

/// The directory and the cluster that the commands name, with that client and one for programs.
fn cognite() -> Settings {
    let mut settings = Settings::entra();
    let Dialect::Entra(entra) = &mut settings.dialect else { unreachable!("Entra's settings are Entra's") };
    "contoso.com".clone_into(&mut entra.tenant.domain);
    let scopes = ["IDENTITY", "user_impersonation"].map(str::to_owned).to_vec();
    entra.resources.push(Resource { identifier: FUSION.to_owned(), scopes });
    Settings { clients: vec![standard().clients.remove(0), Client::confidential()], ..settings }
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Something that a person may answer when a preset asks for this setting.
fn some(setting: &str) -> &'static str {
    match setting {
        "client_secret" => "env:SOME_SECRET",
        "tenant" => "contoso.com",
        "cluster" => "westeurope-1",
        "domain" => "contoso.eu.auth0.com",
        "server" | "issuer" => ISSUER,
        _ => "abc",
    }
}

/// What `fourinsight.api` keeps after ada has signed in on the page: the package's endpoint, asked in its one way.
async fn saved_by_the_package(reader: &Reader, page: &str) -> Result<Value> {
    let package: Value = serde_json::from_str(&reader.practice.sign_in_for_package(page, "ada").await?)?;
    let text = |name: &str| package[name].as_str().unwrap_or_default();
    let Client { id, secret, .. } = &reader.practice.settings().clients[0];
    let pair = STANDARD.encode(format!("{id}:{}", secret.as_deref().unwrap_or_default()));
    let fields = [("grant_type", "authorization_code"), ("code", text("code"))];
    let request = Request::form(Url::parse(text("endpoint"))?, fields);
    let mut saved: Value =
        request.header(header::AUTHORIZATION, &format!("Basic {pair}")).send().await?.json()?;
    saved["token_url"] = package["endpoint"].clone();
    saved["expires_at"] = json!(1_700_000_000.25);
    Ok(saved)
}

/// What MSAL keeps in its cache after ada has signed in.
async fn cached_by_msal(reader: &Reader) -> Result<Value> {
    let tenant = "/contoso.com/oauth2/v2.0";
    let scope = format!("{FUSION}/.default openid profile offline_access");
    let answer = reader.elsewhere(&format!("{tenant}/authorize"), &format!("{tenant}/token"), &scope).await?;
    let host = "127.0.0.1";
    Ok(json!({
        "AccessToken": {},
        "RefreshToken": { "ada's": {
            "credential_type": "RefreshToken",
            "secret": answer["refresh_token"],
            "home_account_id": "ada.contoso",
            "environment": host,
            "client_id": "abc",
            "last_modification_time": "1769000000",
        } },
        "Account": { "ada's": {
            "home_account_id": "ada.contoso",
            "environment": host,
            "username": "ada@contoso.com",
        } },
    }))
}
