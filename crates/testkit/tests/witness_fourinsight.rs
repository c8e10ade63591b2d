//! `fourinsight.api` 0.1.24 and our programs, signing in and renewing at the same server: what both send is equal,
//! but for what is listed here.

use std::process::Stdio;

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::{
    leak::Search,
    practice::{Client, ClientAuthentication, PackagePage, Settings, Verdict},
    process::TIME_LIMIT,
    witness::{ABSENT, Difference, Stage, compare, differs, fourinsight_constant},
};
use tokio::{io::AsyncWriteExt as _, time::timeout};

const AGENT: &str = "each program names itself";
const PLAIN: &str = "answers are short; compressing what holds secrets is no gain";
const CLOSES: &str = "each token request has a connection of its own, which HTTP/1.1 need not announce";
const ORDER: &str = "the order of parameters means nothing (RFC 6749 appendix B)";

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
    session.finish().await.unwrap();
    // With a token file every start refreshes, and asks nothing.
    let renewed = stage.run_script("fourinsight_user", &json!({})).await.unwrap();
    assert_eq!(stage.practice.verdict(renewed["access_token"].as_str().unwrap()), Verdict::Live);

    let mark = stage.mark();
    login_with_package(&stage).await.unwrap();
    let token = stage.home.ctl(&["token", "--min-validity", "2h"]).await.unwrap().success().unwrap();
    assert_eq!(stage.practice.verdict(&token), Verdict::Live);

    let (all, ours) = (stage.sent_since(0), stage.sent_since(mark));
    let [their_login, their_refresh] = &all[..mark] else { panic!("they sent {mark} requests") };
    let [our_login, our_refresh] = &ours[..] else { panic!("we sent {} requests", ours.len()) };
    assert_eq!(their_refresh.form.get("grant_type"), Some("refresh_token"));
    let requests = [("login", their_login, our_login), ("refresh", their_refresh, our_refresh)];
    let problems = compare(&stage.practice.ledger(), &requests, USER);
    assert!(problems.is_empty(), "{}", problems.join("\n"));

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
    let token = stage.home.ctl(&["token", "--min-validity", "2h"]).await.unwrap().success().unwrap();
    assert_eq!(stage.practice.verdict(&token), Verdict::Live);

    let (all, ours) = (stage.sent_since(0), stage.sent_since(mark));
    let [their_login, their_renewal] = &all[..mark] else { panic!("they sent {mark} requests") };
    let [our_login, our_renewal] = &ours[..] else { panic!("we sent {} requests", ours.len()) };
    let requests = [("login", their_login, our_login), ("renewal", their_renewal, our_renewal)];
    let problems = compare(&stage.practice.ledger(), &requests, CLIENT);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
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

/// `fourinsightctl login` with a package, and both of its questions answered.
async fn login_with_package(stage: &Stage) -> Result<()> {
    let mut command = stage.home.command(&stage.home.programs().fourinsightctl);
    let mut login = command
        .args(["login", "--no-browser"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = login.stdin.take().context("login has no standard input")?;
    input.write_all(format!("{}\nyes\nyes\n", package(stage).await?).as_bytes()).await?;
    drop(input);
    let output = timeout(TIME_LIMIT, login.wait_with_output()).await.context("login does not end")??;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
