//! How the client proves itself, at each kind of request: against the practice server, which takes one way only, and
//! against a real provider.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use testkit::{
    browser::Answer,
    practice::{
        Client, ClientAuthentication, ClientKey, DeviceFlow, Endpoint, Practice, Serving, Settings, Verdict,
        ledger::Entry,
    },
    process::{Daemon, DeviceLogin, Home},
    provider::{Options, Provider},
    wait,
};

const SOON: Duration = Duration::from_mins(1);

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

const WAYS: [(&str, ClientAuthentication); 6] = [
    ("basic", ClientAuthentication::Basic),
    ("basic_raw", ClientAuthentication::BasicRaw),
    ("post", ClientAuthentication::Post),
    ("secret_only", ClientAuthentication::SecretOnly),
    ("private_key_jwt", ClientAuthentication::PrivateKeyJwt),
    ("client_secret_jwt", ClientAuthentication::ClientSecretJwt),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_client_authentication_carries_code_refresh_and_revocation() {
    for (word, way) in WAYS {
        let practice = practice(&[way]);
        whole_life(&practice, &format!("client_auth = \"{word}\"")).await.unwrap();
        for (kind, entry) in requests(&practice) {
            assert_eq!(way_of(&entry), Some(way), "{kind} by {word}");
        }
        assert!(practice.ledger().replayed_assertions().is_empty(), "by {word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ways_may_differ_between_the_kinds_of_request() {
    for (shift, _) in WAYS.iter().enumerate() {
        let chosen: Vec<_> = (0..3).map(|kind| WAYS[(shift + kind) % WAYS.len()]).collect();
        let ways: Vec<_> = chosen.iter().map(|(_, way)| *way).collect();
        let practice = practice(&ways);
        let [code, refresh, revoke] = [chosen[0].0, chosen[1].0, chosen[2].0];
        let table =
            format!("client_auth = {{ code = \"{code}\", refresh = \"{refresh}\", revoke = \"{revoke}\" }}");
        whole_life(&practice, &table).await.unwrap();
        for (kind, entry) in requests(&practice) {
            let index = ["code", "refresh", "revoke"].iter().position(|other| *other == kind).unwrap();
            assert_eq!(way_of(&entry), Some(ways[index]), "{kind} with {table}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_way_than_the_servers_is_refused_at_the_code() {
    for (word, way) in WAYS {
        let others = WAYS.map(|(_, other)| other);
        let others: Vec<_> = others.into_iter().filter(|other| *other != way).collect();
        let practice = practice(&others);
        let error = whole_life(&practice, &format!("client_auth = \"{word}\"")).await.unwrap_err();
        assert!(format!("{error:#}").contains("invalid_client"), "{word}: {error:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_client_authentication_carries_the_device_flow() {
    // A device has to name its client (RFC 8628 section 3.1), which is what secret_only does not do.
    for (word, way) in WAYS.into_iter().filter(|(_, way)| *way != ClientAuthentication::SecretOnly) {
        let practice = practice_with(&[way], |settings| {
            let interval = Duration::from_secs(1);
            settings.device_flow = Some(DeviceFlow { interval, ..DeviceFlow::default() });
        });
        let serving = practice.serve_plain().await.unwrap();
        // Only the device flow proves its client so: each other kind of request would be refused.
        let lines = format!("flow = \"device\"\nclient_auth = {{ device = \"{word}\" }}");
        let home = home(&serving, &lines).unwrap();
        let _daemon = Daemon::start(&home).await.unwrap();
        let DeviceLogin { user_code, login } = home.begin_device_login(&[]).await.unwrap();
        practice
            .wait_until(|ledger| ledger.token_requests(DEVICE_CODE).iter().any(|poll| poll.status.is_some()))
            .await;
        practice.answer_device(&login.authorization_uri, &user_code, Some("ada")).await.unwrap();
        login.finish().await.unwrap().success().unwrap();
        let ledger = practice.ledger();
        let starts = ledger.requests(Endpoint::DeviceAuthorization);
        let sent: Vec<_> = starts.chain(ledger.token_requests(DEVICE_CODE)).collect();
        assert!(sent.len() >= 3, "by {word}: {} requests", sent.len());
        for entry in sent {
            // Whatever else proves the client, this flow names it in the form (RFC 8628 section 3.1).
            let mut entry = entry.clone();
            if entry.header("authorization").is_some() {
                entry.form.0.retain(|(name, _)| name != "client_id");
            }
            assert_eq!(way_of(&entry), Some(way), "by {word}");
        }
        assert!(ledger.replayed_assertions().is_empty(), "by {word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_provider_takes_each_way_that_it_offers() {
    let provider = Provider::start(Options::default()).await.unwrap();
    for way in ["basic", "post", "client_secret_jwt", "private_key_jwt"] {
        let client = provider.client_by(way).unwrap();
        let home = Home::new("").unwrap();
        let (source, content) = match (&client.client_secret, &client.client_key) {
            (Some(secret), _) => ("client_secret", secret),
            (None, Some(key)) => ("client_key", key),
            (None, None) => panic!("{way}: a client with nothing to prove itself with"),
        };
        fs::write(home.path().join("proof"), content).unwrap();
        let person = provider.config().replace(&provider.public_client().client_id, &client.client_id);
        let lines = format!(
            "{source} = {{ file = \"{}\" }}\nclient_auth = \"{way}\"\n",
            home.path().join("proof").display()
        );
        let batch = format!(
            "[profiles.batch]\nissuer = \"{}\"\nclient_id = \"{}\"\nscopes = \"api:read\"\nflow = \"client_credentials\"\n",
            provider.issuer(),
            client.client_id
        );
        home.write_config(&format!("{person}{lines}{batch}{lines}")).unwrap();
        let _daemon = Daemon::start(&home).await.unwrap();

        home.login(&["ada"], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
        let first = home.ctl(&["token", "ada"]).await.unwrap().success().unwrap();
        let renewed = home.ctl(&["token", "ada", "--min-validity", "1h"]).await.unwrap().success().unwrap();
        assert_ne!(renewed, first, "{way}");

        let said = home.ctl(&["login", "batch", "--profile", "batch"]).await.unwrap().success().unwrap();
        assert_eq!(said, "Signed in as the client itself, session batch.");
        let own = home.ctl(&["token", "batch"]).await.unwrap().success().unwrap();
        for (session, token) in [("ada", renewed), ("batch", own)] {
            assert!(provider.introspect(&token).await.unwrap().active, "{session} by {way}");
            let revoked = home.ctl(&["revoke", session]).await.unwrap();
            assert_eq!(revoked.code, Some(0), "{session} by {way}: {revoked:?}");
            assert!(!provider.introspect(&token).await.unwrap().active, "{session} by {way}");
        }
    }
    let ledger = provider.ledger().await.unwrap();
    assert!(ledger.refused().is_empty(), "{:?}", ledger.refused());
    assert_eq!(ledger.refreshes().count(), 4);
}

/// The fifth way that the provider offers, `none`, is refused here: only a client that proves itself may sign in as
/// itself (RFC 6749 section 4.4).
#[tokio::test(flavor = "multi_thread")]
async fn a_public_client_does_not_sign_in_as_itself() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new(&provider.config()).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let refused = home.ctl(&["login", "--flow", "client_credentials"]).await.unwrap();
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("needs a client secret, key or assertion"), "{refused:?}");
    assert!(provider.ledger().await.unwrap().token_requests.is_empty());
}

fn practice(ways: &[ClientAuthentication]) -> Practice {
    practice_with(ways, |_| {})
}

fn practice_with(ways: &[ClientAuthentication], change: impl FnOnce(&mut Settings)) -> Practice {
    let client = Client { key: Some(ClientKey::rsa().public_key()), ..Client::confidential() };
    let mut settings = Settings { clients: vec![client.accepting(ways)], ..Settings::default() };
    change(&mut settings);
    Practice::new(settings)
}

/// A home whose profile has a secret and a key, and more lines.
fn home(serving: &Serving, lines: &str) -> Result<Home> {
    let home = Home::new("")?;
    let client = Client::confidential();
    fs::write(home.path().join("secret"), client.secret.context("the client has a secret")?)?;
    fs::write(home.path().join("key.pem"), ClientKey::rsa().private_pem)?;
    home.write_config(&format!(
        "[profiles.practice]\nissuer = \"{}\"\nclient_id = \"{}\"\nclient_secret = {{ file = \"{}\" }}\n\
         client_key = {{ file = \"{}\" }}\nscopes = \"openid offline_access\"\n{lines}\n",
        serving.issuer,
        client.id,
        home.path().join("secret").display(),
        home.path().join("key.pem").display()
    ))?;
    Ok(home)
}

/// A login at the login page, a refresh and a revocation.
async fn whole_life(practice: &Practice, lines: &str) -> Result<()> {
    let serving = practice.serve_plain().await?;
    let home = home(&serving, lines)?;
    let _daemon = Daemon::start(&home).await?;
    home.login(&[], &Answer::allow("ada")).await?.0.success()?;
    home.ctl(&["token", "--min-validity", "2h"]).await?.success()?;
    wait::until("a refresh", SOON, async || Ok((!practice.ledger().refreshes().is_empty()).then_some(())))
        .await?;
    let token = home.ctl(&["token"]).await?.success()?;
    let revoked = home.ctl(&["revoke", "default"]).await?;
    ensure!(revoked.code == Some(0), "{revoked:?}");
    ensure!(practice.verdict(&token) == Verdict::Revoked, "the revoked token lives");
    Ok(())
}

/// The requests in which the client proved itself, by kind.
fn requests(practice: &Practice) -> Vec<(&'static str, Entry)> {
    let ledger = practice.ledger();
    let token = |grant_type, kind| {
        let entries = ledger.token_requests(grant_type).into_iter().cloned();
        entries.map(move |entry| (kind, entry)).collect::<Vec<_>>()
    };
    let revocations = ledger.requests(Endpoint::Revocation).cloned().map(|entry| ("revoke", entry));
    let found: Vec<_> = token("authorization_code", "code")
        .into_iter()
        .chain(token("refresh_token", "refresh"))
        .chain(revocations)
        .collect();
    for kind in ["code", "refresh", "revoke"] {
        assert!(found.iter().any(|(other, _)| *other == kind), "no request of kind {kind}");
    }
    found
}

/// How the client proved itself, by what is where; the two kinds of Basic differ in the encoding of its secret.
fn way_of(entry: &Entry) -> Option<ClientAuthentication> {
    let (id, secret) = (entry.form.get("client_id"), entry.form.get("client_secret"));
    if let Some(assertion) = entry.form.get("client_assertion") {
        let header = URL_SAFE_NO_PAD.decode(assertion.split('.').next()?).ok()?;
        let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
        let alone = secret.is_none() && entry.header("authorization").is_none();
        return match header["alg"].as_str()? {
            "RS256" if alone => Some(ClientAuthentication::PrivateKeyJwt),
            "HS256" if alone => Some(ClientAuthentication::ClientSecretJwt),
            _ => None,
        };
    }
    match (entry.header("authorization"), id, secret) {
        (Some(field), None, None) => {
            let pair = STANDARD.decode(field.strip_prefix("Basic ")?).ok()?;
            let raw = Client::confidential().secret?;
            let is_raw = pair.ends_with(format!(":{raw}").as_bytes());
            Some(if is_raw { ClientAuthentication::BasicRaw } else { ClientAuthentication::Basic })
        }
        (None, Some(_), Some(_)) => Some(ClientAuthentication::Post),
        (None, None, Some(_)) => Some(ClientAuthentication::SecretOnly),
        (None, Some(_), None) => Some(ClientAuthentication::None),
        _ => None,
    }
}
