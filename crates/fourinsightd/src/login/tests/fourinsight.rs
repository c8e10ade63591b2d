//! A login and a refresh as `fourinsight.api` 0.1.24 makes them: what goes over the wire, to the byte.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Method;

use super::*;
use crate::{authority::grant, token::TokenKey};

const CLIENT_ID: &str = "11111111-2222-4333-8444-555555555555";

/// Form-encoding would make `%7E` and `%2B` of it, and the server would not know it.
const SECRET: &str = "pract~ice+secret~with_34_characters";

const ENDPOINT: &str = "https://login.example/contoso.example/oauth2/v2.0/token";

const PROFILE: &str = r#"
[profiles.fourinsight]
flow = "paste"
authorization_endpoint = "https://4insight.example/auth"
allowed_token_endpoints = ["https://login.example/{tenant}/oauth2/v2.0/token"]
client_id = "11111111-2222-4333-8444-555555555555"
client_secret = { file = "secret" }
client_auth = { code = "basic_raw", refresh = "secret_only" }
"#;

/// The same by the preset, whose secret is in the installed package.
const PRESET: &str = r#"
[profiles.fourinsight]
preset = "4insight"
authorization_endpoint = "https://4insight.example/auth"
allowed_token_endpoints = ["https://login.example/{tenant}/oauth2/v2.0/token"]
client_id = "11111111-2222-4333-8444-555555555555"
client_secret = { package = "fourinsight.api", file = "_constants.json", key = "USER_CLIENT_SECRET" }
"#;

/// Answers every request with tokens, and keeps what was sent.
#[derive(Default)]
struct Wire(Mutex<Vec<(Method, String, HeaderMap, String)>>);

impl HttpExchange for Wire {
    fn exchange(&self, request: HttpRequest) -> ExchangeFuture<'_> {
        let HttpRequest { method, url, headers, body, .. } = request;
        let body = String::from_utf8(body.to_vec()).unwrap();
        self.0.lock().unwrap().push((method, url.into(), headers, body));
        let body = Zeroizing::new(GRANTED.as_bytes().to_vec());
        Box::pin(async { Ok(HttpResponse { status: 200, headers: HeaderMap::new(), body }) })
    }
}

/// The header fields, in order of their names.
fn fields(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let mut fields: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    fields.sort_unstable();
    fields
}

#[tokio::test]
async fn code_exchange_and_refresh_are_those_of_fourinsight_api() {
    are_those_of_fourinsight_api(PROFILE).await;
}

#[tokio::test]
async fn the_presets_code_exchange_and_refresh_are_those_of_fourinsight_api() {
    are_those_of_fourinsight_api(PRESET).await;
}

async fn are_those_of_fourinsight_api(profile: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, profile).unwrap();
    std::fs::write(folder.path().join("secret"), SECRET).unwrap();
    let constants = serde_json::json!({ "USER_CLIENT_SECRET": SECRET }).to_string();
    std::fs::write(folder.path().join("_constants.json"), constants).unwrap();
    let (wire, sessions) = (Arc::new(Wire::default()), Arc::new(Sessions::default()));
    let logins = Logins::new(
        Arc::clone(&wire) as Arc<dyn HttpExchange>,
        Arc::default(),
        Clock::system(),
        Arc::clone(&sessions) as Arc<dyn SignIn>,
        Arc::new(ConfigFile::open(path).unwrap()),
    );
    let request = LoginRequest {
        profile: Some("fourinsight".to_owned()),
        package: folder.path().to_str().map(str::to_owned),
        ..LoginRequest::default()
    };
    let mut status = logins.begin(request).await.unwrap();
    assert_eq!(status.authorization_uri.as_deref(), Some("https://4insight.example/auth"));
    let package = LoginResponse::pasted(format!(r#"{{"endpoint": "{ENDPOINT}", "code": "0.AX-y_z"}}"#));
    status = logins.respond(&status.id, package).await.unwrap();
    while let Some(question) = &status.confirmation {
        let yes = LoginResponse::confirmation(question.id.clone(), true);
        status = logins.respond(&status.id, yes).await.unwrap();
    }
    assert_eq!(status.state, LoginState::Succeeded);
    let (_, login) = sessions.logins.lock().unwrap().remove(0);
    let refresh_token = login.tokens.refresh_token.unwrap();
    let own = TokenKey::default();
    grant::refresh(
        &*wire,
        &login.registration,
        &refresh_token,
        &own,
        grant::Purpose::Own { granted: &[], resource: None, asks_who: false },
        None,
        0,
    )
    .await
    .unwrap();

    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{CLIENT_ID}:{SECRET}")));
    let json = ("accept", "application/json");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let sent = wire.0.lock().unwrap();
    let [(method, url, headers, body), refresh] = &sent[..] else { panic!("{} requests", sent.len()) };
    assert_eq!((method, url.as_str()), (&Method::POST, ENDPOINT));
    assert_eq!(fields(headers), [json, ("authorization", basic.as_str()), form]);
    assert_eq!(body, "grant_type=authorization_code&code=0.AX-y_z");

    let (method, url, headers, body) = refresh;
    assert_eq!((method, url.as_str()), (&Method::POST, ENDPOINT));
    assert_eq!(fields(headers), [json, form], "the refresh carries no Authorization");
    assert_eq!(
        body,
        "grant_type=refresh_token&refresh_token=rt-secret&client_secret=pract%7Eice%2Bsecret%7Ewith_34_characters"
    );
    // The same fields as its own, which come in another order and leave `~` as it is.
    let pairs = |body: &str| {
        let mut pairs: Vec<_> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        pairs.sort_unstable();
        pairs
    };
    let its_own = "grant_type=refresh_token&client_secret=pract~ice%2Bsecret~with_34_characters&refresh_token=rt-secret";
    assert_eq!(pairs(body), pairs(its_own));
}
