//! What a profile can say, through the real programs against the practice server: confidential clients, redirect
//! URIs, proxies, audiences; and what becomes of a login that the server ends.

use std::{fs, net::TcpListener as Probe, time::Duration};

use anyhow::Result;
use fourinsight_ipc::message::{SessionStatus, TokenResponse};
use serde_json::{Value, json};
use testkit::{
    http::Request,
    practice::{Client, Practice, Serving, Settings, Verdict},
    process::{Daemon, Home, Login, Output},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::timeout,
};

const SOON: Duration = Duration::from_mins(1);
const SCOPES: &str = "scopes = \"openid profile offline_access api read write\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_confidential_client_proves_itself_from_a_file_a_variable_or_a_command() {
    let client = Client::confidential();
    let secret = client.secret.unwrap();
    for source in
        ["{ file = \"secret\" }", "{ env = \"PRACTICE_SECRET\" }", "{ command = [\"cat\", \"PATH\"] }"]
    {
        let practice = Practice::new(Settings::default());
        let serving = practice.serve_plain().await.unwrap();
        let home = Home::new("").unwrap().with_variable("PRACTICE_SECRET", &secret);
        // Beside the configuration file, as a path that is not absolute means it.
        let file = home.config().with_file_name("secret");
        fs::write(&file, format!("{secret}\n")).unwrap();
        let source = source.replace("PATH", file.to_str().unwrap());
        home.write_config(&config(&serving, &client.id, &format!("client_secret = {source}\n{SCOPES}")))
            .unwrap();
        let _daemon = Daemon::start(&home).await.unwrap();
        sign_in(&home, &practice, &[]).await.unwrap().success().unwrap();
        let token = renewed(&home).await.unwrap();
        assert!(matches!(practice.verdict(&token), Verdict::Live), "{source}");
        assert_eq!(home.ctl(&["revoke"]).await.unwrap().code, Some(0), "{source}");
        assert!(matches!(practice.verdict(&token), Verdict::Revoked), "{source}");
        for grant in ["authorization_code", "refresh_token"] {
            let ledger = practice.ledger();
            let requests = ledger.token_requests(grant);
            assert_eq!(requests.len(), 1, "{source}: {grant}");
            assert!(requests[0].header("authorization").unwrap().starts_with("Basic "), "{source}: {grant}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_is_gone_logs_no_one_out() {
    let client = Client::confidential();
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_tls().await.unwrap();
    let home = Home::new("").unwrap();
    let (ca, secret) = (home.path().join("ca.pem"), home.path().join("secret"));
    fs::write(&ca, serving.ca_pem.as_deref().unwrap()).unwrap();
    fs::write(&secret, client.secret.unwrap()).unwrap();
    let more = format!(
        "client_secret = {{ file = \"{}\" }}\ntls_ca_file = \"{}\"\n{SCOPES}",
        secret.display(),
        ca.display()
    );
    home.write_config(&config(&serving, &client.id, &more)).unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    sign_in(&home, &practice, &[]).await.unwrap().success().unwrap();
    fs::remove_file(home.config()).unwrap();
    daemon.reload().unwrap();
    renewed(&home).await.unwrap();
    daemon.stop().await.unwrap();

    let _again = Daemon::start(&home).await.unwrap();
    let token = renewed(&home).await.unwrap();
    assert!(matches!(practice.verdict(&token), Verdict::Live));
    assert_eq!(practice.ledger().refreshes().len(), 2);
    assert_eq!(home.ctl(&["revoke"]).await.unwrap().code, Some(0));
    assert!(matches!(practice.verdict(&token), Verdict::Revoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_that_cannot_be_read_is_named_by_its_place() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new("").unwrap();
    let client = Client::confidential();
    let more = format!("client_secret = {{ file = \"nowhere\" }}\n{SCOPES}");
    home.write_config(&config(&serving, &client.id, &more)).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let failed = sign_in(&home, &practice, &[]).await.unwrap();
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains("nowhere") && failed.stderr.contains("client_secret"), "{failed:?}");
    assert_eq!(practice.ledger().token_requests("authorization_code").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_uri_is_sent_as_written_with_its_port_filled_in() {
    let mut uris = vec![
        "http://127.0.0.1:0",
        "http://127.0.0.1:0/",
        "http://localhost:0/callback",
        "http://localhost:0",
    ];
    // Where the machine has no IPv6 there is no such address to listen on.
    if Probe::bind("[::1]:0").is_ok() {
        uris.push("http://[::1]:0/callback");
    }
    for written in uris {
        let practice = Practice::new(Settings::default());
        let serving = practice.serve_plain().await.unwrap();
        let more = format!("redirect_uri = \"{written}\"\n{SCOPES}");
        let home = Home::new(&config(&serving, "practice-client", &more)).unwrap();
        let _daemon = Daemon::start(&home).await.unwrap();
        let login = home.begin_login(&[]).await.unwrap();
        let asked = url::Url::parse(&login.authorization_uri).unwrap();
        let (_, sent) = asked.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap();
        let (before, after) = written.split_once(":0").unwrap();
        let port = sent.strip_prefix(before).and_then(|rest| rest.strip_prefix(':')).unwrap();
        let port: u16 = port.strip_suffix(after).unwrap().parse().unwrap();
        assert_ne!(port, 0, "{written}");
        allow(login, &practice).await.unwrap().success().unwrap();
        let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
        assert!(matches!(practice.verdict(&token), Verdict::Live), "{written}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usual_proxy_variables_count_for_servers_elsewhere_only() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let far = "[profiles.far]\nissuer = \"https://id.example.com\"\nclient_id = \"x\"\n";
    let home = Home::new(&format!("{}{far}", config(&serving, "practice-client", SCOPES)))
        .unwrap()
        .with_variable("HTTPS_PROXY", &address)
        .with_variable("HTTP_PROXY", &address);
    let _daemon = Daemon::start(&home).await.unwrap();
    let asked = async {
        let (mut stream, _) = proxy.accept().await?;
        let mut head = vec![0; 1024];
        let length = stream.read(&mut head).await?;
        stream
            .write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await?;
        anyhow::Ok(String::from_utf8_lossy(&head[..length]).into_owned())
    };
    let arguments = ["login", "far", "--profile", "far", "--no-browser"];
    let (asked, login) = tokio::join!(timeout(SOON, asked), home.ctl(&arguments));
    let asked = asked.expect("the proxy is asked").unwrap();
    assert!(asked.starts_with("CONNECT id.example.com:443 HTTP/1.1\r\n"), "{asked}");
    assert_eq!(login.unwrap().code, Some(8));

    drop(proxy);
    sign_in(&home, &practice, &["--profile", "practice"]).await.unwrap().success().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn other_audiences_are_redeemed_on_demand_and_one_that_is_refused_harms_no_other() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let (one, two) = ("https://one.example.com/", "https://two.example.com/");
    let more = format!("resources = [\"{one}\", \"{two}\"]\n{SCOPES}");
    let home = Home::new(&config(&serving, "practice-client", &more)).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    sign_in(&home, &practice, &[]).await.unwrap().success().unwrap();
    let own = home.ctl(&["token"]).await.unwrap().success().unwrap();

    let read: Value = home.ctl(&["token", "--scope", "read", "--json"]).await.unwrap().json().unwrap();
    let for_read = read["access_token"].as_str().unwrap();
    assert_eq!(practice.access_token(for_read).unwrap().scope, ["read"]);
    assert_eq!(read["scope"], "read");
    assert_ne!(for_read, own);
    let resource = ["token", "--resource", two];
    let for_two = home.ctl(&resource).await.unwrap().success().unwrap();
    assert_eq!(practice.access_token(&for_two).unwrap().audience, [two]);
    let refreshes = practice.ledger().refreshes().len();
    assert_eq!(refreshes, 2);

    let requests = practice.ledger().token_requests("refresh_token").len();
    for (beyond, next) in [
        (["token", "--scope", "delete"], "fourinsightctl login --scope SCOPES --force"),
        (
            ["token", "--resource", "https://three.example.com/"],
            "fourinsightctl login --resource URI --force",
        ),
    ] {
        let refused = home.ctl(&beyond).await.unwrap();
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(next), "{refused:?}");
    }
    let asked = practice.ledger().token_requests("refresh_token").len();
    assert_eq!(asked, requests, "the server is not asked for what the login does not reach");
    let status = home.ctl(&["status", "default"]).await.unwrap().success().unwrap();
    assert!(status.contains("\nalso serves") && status.contains(two), "{status}");
    // Each is kept under its own key.
    assert_eq!(home.ctl(&["token"]).await.unwrap().success().unwrap(), own);
    assert_eq!(home.ctl(&resource).await.unwrap().success().unwrap(), for_two);
    let again = home.ctl(&["token", "--scope", "read", "--header"]).await.unwrap().success().unwrap();
    assert_eq!(again, format!("Authorization: Bearer {for_read}"));
    assert_eq!(practice.ledger().refreshes().len(), refreshes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_the_server_has_ended_is_told_as_3_and_made_again() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new(&config(&serving, "practice-client", SCOPES)).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    sign_in(&home, &practice, &[]).await.unwrap().success().unwrap();
    assert_eq!(home.ctl(&["status", "default"]).await.unwrap().code, Some(0));
    practice.revoke_all();
    reject(&home).await.unwrap();

    let token = home.ctl(&["token"]).await.unwrap();
    assert_eq!((token.code, token.stdout.as_str()), (Some(3), ""), "{token:?}");
    assert!(token.stderr.contains("invalid_grant") && token.stderr.contains("login"), "{token:?}");
    let all = home.ctl(&["status"]).await.unwrap();
    assert!(all.code == Some(0) && all.stdout.contains("login required"), "{all:?}");
    let one = home.ctl(&["status", "default", "--json"]).await.unwrap();
    assert_eq!(one.code, Some(3), "{one:?}");
    let one: SessionStatus = serde_json::from_str(&one.stdout).unwrap();
    assert_eq!(one.problem.unwrap().error, "invalid_grant");

    sign_in(&home, &practice, &[]).await.unwrap().success().unwrap();
    let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
    assert!(matches!(practice.verdict(&token), Verdict::Live));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_logins_for_one_session_the_later_cancels_the_earlier() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new(&config(&serving, "practice-client", SCOPES)).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let earlier = home.begin_login(&[]).await.unwrap();
    let other = home.begin_login(&["other"]).await.unwrap();
    let later = home.begin_login(&[]).await.unwrap();
    let earlier = earlier.finish().await.unwrap();
    assert_eq!(earlier.code, Some(1), "{earlier:?}");
    assert!(earlier.stderr.contains("later"), "{earlier:?}");
    for login in [later, other] {
        allow(login, &practice).await.unwrap().success().unwrap();
    }
}

async fn sign_in(home: &Home, practice: &Practice, arguments: &[&str]) -> Result<Output> {
    allow(home.begin_login(arguments).await?, practice).await
}

/// What the person does at the login page, and the browser with the answer.
async fn allow(login: Login, practice: &Practice) -> Result<Output> {
    let callback = practice.sign_in(&login.authorization_uri, "ada").await?;
    Request::get(callback).send().await?;
    login.finish().await
}

/// The token after one that an API refused.
async fn renewed(home: &Home) -> Result<String> {
    reject(home).await?;
    home.ctl(&["token"]).await?.success()
}

async fn reject(home: &Home) -> Result<()> {
    let token: TokenResponse = home.ctl(&["token", "--json"]).await?.json()?;
    let rejection = json!({ "token_id": token.token_id });
    let answer = home.post("/v1/sessions/default/rejections", &rejection).await?;
    anyhow::ensure!(answer.status == 202, "{}", answer.text());
    Ok(())
}

fn config(serving: &Serving, client_id: &str, more: &str) -> String {
    format!(
        "default_profile = \"practice\"\n[profiles.practice]\nissuer = \"{}\"\nclient_id = \"{client_id}\"\n{more}",
        serving.issuer
    )
}
