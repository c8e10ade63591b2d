//! `fourinsight.api` 0.1.24 and our programs, signing in and renewing at the same server: what both send is equal,
//! but for what is listed here.

use anyhow::Result;
use serde_json::json;
use testkit::{
    leak::Search,
    practice::{Client, ClientAuthentication, PackagePage, Settings},
    witness::{
        ABSENT, Difference, Stage, differs, fourinsight_constant,
        reasons::{AGENT, CLOSES, ORDER, PLAIN},
    },
};

const USER: &[Difference] = &[
    differs("*", "header user-agent", "python-requests/*", "fourinsightd/*", AGENT),
    differs("*", "header accept-encoding", "gzip, deflate*", ABSENT, PLAIN),
    differs("*", "header connection", "keep-alive", ABSENT, CLOSES),
    differs(
        "refresh",
        "form order",
        "grant_type client_secret refresh_token",
        "grant_type refresh_token client_secret",
        ORDER,
    ),
];

const CLIENT: &[Difference] = &[
    differs("login", "header user-agent", "python-requests/*", "fourinsightd/*", AGENT),
    differs("renewal", "header user-agent", "python-fourinsight-api/*", "fourinsightd/*", AGENT),
    differs("*", "header accept-encoding", "gzip, deflate*", ABSENT, PLAIN),
    differs("*", "header connection", "keep-alive", ABSENT, CLOSES),
    differs(
        "*",
        "form order",
        "grant_type client_id client_secret scope",
        "grant_type scope client_id client_secret",
        ORDER,
    ),
];

/// The profile that the README gives to users of `UserSession`, at this server.
const USER_PROFILE: &str = r#"
[profiles.fourinsight]
flow = "paste"
authorization_endpoint = "{issuer}/auth"
allowed_token_endpoints = ["{issuer}/{tenant}/oauth2/v2.0/token"]
client_id = "CLIENT_ID"
client_secret = { command = ["{python}", "-B", "{scripts}/fourinsight_constant.py", "USER_CLIENT_SECRET"] }
client_auth = { code = "basic_raw", refresh = "secret_only" }
{trust}
"#;

/// The one for `ClientSession`.
const CLIENT_PROFILE: &str = r#"
[profiles.service]
flow = "client_credentials"
token_endpoint = "{issuer}/token"
client_id = "practice confidential"
client_secret = { file = "{secret}" }
client_auth = "post"
scopes = "SCOPE"
{trust}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_user_session_and_ours_send_the_same() {
    let client_secret = fourinsight_constant("USER_CLIENT_SECRET").unwrap();
    let client_id = fourinsight_constant("USER_CLIENT_ID").unwrap();
    let stage =
        Stage::new(user_settings(&client_id, &client_secret), &USER_PROFILE.replace("CLIENT_ID", &client_id))
            .await
            .unwrap();

    let mut session = stage.script("fourinsight_user", &json!({})).await.unwrap();
    session.tell(&package(&stage).await.unwrap()).await.unwrap();
    stage.finish_script(session).await.unwrap();
    // With a token file every start refreshes, and asks nothing.
    stage.run_script("fourinsight_user", &json!({})).await.unwrap();

    let mark = stage.mark();
    let package = package(&stage).await.unwrap();
    stage.login_with(&[], &[&package, "yes", "yes"]).await.unwrap();
    stage.renew().await.unwrap();
    stage.compare(mark, &["login", "refresh"], USER).unwrap();

    let search = Search::new([client_secret.as_str()]);
    assert!(!search.is_empty());
    for (path, content) in stage.home.files().unwrap() {
        assert!(search.leaks(&content).is_empty(), "the client secret in {}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_session_and_ours_send_the_same() {
    let scope = fourinsight_constant("CLIENT_SCOPE").unwrap();
    let settings = Settings {
        scopes: vec![scope.clone()],
        clients: vec![Client::confidential().accepting(&[ClientAuthentication::Post])],
        ..Settings::default()
    };
    let stage = Stage::new(settings, &CLIENT_PROFILE.replace("SCOPE", &scope)).await.unwrap();

    let Client { id, secret, .. } = Client::confidential();
    let token_endpoint = format!("{}/token", stage.serving.issuer);
    let given = json!({ "token_endpoint": token_endpoint, "client_id": id, "client_secret": secret });
    stage.run_script("fourinsight_client", &given).await.unwrap();

    let mark = stage.mark();
    stage.home.ctl(&["login", "--profile", "service"]).await.unwrap().success().unwrap();
    stage.renew().await.unwrap();
    stage.compare(mark, &["login", "renewal"], CLIENT).unwrap();
}

/// A server that knows the real client, as 4insight does: its page, its tenant's path, its two ways.
fn user_settings(client_id: &str, client_secret: &str) -> Settings {
    let client =
        Client { id: client_id.to_owned(), secret: Some(client_secret.to_owned()), ..Client::confidential() };
    Settings {
        clients: vec![client.accepting(&[ClientAuthentication::BasicRaw, ClientAuthentication::SecretOnly])],
        package: PackagePage {
            client_id: client_id.to_owned(),
            tenant: Some("contoso.example".to_owned()),
            ..Settings::default().package
        },
        ..Settings::default()
    }
}

async fn package(stage: &Stage) -> Result<String> {
    stage.practice.sign_in_for_package(&format!("{}/auth", stage.serving.issuer), "ada").await
}
