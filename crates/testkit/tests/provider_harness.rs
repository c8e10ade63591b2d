//! The provider itself, without the daemon: what the other tests rely on must hold of the server they use.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest;
use testkit::{
    browser::{Answer, Browser},
    clock::unix_milliseconds,
    http::{Request, Response},
    provider::{Options, Provider},
    wait,
};
use url::Url;

const REDIRECT_URI: &str = "http://127.0.0.1:49999/callback";
const VERIFIER: &str = "a-code-verifier-of-more-than-forty-three-characters";

#[tokio::test]
async fn refresh_tokens_rotate_and_one_used_twice_ends_the_grant() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let first = login(&provider).await.unwrap();
    assert!(provider.introspect(&first.access).await.unwrap().active);

    let second = tokens(&refresh(&provider, &first.refresh).await.unwrap()).unwrap();
    assert_ne!(first.refresh, second.refresh, "refresh tokens rotate");
    assert!(provider.introspect(&second.access).await.unwrap().active);

    let reuse = refresh(&provider, &first.refresh).await.unwrap();
    assert_eq!((reuse.status, error(&reuse).unwrap().as_deref()), (400, Some("invalid_grant")));
    assert!(!provider.introspect(&second.access).await.unwrap().active, "reuse ends the whole grant");
    assert_eq!(refresh(&provider, &second.refresh).await.unwrap().status, 400);

    let ledger = provider.ledger().await.unwrap();
    assert_eq!(ledger.redemptions()[first.refresh.as_str()], 2);
    assert_eq!(ledger.refreshes().count(), 3);
    assert_eq!(ledger.refused().len(), 2);
    assert_eq!(
        (ledger.refresh_tokens.saved, ledger.refresh_tokens.consumed, ledger.grants_revoked),
        (2, 1, 1)
    );
    for secret in [&first.access, &first.refresh, &second.access, &second.refresh] {
        assert!(ledger.secrets.contains(secret), "the ledger knows every token");
    }
    assert!(ledger.secrets.iter().any(|secret| secret == VERIFIER));
}

#[tokio::test]
async fn an_access_token_dies_when_it_expires_and_when_its_grant_is_revoked() {
    let provider = Provider::start(Options { access_token_life: 2, ..Options::default() }).await.unwrap();
    let first = login(&provider).await.unwrap();
    let life = provider.lives().await.unwrap()[&first.access];
    assert!(life.covers(life.expires_at - 1) && !life.covers(life.expires_at));
    let exp = provider.introspect(&first.access).await.unwrap().exp.unwrap();
    assert!((life.expires_at / 1000 - exp).abs() <= 1, "{life:?} and {exp}");
    wait::until("the access token's end", Duration::from_secs(30), async || {
        Ok((!provider.introspect(&first.access).await?.active).then_some(()))
    })
    .await
    .unwrap();

    let fields = [("token", first.refresh.as_str()), ("client_id", "practice-public")];
    let answer = Request::form(provider.endpoint("token/revocation"), fields).send().await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(provider.lives().await.unwrap()[&first.access].ended_at.is_some());
    assert_eq!(provider.ledger().await.unwrap().revocations.len(), 1);
}

#[tokio::test]
async fn a_person_who_cancels_is_sent_back_with_access_denied() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let callback =
        Browser::new().authorize(authorization_uri(&provider).as_str(), &Answer::deny("ada")).await.unwrap();
    let query: BTreeMap<_, _> = callback.query_pairs().collect();
    assert_eq!(query["error"], "access_denied");
    assert_eq!(query["state"], "a-state");
    assert_eq!(query["iss"], provider.issuer());
}

#[tokio::test]
async fn a_resource_that_the_login_did_not_name_costs_the_refresh_token_before_it_is_refused() {
    let (named, unnamed, unknown) =
        ("https://one.example/", "https://two.example/", "https://nowhere.example/");
    let resources = BTreeMap::from([(named.to_owned(), 5), (unnamed.to_owned(), 7)]);
    let provider = Provider::start(Options { resources, ..Options::default() }).await.unwrap();
    for resource in [unnamed, unknown] {
        let login = login_for(&provider, &[named]).await.unwrap();
        let life = provider.lives().await.unwrap()[&login.access];
        assert_eq!(provider.introspect(&login.access).await.unwrap().aud.as_deref(), Some(named));
        assert!(life.expires_at <= unix_milliseconds() + 5000, "the resource's own life: {life:?}");

        let refused = refresh_for(&provider, &login.refresh, &[resource]).await.unwrap();
        assert_eq!((refused.status, error(&refused).unwrap().as_deref()), (400, Some("invalid_target")));
        let again = refresh(&provider, &login.refresh).await.unwrap();
        assert_eq!((again.status, error(&again).unwrap().as_deref()), (400, Some("invalid_grant")));
    }
    let ledger = provider.ledger().await.unwrap();
    assert_eq!((ledger.refresh_tokens_reused, ledger.grants_revoked, ledger.grants_alive), (2, 2, 0));
    let asked: Vec<_> = ledger.refreshes().map(|refresh| refresh.resources.concat()).collect();
    assert_eq!(asked, [unnamed, "", unknown, ""]);
}

#[tokio::test]
async fn refreshes_of_one_grant_that_overlap_are_told_from_those_that_do_not() {
    let provider = Provider::start(Options { answer_delay: 200, ..Options::default() }).await.unwrap();
    let (one, other) = (login(&provider).await.unwrap(), login(&provider).await.unwrap());
    let (a, b) = tokio::join!(refresh(&provider, &one.refresh), refresh(&provider, &other.refresh));
    let next = tokens(&a.unwrap()).unwrap();
    b.unwrap();
    assert_eq!(provider.ledger().await.unwrap().overlapping().len(), 0, "of two grants");
    let (a, b) = tokio::join!(refresh(&provider, &next.refresh), refresh(&provider, &next.refresh));
    let statuses = [a.unwrap().status, b.unwrap().status];
    assert!(statuses.contains(&400), "{statuses:?}");
    let ledger = provider.ledger().await.unwrap();
    assert_eq!((ledger.overlapping().len(), ledger.grants_alive), (1, 1));
}

struct Tokens {
    access: String,
    refresh: String,
}

async fn login(provider: &Provider) -> Result<Tokens> {
    login_for(provider, &[]).await
}

async fn login_for(provider: &Provider, resources: &[&str]) -> Result<Tokens> {
    let mut uri = authorization_uri(provider);
    uri.query_pairs_mut().extend_pairs(resources.iter().map(|resource| ("resource", *resource)));
    let callback = Browser::new().authorize(uri.as_str(), &Answer::allow("ada")).await?;
    let (_, code) = callback.query_pairs().find(|(name, _)| name == "code").context("no code")?;
    let exchange = Request::form(
        provider.endpoint("token"),
        [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT_URI),
            ("client_id", &provider.public_client().client_id),
            ("code_verifier", VERIFIER),
        ],
    );
    tokens(&exchange.send().await?)
}

async fn refresh(provider: &Provider, refresh_token: &str) -> Result<Response> {
    refresh_for(provider, refresh_token, &[]).await
}

async fn refresh_for(provider: &Provider, refresh_token: &str, resources: &[&str]) -> Result<Response> {
    let client_id = provider.public_client().client_id.as_str();
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("client_id", client_id)];
    let fields = fields.into_iter().chain(resources.iter().map(|resource| ("resource", *resource)));
    Request::form(provider.endpoint("token"), fields).send().await
}

fn authorization_uri(provider: &Provider) -> Url {
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()));
    let mut uri = provider.endpoint("auth");
    uri.query_pairs_mut()
        .append_pair("client_id", &provider.public_client().client_id)
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", REDIRECT_URI)
        .append_pair("scope", "openid offline_access profile api:read")
        .append_pair("state", "a-state")
        .append_pair("prompt", "consent")
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    uri
}

fn tokens(answer: &Response) -> Result<Tokens> {
    let body: BTreeMap<String, serde_json::Value> = answer.json()?;
    let text = |name: &str| body.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let context = || format!("not the tokens expected, with status {}", answer.status);
    Ok(Tokens {
        access: text("access_token").with_context(context)?,
        refresh: text("refresh_token").with_context(context)?,
    })
}

fn error(answer: &Response) -> Result<Option<String>> {
    let body: serde_json::Value = answer.json()?;
    Ok(body["error"].as_str().map(str::to_owned))
}
