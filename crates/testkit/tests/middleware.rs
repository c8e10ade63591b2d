//! A Rust program whose requests get their tokens from the daemon: what reaches the API, what is reported, and where
//! no token goes.

use anyhow::Result;
use axum::{body::Bytes, http::StatusCode};
use fourinsight_client::{AsyncClient, BearerMiddleware, Error, SessionKey};
use http_body_util::Full;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use testkit::{
    api::Api,
    practice::{Settings, Transport},
    world::World,
};

#[tokio::test]
async fn a_refused_request_is_reported_and_sent_once_more() {
    let (world, api) = stage().await.unwrap();
    let client = client(&world).unwrap();
    let first = client.post(api.url("/things")).body("a").send().await.unwrap();
    assert_eq!(first.status(), 200);
    api.refuse_what_was_seen();

    let second = client.post(api.url("/things")).body("b").send().await.unwrap();
    assert_eq!(second.status(), 200);
    assert_eq!(second.text().await.unwrap(), "b", "the body came both times");
    let [before, refused, repeated] = &api.seen()[..] else { panic!("{} requests", api.seen().len()) };
    assert_eq!(before.bearer, refused.bearer);
    assert_ne!(refused.bearer, repeated.bearer);
    assert_eq!((refused.status, repeated.status), (401, 200));
    assert_eq!(world.requests("refresh_token").len(), 1);
    world.has_no_leak().unwrap();
}

#[tokio::test]
async fn an_api_that_refuses_everything_is_asked_twice() {
    let (world, api) = stage().await.unwrap();
    api.refuse_everything();
    let answer = client(&world).unwrap().get(api.url("/things")).send().await.unwrap();
    assert_eq!(answer.status(), 401, "the API's own answer");
    assert_eq!(api.seen().len(), 2);
}

#[tokio::test]
async fn a_body_that_can_be_sent_once_is_sent_once_and_its_token_reported() {
    let (world, api) = stage().await.unwrap();
    api.refuse_everything();
    let once = reqwest::Body::wrap(Full::new(Bytes::from_static(b"a")));
    let answer = client(&world).unwrap().post(api.url("/things")).body(once).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), api.seen().len()), (401, 1));
    world.practice.wait_until(|ledger| !ledger.refreshes().is_empty()).await;
}

#[tokio::test]
async fn other_statuses_may_mean_that_a_token_is_no_longer_good() {
    let (world, api) = stage().await.unwrap();
    api.answer_refusals_with(StatusCode::FORBIDDEN);
    api.refuse_everything();
    let answer = client(&world).unwrap().get(api.url("/things")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), api.seen().len()), (403, 1), "nothing is known of a 403");
    let bearer = bearer(&world).unwrap().expired_statuses([StatusCode::FORBIDDEN]);
    let client = ClientBuilder::new(plain().unwrap()).with(bearer).build();
    let answer = client.get(api.url("/things")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), api.seen().len()), (403, 3));
}

#[tokio::test]
async fn a_token_goes_to_the_origin_first_asked_and_nowhere_else() {
    let (world, api) = stage().await.unwrap();
    let elsewhere = Api::new(&world.practice).await.unwrap();
    elsewhere.refuse_everything();
    let client = client(&world).unwrap();
    assert_eq!(client.get(api.url("/things")).send().await.unwrap().status(), 200);

    let answer = client.get(elsewhere.url("/things")).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let away = api.url(&format!("/away?to={}", elsewhere.url("/things")));
    let answer = client.get(away).send().await.unwrap();
    assert_eq!(answer.status(), 401, "where the redirect led");
    let there_and_back =
        api.url(&format!("/away?to={}", elsewhere.url(&format!("/away?to={}", api.url("/things")))));
    client.get(there_and_back).send().await.unwrap();

    assert!(elsewhere.seen().iter().all(|seen| seen.bearer.is_none()), "{:?}", elsewhere.seen());
    assert_eq!(elsewhere.seen().len(), 2);
    assert!(
        world.requests("refresh_token").is_empty(),
        "what is answered elsewhere is no verdict on the token"
    );
}

#[tokio::test]
async fn a_named_origin_and_a_header_of_the_caller_go_first() {
    let (world, api) = stage().await.unwrap();
    let named = Api::new(&world.practice).await.unwrap();
    let bearer = bearer(&world).unwrap().only_for(&named.url("/").parse().unwrap());
    let client = ClientBuilder::new(plain().unwrap()).with(bearer).build();
    assert_eq!(client.get(api.url("/things")).send().await.unwrap().status(), 401);
    assert_eq!(client.get(named.url("/things")).send().await.unwrap().status(), 200);
    let own = client.get(named.url("/things")).bearer_auth("mine").send().await.unwrap();
    assert_eq!(own.status(), 401);
    assert_eq!(named.seen().last().unwrap().bearer.as_deref(), Some("mine"));
}

#[tokio::test]
async fn a_login_that_is_needed_is_an_error_in_the_daemons_own_words() {
    let (world, api) = stage().await.unwrap();
    let client = client(&world).unwrap();
    assert_eq!(client.get(api.url("/things")).send().await.unwrap().status(), 200);
    world.loses_its_login().await.unwrap();
    let error = client.get(api.url("/things")).send().await.unwrap_err();
    let reqwest_middleware::Error::Middleware(error) = error else { panic!("{error}") };
    let error = error.downcast_ref::<Error>().unwrap();
    assert!(matches!(error, Error::LoginRequired(_)), "{error:?}");
    assert!(error.to_string().contains("fourinsightctl login"), "{error}");
}

/// A daemon that is signed in, and an API that takes its tokens.
async fn stage() -> Result<(World, Api)> {
    let world = World::over(Transport::Plain, Settings::default(), "").await?;
    world.sign_in().await?;
    let api = Api::new(&world.practice).await?;
    Ok((world, api))
}

fn client(world: &World) -> Result<ClientWithMiddleware> {
    Ok(ClientBuilder::new(plain()?).with(bearer(world)?).build())
}

fn bearer(world: &World) -> Result<BearerMiddleware> {
    Ok(BearerMiddleware::new(AsyncClient::at(world.home.endpoint()?), SessionKey::default()))
}

/// A client that follows redirects, and no proxy.
#[expect(clippy::disallowed_types, reason = "what a program of a user's sends its requests with")]
fn plain() -> Result<reqwest::Client> {
    // In a build of the whole workspace reqwest knows TLS, as the daemon has it: without a provider. A test that was
    // here before has installed the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().no_proxy().build()?)
}
