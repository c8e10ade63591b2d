//! The real programs against the practice server: its login page, its TLS, its outages.

use std::{fs, time::Duration};

use anyhow::Result;
use testkit::{
    browser::Answer,
    http::Request,
    practice::{Practice, Serving, Settings, Verdict},
    process::{Daemon, Home, Output},
    wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_allows_or_denies_at_the_plain_login_page() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new(&config(&serving, "")).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let (denied, _) = home.login(&[], &Answer::deny("ada")).await.unwrap();
    assert_eq!(denied.code, Some(5), "{denied:?}");
    let (allowed, landing) = home.login(&[], &Answer::allow("ada")).await.unwrap();
    allowed.success().unwrap();
    assert_eq!(landing.page.status, 200);
    let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
    assert!(matches!(practice.verdict(&token), Verdict::Live));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_of_the_companys_own_is_trusted_where_its_ca_is_named() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_tls().await.unwrap();
    let home = Home::new(&config(&serving, "")).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let refused = home.ctl(&["login", "--no-browser"]).await.unwrap();
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("certificate"), "{refused:?}");
    assert_eq!(practice.ledger().entries().len(), 0, "nothing was sent to a server that is not trusted");

    let ca = home.path().join("ca.pem");
    fs::write(&ca, serving.ca_pem.as_deref().unwrap()).unwrap();
    home.write_config(&config(&serving, &format!("tls_ca_file = \"{}\"\n", ca.display()))).unwrap();
    sign_in(&home, &practice).await.unwrap().success().unwrap();
    let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
    assert!(matches!(practice.verdict(&token), Verdict::Live));
    assert_eq!(home.ctl(&["revoke", "default"]).await.unwrap().code, Some(0));
    assert!(matches!(practice.verdict(&token), Verdict::Revoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_bridged_by_the_living_token_and_forgotten_by_itself() {
    let practice =
        Practice::new(Settings { access_token_life: Duration::from_secs(12), ..Settings::default() });
    let serving = practice.serve_plain().await.unwrap();
    let home = Home::new(&config(&serving, "")).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    sign_in(&home, &practice).await.unwrap().success().unwrap();
    let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
    let port = serving.port;
    serving.stop().await;
    // More validity than is left: the renewal fails, and the living token is better than none.
    let asked = home.ctl(&["token", "--min-validity", "1h", "--wait", "5"]).await.unwrap();
    assert_eq!(asked.success().unwrap(), token);
    let status = home.ctl(&["status", "default"]).await.unwrap();
    assert_eq!(status.code, Some(0), "{status:?}");

    let _back = practice.serve(testkit::practice::Transport::Plain, port).await.unwrap();
    let next = wait::until("a renewal that nobody asked for", Duration::from_mins(1), async || {
        let output = home.ctl(&["token", "--wait", "0"]).await?;
        Ok(Some(output.stdout.trim().to_owned()).filter(|now| output.code == Some(0) && *now != token))
    })
    .await
    .unwrap();
    assert!(matches!(practice.verdict(&next), Verdict::Live));
    assert_eq!(practice.ledger().most_redemptions(), 1);
}

/// Signs in as the person at the page would, without a socket between browser and server.
async fn sign_in(home: &Home, practice: &Practice) -> Result<Output> {
    let login = home.begin_login(&[]).await?;
    let callback = practice.sign_in(&login.authorization_uri, "ada").await?;
    Request::get(callback).send().await?;
    login.finish().await
}

fn config(serving: &Serving, more: &str) -> String {
    format!(
        "default_profile = \"practice\"\n[profiles.practice]\nissuer = \"{}\"\nclient_id = \"practice-client\"\n\
         scopes = \"openid profile offline_access api\"\n{more}",
        serving.issuer
    )
}
