//! Logins by presets, at servers with the habits that each preset is made for; only the addresses are others.

use std::path::Path;

use serde_json::{Value, json};
use testkit::practice::{Client, Dialect, Resource, Settings};

use super::{Caller, Reply};
use crate::testing::{ISSUER, START, World, pass};

/// A daemon with this configuration, and a server with these settings.
async fn caller(settings: Settings, config: &str) -> Caller {
    let world = World::with(|own| *own = Settings { unix_at_start: Some(START), ..settings }).await;
    let caller = Caller::of(world);
    std::fs::write(caller.api.config.path(), config).unwrap();
    caller
}

async fn begin(caller: &Caller, more: &Value) -> Reply {
    let mut request = json!({ "profile": "p" });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    caller.post("/v1/logins", &request.to_string()).await
}

async fn respond(caller: &Caller, login: &Reply, response: &Value) -> Reply {
    let path = format!("/v1/logins/{}/response", login.body["id"].as_str().unwrap());
    let reply = caller.post(&path, &response.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply
}

/// Signs in by pasting what the browser ends on.
async fn sign_in_by_paste(caller: &Caller) -> Reply {
    let begun = begin(caller, &json!({ "flow": "paste" })).await;
    assert_eq!(begun.status, 201, "{}", begun.text);
    let uri = begun.body["authorization_uri"].as_str().unwrap();
    let callback = caller.world.practice.sign_in(uri, "ada").await.unwrap();
    let reply = respond(caller, &begun, &json!({ "pasted": callback.as_str() })).await;
    assert_eq!(reply.body["state"], "succeeded", "{}", reply.text);
    begun
}

/// Signs in with a code on another device.
async fn sign_in_on_device(caller: &Caller, more: &Value) {
    let begun = begin(caller, more).await;
    assert_eq!((begun.status, &begun.body["flow"]), (201, &json!("device")), "{}", begun.text);
    let [uri, code] = ["verification_uri", "user_code"].map(|name| begun.body[name].as_str().unwrap());
    caller.world.practice.answer_device(uri, code, Some("ada")).await.unwrap();
    let shown = caller.get(&format!("/v1/logins/{}?wait=60", begun.body["id"].as_str().unwrap())).await;
    assert_eq!(shown.body["state"], "succeeded", "{}", shown.text);
}

/// The session lives on past its first token's life, by refreshes that the server takes.
async fn outlives_its_token(caller: &Caller, seconds: u64) {
    let first = caller.get("/v1/sessions/default/token").await;
    pass(seconds).await;
    let second = caller.get("/v1/sessions/default/token").await;
    assert_eq!((first.status, second.status), (200, 200), "{}{}", first.text, second.text);
    assert_ne!(first.body["access_token"], second.body["access_token"]);
    assert!(caller.world.refreshes() > 0);
}

/// A package like `fourinsight.api`, with this secret.
fn install(folder: &Path, secret: &str) {
    let text = json!({ "USER_CLIENT_SECRET": secret, "API_BASE_URL": "https://api.example" });
    std::fs::write(folder.join("_constants.json"), text.to_string()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_preset_4insight_signs_in_by_package_and_refreshes_in_its_one_exact_way() {
    let settings = Settings::fourinsight();
    let package = tempfile::tempdir().unwrap();
    install(package.path(), settings.clients[0].secret.as_deref().unwrap());
    let config = format!(
        "[profiles.p]\npreset = \"4insight\"\nauthorization_endpoint = \"{ISSUER}/auth\"\n\
         allowed_token_endpoints = [\"{ISSUER}/{{tenant}}/oauth2/v2.0/token\"]\n"
    );
    let caller = caller(settings, &config).await;
    let begun = begin(&caller, &json!({ "package": package.path() })).await;
    assert_eq!(begun.body["authorization_uri"], format!("{ISSUER}/auth"), "{}", begun.text);
    let shown = caller.world.practice.sign_in_for_package(&format!("{ISSUER}/auth"), "ada").await.unwrap();
    let mut reply = respond(&caller, &begun, &json!({ "pasted": shown })).await;
    while let Some(question) = reply.body["confirmation"]["id"].as_str() {
        let yes = json!({ "confirmation": question, "accepted": true });
        reply = respond(&caller, &begun, &yes).await;
    }
    assert_eq!(reply.body["state"], "succeeded", "{}", reply.text);
    outlives_its_token(&caller, 3600).await;
    // It is read at each use, and what it is now counts.
    std::fs::remove_file(package.path().join("_constants.json")).unwrap();
    pass(3600).await;
    let status = caller.get("/v1/sessions/default").await;
    assert_eq!(status.body["problem"]["error"], "client_secret_unreadable", "{}", status.text);
    install(package.path(), caller.world.practice.settings().clients[0].secret.as_deref().unwrap());
    pass(600).await;
    assert_eq!(caller.get("/v1/sessions/default").await.body["problem"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_nowhere_ends_the_login_before_anything_is_opened() {
    let config = "[profiles.p]\npreset = \"4insight\"\nclient_secret = { first_of = [\n\
                  { env = \"FOURINSIGHT_TEST_UNSET_VARIABLE\" },\n\
                  { package = \"fourinsight_test.none\", file = \"x.json\", key = \"K\" } ] }\n";
    let caller = caller(Settings::fourinsight(), config).await;
    for more in [json!({}), json!({ "package": "/nonexistent" })] {
        let error = begin(&caller, &more).await.is_error(400, "invalid_request");
        let what = "cannot read the client secret from the daemon's variable FOURINSIGHT_TEST_UNSET_VARIABLE or the \
                    Python package fourinsight_test.none";
        assert!(error.error_description.contains(what), "{error:?}");
        let hint = error.hint.unwrap();
        for place in ["client_secret = { file", "FOURINSIGHT_CLIENT_SECRET", "fourinsight.api"] {
            assert!(hint.contains(place), "{hint}");
        }
    }
    assert!(caller.world.practice.ledger().entries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_preset_4insight_service_signs_its_client_in_and_says_whom_to_ask() {
    let settings = Settings::fourinsight();
    let service = settings.clients[1].clone();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, service.secret.as_deref().unwrap()).unwrap();
    let config = |lines: &str| {
        format!("[profiles.p]\npreset = \"4insight-service\"\ntoken_endpoint = \"{ISSUER}/token\"\n{lines}")
    };
    let caller = caller(settings, &config("")).await;
    let error = begin(&caller, &json!({})).await.is_error(400, "invalid_request");
    assert!(error.hint.unwrap().contains("ask 4Subsea for a client id and secret"));
    let lines = format!(
        "client_id = \"{}\"\nclient_secret = {{ file = {:?} }}",
        service.id,
        secret.to_str().unwrap()
    );
    let wrong = lines.replace(&service.id, "another");
    std::fs::write(caller.api.config.path(), config(&wrong)).unwrap();
    let error = begin(&caller, &json!({})).await.body["error"].clone();
    assert_eq!(error["error"], "access_denied", "{error}");
    assert!(error["hint"].as_str().unwrap().contains("ask 4Subsea for a client id and secret"), "{error}");
    std::fs::write(caller.api.config.path(), config(&lines)).unwrap();
    let reply = begin(&caller, &json!({})).await;
    assert_eq!(reply.body["state"], "succeeded", "{}", reply.text);
    let ledger = caller.world.practice.ledger();
    let [_, request] = ledger.token_requests("client_credentials")[..] else { panic!("two requests") };
    let scope = "https://4subseaid.onmicrosoft.com/4insight-api-prod/.default";
    assert_eq!(request.parameter("scope"), Some(scope));
    assert_eq!((request.header("authorization"), request.parameter("client_id")), (None, Some(&*service.id)));
}

/// Entra with what Cognite's cluster has to grant.
fn entra() -> (Settings, String) {
    let mut settings = Settings::entra();
    let Dialect::Entra(entra) = &mut settings.dialect else { panic!("another dialect") };
    entra.resources.push(Resource {
        identifier: "https://westeurope-1.cognitedata.com".to_owned(),
        scopes: vec!["IDENTITY".to_owned(), "user_impersonation".to_owned()],
    });
    let issuer = format!("{ISSUER}/{}/v2.0", entra.tenant.id);
    (settings, issuer)
}

#[tokio::test(start_paused = true)]
async fn the_presets_cognite_and_entra_speak_entras_dialect() {
    let (settings, issuer) = entra();
    let lines = "preset = \"cognite\"\ntenant = \"contoso.example\"\ncluster = \"westeurope-1\"\nclient_id";
    let config =
        |lines: &str| format!("[profiles.p]\n{lines} = \"practice-client\"\nissuer = \"{issuer}\"\n");
    let caller = caller(settings, &config(lines)).await;
    let begun = sign_in_by_paste(&caller).await;
    let uri = begun.body["authorization_uri"].as_str().unwrap();
    assert!(uri.contains("redirect_uri=http%3A%2F%2Flocalhost%3A53000&"), "{uri}");
    let scope = "scope=https%3A%2F%2Fwesteurope-1.cognitedata.com%2F.default+openid+profile+offline_access&";
    assert!(uri.contains(scope) && !uri.contains("prompt="), "{uri}");
    outlives_its_token(&caller, 3600).await;
    sign_in_on_device(&caller, &json!({ "flow": "device" })).await;
    let token = caller.get("/v1/sessions/default/token").await;
    let granted = token.body["scope"].as_str().unwrap();
    assert!(granted.contains("https://westeurope-1.cognitedata.com/IDENTITY"), "{granted}");
    tells_of_cae(&caller).await;

    let entra = "preset = \"entra\"\napi = \"https://api.example\"\nclient_id";
    std::fs::write(caller.api.config.path(), config(entra)).unwrap();
    let begun = sign_in_by_paste(&caller).await;
    let uri = begun.body["authorization_uri"].as_str().unwrap();
    assert!(
        uri.contains("scope=https%3A%2F%2Fapi.example%2F.default+openid+profile+offline_access&"),
        "{uri}"
    );
    assert!(uri.contains("redirect_uri=http%3A%2F%2Flocalhost%3A") && !uri.contains("resource="), "{uri}");
    outlives_its_token(&caller, 3600).await;
    tells_of_cae(&caller).await;
}

/// A caller that can answer a claims challenge says so, and the server is told.
async fn tells_of_cae(caller: &Caller) {
    let demand = "&claims=%7B%22access_token%22%3A%7B%22nbf%22%3A%7B%22value%22%3A%221%22%7D%7D%7D";
    for (more, told) in [("", ""), (demand, r#""nbf":{"value":"1"},"#)] {
        let reply = caller.get(&format!("/v1/sessions/default/token?enable_cae=true{more}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let ledger = caller.world.practice.ledger();
        let sent = ledger.token_requests("refresh_token").last().unwrap().form.get("claims");
        let expected = format!(r#"{{"access_token":{{{told}"xms_cc":{{"values":["cp1"]}}}}}}"#);
        assert_eq!(sent, Some(&*expected));
    }
}

#[tokio::test(start_paused = true)]
async fn the_preset_github_signs_in_at_githubs_own_paths_and_ends_at_a_bad_refresh_token() {
    let config = "[profiles.p]\npreset = \"github\"\nclient_id = \"practice-client\"\nscopes = \"repo gist\"";
    let caller = caller(Settings::github(), config).await;
    sign_in_on_device(&caller, &json!({})).await;
    assert_eq!(caller.get("/v1/sessions/default/token").await.body["scope"], "repo gist");
    outlives_its_token(&caller, 8 * 3600).await;
    caller.world.practice.revoke_all();
    pass(9 * 3600).await;
    let status = caller.get("/v1/sessions/default").await;
    assert_eq!(status.body["state"], "login_required", "{}", status.text);
    assert_eq!(status.body["problem"]["error"], "bad_refresh_token");
    let revoked = caller.delete("/v1/sessions/default").await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
}

#[tokio::test(start_paused = true)]
async fn the_preset_auth0_names_its_api_as_audience() {
    let config = "[profiles.p]\npreset = \"auth0\"\ndomain = \"practice.test\"\naudience = \"https://api.example\"\n\
                  client_id = \"practice-client\"\nredirect_uri = \"http://127.0.0.1:0/callback\"";
    let caller = caller(Settings::auth0(), config).await;
    let begun = sign_in_by_paste(&caller).await;
    let uri = begun.body["authorization_uri"].as_str().unwrap();
    assert!(uri.contains("audience=https%3A%2F%2Fapi.example") && !uri.contains("resource="), "{uri}");
    outlives_its_token(&caller, 3600).await;
}

#[tokio::test(start_paused = true)]
async fn the_presets_google_keycloak_and_generic_ask_in_their_own_words() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), Client::confidential().secret.unwrap()).unwrap();
    let google = format!(
        "preset = \"google\"\nclient_id = \"{}\"\nclient_secret = {{ file = {:?} }}\nredirect_uri = \"http://127.0.0.1:0/callback\"",
        Client::confidential().id,
        secret.path().to_str().unwrap()
    );
    let settings =
        Settings { clients: vec![Client::public(), Client::confidential()], ..Settings::default() };
    let caller = caller(settings, "").await;
    let config = |lines: &str| format!("[profiles.p]\nissuer = \"{ISSUER}\"\n{lines}\n");
    for (lines, present, absent) in [
        (
            &*google,
            &["access_type=offline&", "prompt=consent", "scope=openid+email+profile&"][..],
            "offline_access",
        ),
        (
            "preset = \"keycloak\"\nrealm = \"people\"\nclient_id = \"practice-client\"",
            &["scope=openid+profile+offline_access&"],
            "prompt",
        ),
        (
            "preset = \"generic\"\nclient_id = \"practice-client\"",
            &["scope=openid+offline_access&"],
            "prompt",
        ),
    ] {
        std::fs::write(caller.api.config.path(), config(lines)).unwrap();
        let begun = sign_in_by_paste(&caller).await;
        let uri = begun.body["authorization_uri"].as_str().unwrap().to_owned() + "&";
        assert!(present.iter().all(|part| uri.contains(part)) && !uri.contains(absent), "{uri}");
    }
    outlives_its_token(&caller, 3600).await;
}
