//! `response_mode=form_post` at a certified OpenID Provider: its page posts the answer to the redirect listener.

use std::fs;

use anyhow::Result;
use testkit::{
    browser::{Answer, Browser, Landing},
    process::{Daemon, Home},
    provider::{Client, Options, Provider},
};
use url::Url;

#[tokio::test(flavor = "multi_thread")]
async fn public_and_confidential_clients_sign_in_by_a_posted_answer() {
    let provider = Provider::start(Options::default()).await.unwrap();
    for client in [provider.public_client(), provider.confidential_client()] {
        let home = home(&provider, client).unwrap();
        let _daemon = Daemon::start(&home).await.unwrap();
        let login = home.begin_login(&[]).await.unwrap();
        assert!(login.authorization_uri.contains("response_mode=form_post"), "{}", login.authorization_uri);
        let landing = Browser::new().sign_in(&login.authorization_uri, &Answer::allow("ada")).await.unwrap();
        login.finish().await.unwrap().success().unwrap();
        assert_eq!(parameter(&landing, "iss").as_deref(), Some(provider.issuer()));
        shows(&landing, "ada of Practice");

        let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
        assert!(provider.introspect(&token).await.unwrap().active, "{}", client.client_id);
        let renewed = home.ctl(&["token", "--min-validity", "1h"]).await.unwrap().success().unwrap();
        assert_ne!(renewed, token);
        let revoked = home.ctl(&["revoke"]).await.unwrap();
        assert_eq!(revoked.code, Some(0), "{revoked:?}");
        for token in [token, renewed] {
            assert!(!provider.introspect(&token).await.unwrap().active, "{}", client.client_id);
        }
    }
    let ledger = provider.ledger().await.unwrap();
    assert!(ledger.refused().is_empty(), "{:?}", ledger.refused());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_posted_too() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = home(&provider, provider.public_client()).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let (refused, landing) = home.login(&[], &Answer::deny("ada")).await.unwrap();
    assert_eq!(parameter(&landing, "error").as_deref(), Some("access_denied"));
    shows(&landing, "Not signed in");
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(provider.ledger().await.unwrap().token_requests.is_empty());
}

/// The answer is checked as one in a query is: another issuer's is not taken, and the right one still is.
#[tokio::test(flavor = "multi_thread")]
async fn a_posted_answer_with_another_issuer_or_none_is_not_taken() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = home(&provider, provider.public_client()).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let login = home.begin_login(&[]).await.unwrap();
    let callback = Browser::new().authorize(&login.authorization_uri, &Answer::allow("ada")).await.unwrap();
    for issuer in [Some("https://id.example"), None] {
        let page = post(&callback, issuer).await.unwrap();
        assert!(page.contains("was not taken"), "{issuer:?}: {page}");
    }
    assert!(provider.ledger().await.unwrap().token_requests.is_empty(), "no code was redeemed");
    let page = post(&callback, Some(provider.issuer())).await.unwrap();
    assert!(page.contains("ada of Practice"), "{page}");
    login.finish().await.unwrap().success().unwrap();
}

/// Posts what a callback holds with another issuer, and gives the page that the person then sees.
async fn post(callback: &Url, issuer: Option<&str>) -> Result<String> {
    let mut fields: Vec<(String, String)> = callback.query_pairs().into_owned().collect();
    fields.retain(|(name, _)| name != "iss");
    fields.extend(issuer.map(|issuer| ("iss".to_owned(), issuer.to_owned())));
    let pairs = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut address = callback.clone();
    address.set_query(None);
    let answer = testkit::http::Request::form(address.clone(), pairs).send().await?;
    match answer.redirect(&address) {
        Some(page) => Ok(testkit::http::Request::get(page).send().await?.text()),
        None => Ok(answer.text()),
    }
}

fn parameter(landing: &Landing, name: &str) -> Option<String> {
    landing.callback.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Insists on this text on the last page, at an address without the answer.
fn shows(landing: &Landing, text: &str) {
    assert!(landing.page.text().contains(text), "{}", landing.page.text());
    assert_eq!(landing.address.query(), None, "{}", landing.address);
}

fn home(provider: &Provider, client: &Client) -> Result<Home> {
    let home = Home::new("")?;
    let config = provider.config().replace(&provider.public_client().client_id, &client.client_id);
    let secret = match &client.client_secret {
        None => String::new(),
        Some(secret) => {
            let file = home.path().join("secret");
            fs::write(&file, secret)?;
            format!("client_secret = {{ file = \"{}\" }}\n", file.display())
        }
    };
    home.write_config(&format!("{config}{secret}response_mode = \"form_post\"\n"))?;
    Ok(home)
}
