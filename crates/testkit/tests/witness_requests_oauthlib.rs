//! `requests-oauthlib` 2.0.0 and our programs at the same server, by each of its four grants: what both send is
//! equal, but for what is listed here.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{
    practice::{Client, ClientAuthentication, Settings, User},
    witness::{
        ABSENT, Difference, Stage, differs,
        reasons::{AGENT, CLOSES, ORDER, PLAIN, SAME_SCOPE},
    },
};

const LONGER: &str = "256 random bits; theirs are fewer";

const CODE: &[Difference] = &[
    differs("code, refresh", "header user-agent", "python-requests/*", "fourinsightd/*", AGENT),
    differs("code, refresh", "header accept-encoding", "gzip, deflate*", ABSENT, PLAIN),
    differs("code, refresh", "header connection", "keep-alive", ABSENT, CLOSES),
    differs("authorization", "query state", "{30 characters}", "{43 characters}", LONGER),
    differs(
        "authorization",
        "query nonce",
        ABSENT,
        "{22 characters}",
        "binds the ID token to this login (OpenID Connect Core 3.1.2.1); they ask for one and do not look at it",
    ),
    differs(
        "authorization",
        "query order",
        "response_type client_id redirect_uri scope state code_challenge code_challenge_method",
        "response_type client_id state code_challenge code_challenge_method redirect_uri scope",
        ORDER,
    ),
    differs(
        "code",
        "form order",
        "grant_type code_verifier code redirect_uri",
        "grant_type code redirect_uri code_verifier",
        ORDER,
    ),
    differs(
        "refresh",
        "form order",
        "grant_type client_id client_secret refresh_token",
        "grant_type refresh_token client_id client_secret",
        ORDER,
    ),
    differs("refresh", "form scope", "openid offline_access", ABSENT, SAME_SCOPE),
    differs(
        "refresh",
        "form allow_redirects",
        "True",
        ABSENT,
        "their oldest bug: arguments of the API call that met an old token leak into the refresh",
    ),
];

const IMPLICIT: &[Difference] = &[
    differs("authorization", "query state", "{30 characters}", "{43 characters}", LONGER),
    differs(
        "authorization",
        "query order",
        "response_type client_id redirect_uri scope state",
        "response_type client_id state redirect_uri scope",
        ORDER,
    ),
];

const PASSWORD: &[Difference] = &[
    differs("*", "header user-agent", "python-requests/*", "fourinsightd/*", AGENT),
    differs("*", "header accept-encoding", "gzip, deflate*", ABSENT, PLAIN),
    differs("*", "header connection", "keep-alive", ABSENT, CLOSES),
    differs(
        "refresh",
        "form order",
        "grant_type client_id client_secret refresh_token",
        "grant_type refresh_token client_id client_secret",
        ORDER,
    ),
    differs("refresh", "form scope", "openid offline_access", ABSENT, SAME_SCOPE),
];

const CLIENT: &[Difference] = &[
    differs("*", "header user-agent", "python-requests/*", "fourinsightd/*", AGENT),
    differs("*", "header accept-encoding", "gzip, deflate*", ABSENT, PLAIN),
    differs("*", "header connection", "keep-alive", ABSENT, CLOSES),
];

const REDIRECT_URI: &str = "https://app.example/callback";

const PROFILE: &str = r#"
[profiles.practice]
issuer = "{issuer}"
client_id = "practice confidential"
client_secret = { file = "{secret}" }
client_auth = { code = "basic_raw", refresh = "post" }
redirect_uri = "https://app.example/callback"
{trust}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn by_the_authorization_code_grant_both_send_the_same() {
    let stage = stage("flow = \"paste\"\nscopes = \"openid offline_access\"").await.unwrap();
    let mut given = given(&stage, &["openid", "offline_access"]);
    given["api"] = json!(format!("{}/api/hello", stage.serving.issuer));
    sign_in_there(&stage, "requests_oauthlib_code", &given).await.unwrap();
    let mark = stage.mark();
    sign_in_here(&stage).await.unwrap();
    stage.renew().await.unwrap();
    stage.compare(mark, &["authorization", "code", "refresh"], CODE).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_implicit_grant_both_send_the_same() {
    let stage = stage("flow = \"implicit\"\nallow_legacy = true\nscopes = \"openid read\"").await.unwrap();
    let given = given(&stage, &["openid", "read"]);
    sign_in_there(&stage, "requests_oauthlib_implicit", &given).await.unwrap();
    let mark = stage.mark();
    sign_in_here(&stage).await.unwrap();
    stage.compare(mark, &["authorization"], IMPLICIT).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_password_grant_both_send_the_same() {
    let stage =
        stage("flow = \"password\"\nallow_legacy = true\nscopes = \"openid offline_access\"").await.unwrap();
    let User { username, password, .. } = stage.practice.settings().users[0].clone();
    let mut given = given(&stage, &["openid", "offline_access"]);
    (given["username"], given["password"]) = (json!(username), json!(password));
    stage.run_script("requests_oauthlib_password", &given).await.unwrap();
    let mark = stage.mark();
    stage.login_with(&["--username", &username], &[&password]).await.unwrap();
    stage.renew().await.unwrap();
    stage.compare(mark, &["password", "refresh"], PASSWORD).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_client_credentials_grant_both_send_the_same() {
    let stage = stage("flow = \"client_credentials\"\nscopes = \"api read\"").await.unwrap();
    stage.run_script("requests_oauthlib_client", &given(&stage, &["api", "read"])).await.unwrap();
    let mark = stage.mark();
    stage.home.ctl(&["login", "--profile", "practice"]).await.unwrap().success().unwrap();
    stage.renew().await.unwrap();
    stage.compare(mark, &["login", "renewal"], CLIENT).unwrap();
}

/// A server with one client, which proves itself as `requests-oauthlib` does, and a profile with these lines.
async fn stage(lines: &str) -> Result<Stage> {
    let client =
        Client::confidential().accepting(&[ClientAuthentication::BasicRaw, ClientAuthentication::Post]);
    let settings = Settings { clients: vec![client], ..Settings::default() };
    Stage::new(settings, &format!("{PROFILE}{lines}\n")).await
}

/// What the scripts are told.
fn given(stage: &Stage, scope: &[&str]) -> Value {
    let Client { id, secret, .. } = Client::confidential();
    json!({
        "authorization_endpoint": format!("{}/authorize", stage.serving.issuer),
        "token_endpoint": format!("{}/token", stage.serving.issuer),
        "client_id": id,
        "client_secret": secret,
        "redirect_uri": REDIRECT_URI,
        "scope": scope,
    })
}

/// Signs in with a script that prints an authorization URI and takes the callback.
async fn sign_in_there(stage: &Stage, script: &str, given: &Value) -> Result<()> {
    let mut script = stage.script(script, given).await?;
    let asked = script.next().await?;
    let uri = asked["authorization_uri"].as_str().context("no authorization URI")?;
    script.tell(stage.practice.sign_in(uri, "ada").await?.as_str()).await?;
    stage.finish_script(script).await
}

/// Signs in with our programs, by pasting the callback.
async fn sign_in_here(stage: &Stage) -> Result<()> {
    let mut login = stage.home.begin_login(&[]).await?;
    let callback = stage.practice.sign_in(&login.authorization_uri, "ada").await?;
    login.type_line(callback.as_str()).await?;
    login.finish().await?.success().map(drop)
}
