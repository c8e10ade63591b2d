//! The device flow with the real programs: against a certified OpenID Provider, and against the practice server
//! over TLS.

use std::time::Duration;

use anyhow::Result;
use fourinsight_ipc::message::SessionStatus;
use testkit::{
    browser::Answer,
    leak::Search,
    practice::{Client, DeviceFlow, Endpoint, Practice, SecretKind, Serving, Settings, Transport, Verdict},
    process::{Daemon, DeviceLogin, Home},
    provider::{Options, Provider},
    wait,
};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The provider gives a refresh token only to a client that has the person asked for consent.
fn config(provider: &Provider) -> String {
    format!("{}device_params = {{ prompt = \"consent\" }}\n", provider.config())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_allows_a_device_at_a_real_provider() {
    let provider = Provider::start(Options { access_token_life: 4, ..Options::default() }).await.unwrap();
    let home = Home::new(&config(&provider)).unwrap().with_variable("FOURINSIGHT_LOG", "trace");
    let daemon = Daemon::start(&home).await.unwrap();
    let login = home.begin_device_login(&["work"]).await.unwrap();
    assert_eq!(login.login.authorization_uri, provider.endpoint("device").as_str());
    let (output, page) = login.connect(&Answer::allow("ada")).await.unwrap();
    assert!(page.text().contains("Sign-in Success"), "{}", page.text());
    let says = output.success().unwrap();
    assert_eq!(says, "Signed in as ada of Practice (ada), session work.");

    wait::until("a refresh", Duration::from_mins(1), async || {
        Ok((provider.ledger().await?.refreshes().count() > 0).then_some(()))
    })
    .await
    .unwrap();
    let token = home.ctl(&["token", "work"]).await.unwrap().success().unwrap();
    assert!(provider.introspect(&token).await.unwrap().active);
    let ledger = provider.ledger().await.unwrap();
    let polls: Vec<_> = ledger
        .token_requests
        .iter()
        .filter(|request| request.grant_type.as_deref() == Some(GRANT_TYPE))
        .collect();
    let (granted, pending) = polls.split_last().unwrap();
    assert_eq!(granted.status, 200);
    assert!(pending.iter().all(|poll| poll.error.as_deref() == Some("authorization_pending")));

    assert!(daemon.stop().await.unwrap().success());
    let search = Search::new(ledger.secrets.iter().map(String::as_str));
    assert!(search.len() >= 20, "only {} forms to search for", search.len());
    for (path, content) in home.files().unwrap() {
        assert_eq!(search.leaks(&content), [], "in {}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_declines_a_device_at_a_real_provider() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new(&config(&provider)).unwrap();
    let login = home.begin_device_login(&[]).await.unwrap();
    let (output, page) = login.connect(&Answer::deny("ada")).await.unwrap();
    assert!(page.text().contains("interrupted"), "{}", page.text());
    assert_eq!(output.code, Some(5), "{output:?}");
    assert!(output.stderr.contains("declined"), "{}", output.stderr);
    assert_eq!(home.ctl(&["token"]).await.unwrap().code, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confidential_client_signs_a_device_in_over_tls() {
    let flow = DeviceFlow { interval: Duration::from_secs(1), ..DeviceFlow::default() };
    let practice = Practice::new(Settings { device_flow: Some(flow), ..Settings::default() });
    let serving = practice.serve(Transport::Tls, 0).await.unwrap();
    let home = practice_home(&serving).unwrap();
    let login = home.begin_device_login(&[]).await.unwrap();
    let uri = &login.login.authorization_uri;
    assert_eq!(*uri, format!("{}/device", serving.issuer));
    practice.wait_until(|ledger| ledger.token_requests(GRANT_TYPE).len() >= 2).await;
    practice.answer_device(uri, &login.user_code, Some("grace")).await.unwrap();
    let says = login.login.finish().await.unwrap().success().unwrap();
    assert_eq!(says, "Signed in as Grace Hopper (subject-of-grace), session default.");
    let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
    assert_eq!(practice.verdict(&token), Verdict::Live);
    let status: SessionStatus = home.ctl(&["status", "default", "--json"]).await.unwrap().json().unwrap();
    assert_eq!(status.identity.unwrap().sub, "subject-of-grace");

    let ledger = practice.ledger();
    let start = ledger.requests(Endpoint::DeviceAuthorization).next().unwrap();
    assert!(start.header("authorization").is_some_and(|value| value.starts_with("Basic ")));
    assert_eq!(start.form.get("client_id"), Some(Client::confidential().id.as_str()));
    let revoked = home.ctl(&["revoke"]).await.unwrap();
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    assert_eq!(practice.verdict(&token), Verdict::Revoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_nobody_takes_another_persons_session_over() {
    let flow = DeviceFlow { interval: Duration::from_secs(1), ..DeviceFlow::default() };
    let practice = Practice::new(Settings { device_flow: Some(flow), ..Settings::default() });
    let serving = practice.serve(Transport::Tls, 0).await.unwrap();
    let home = practice_home(&serving).unwrap();
    let sign_in = async |user: &str| {
        let DeviceLogin { user_code, login } = home.begin_device_login(&["--force"]).await.unwrap();
        practice.answer_device(&login.authorization_uri, &user_code, Some(user)).await.unwrap();
        login.finish().await.unwrap()
    };
    assert_eq!(sign_in("ada").await.code, Some(0));
    let before = home.ctl(&["token"]).await.unwrap().success().unwrap();
    let refused = sign_in("grace").await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(5), ""), "{refused:?}");
    for shown in ["Ada Lovelace (subject-of-ada)", "Grace Hopper (subject-of-grace)", "is no terminal"] {
        assert!(refused.stderr.contains(shown), "{shown}: {}", refused.stderr);
    }
    // Ada is still signed in, with the token she had; what grace was granted is dead.
    assert_eq!(home.ctl(&["token"]).await.unwrap().success().unwrap(), before);
    practice.wait_until(|ledger| ledger.requests(Endpoint::Revocation).any(|it| it.status.is_some())).await;
    let tokens: Vec<_> = practice.ledger().secrets_of(SecretKind::AccessToken).map(str::to_owned).collect();
    let [adas, graces] = <[_; 2]>::try_from(tokens).unwrap();
    assert_eq!((practice.verdict(&adas), practice.verdict(&graces)), (Verdict::Live, Verdict::Revoked));
    assert_eq!(adas, before);
    // The same person again is not asked.
    assert_eq!(sign_in("ada").await.code, Some(0));
}

/// A home whose one profile is the practice server's confidential client.
fn practice_home(serving: &Serving) -> Result<Home> {
    let home = Home::new("")?;
    let (ca, secret) = (home.path().join("ca.pem"), home.path().join("secret"));
    std::fs::write(&ca, serving.ca_pem.as_deref().unwrap_or_default())?;
    let client = Client::confidential();
    std::fs::write(&secret, client.secret.unwrap_or_default())?;
    home.write_config(&format!(
        "[profiles.practice]\nissuer = \"{}\"\nclient_id = \"{}\"\nclient_secret = {{ file = \"{}\" }}\n\
         tls_ca_file = \"{}\"\nflow = \"device\"\nscopes = \"openid offline_access read\"\n",
        serving.issuer,
        client.id,
        secret.display(),
        ca.display()
    ))?;
    Ok(home)
}
