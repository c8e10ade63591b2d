//! APIs that take no token, or not from whoever signed in like this: what the real programs make of it.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{
    clock::unix_milliseconds,
    http::{Request, Response},
    practice::{Authentication, Settings, Transport},
    world::World,
};
use tokio::task::JoinSet;
use url::Url;

const CALLERS: usize = 8;
const ROUNDS: usize = 5;

/// How soon an API that refuses every token is given the next one, in milliseconds.
const FLOOR: i64 = 30_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_wants_a_stronger_login_takes_the_token_of_the_next_one() {
    let world = World::over(Transport::Plain, Settings::default(), "").await.unwrap();
    world.sign_in().await.unwrap();
    let before = token(&world, "").await.unwrap().json::<Value>().unwrap();
    assert_eq!(api(&world, &before).await.unwrap().status, 200);

    let acr_values = ["phrh", "phr"].map(str::to_owned).to_vec();
    world.practice.demand_authentication(&Authentication { acr_values, max_age: Some(3600) });
    let refused = api(&world, &before).await.unwrap();
    assert_eq!(refused.status, 401);
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    let reported = reject(&world, &before, challenge).await.unwrap();
    assert_eq!(reported["outcome"], "interaction_required", "{reported}");
    assert!(reported["description"].as_str().unwrap().contains("fourinsightctl login"), "{reported}");
    assert_eq!(token(&world, "").await.unwrap().json::<Value>().unwrap()["token_id"], before["token_id"]);
    assert_eq!(world.requests("refresh_token").len(), 0, "a renewal brings no stronger login");

    // The demand outlives the daemon.
    let world = world.restart().await.unwrap();
    let asked = sign_in_again(&world).await.unwrap();
    let asked_for = |name: &str| asked.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value);
    assert_eq!(asked_for("acr_values").as_deref(), Some("phrh phr"));
    assert_eq!(asked_for("max_age").as_deref(), Some("3600"));

    let after = token(&world, "").await.unwrap().json::<Value>().unwrap();
    assert_eq!(api(&world, &after).await.unwrap().status, 200);
    world.renewed_token().await.unwrap();
    let renewed = token(&world, "").await.unwrap().json::<Value>().unwrap();
    assert_eq!(api(&world, &renewed).await.unwrap().status, 200, "a renewal keeps what the login brought");
    let done = world.home.ctl(&["login"]).await.unwrap().success().unwrap();
    assert!(done.starts_with("Already signed in"), "{done}");
    world.has_no_leak().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_refuses_every_token_causes_no_storm() {
    no_storm(Settings::default(), "").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_it_for_callers_that_can_answer_a_challenge() {
    no_storm(Settings::entra(), "&enable_cae=true").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_it_for_another_audience_than_the_sessions_own() {
    no_storm(Settings::entra(), "&scope=https://other.example/.default&enable_cae=true").await.unwrap();
}

/// Has callers ask, be refused by the API and say so, each as often and as fast as it can.
async fn no_storm(settings: Settings, query: &'static str) -> Result<()> {
    let world = World::over(Transport::Plain, settings, "").await?;
    world.sign_in().await?;
    let first = token(&world, query).await?;
    ensure!(first.status == 200, "{}", first.text());
    world.practice.refuse_every_token();
    let before = world.requests("refresh_token").len();
    let began = unix_milliseconds();

    let world = Arc::new(world);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let world = Arc::clone(&world);
        callers.spawn(async move { hammer(&world, query).await });
    }
    let mut outcomes = Vec::new();
    while let Some(caller) = callers.join_next().await {
        outcomes.extend(caller??);
    }

    let renewals = world.requests("refresh_token").len() - before;
    let allowed = 1 + usize::try_from((unix_milliseconds() - began) / FLOOR)?;
    ensure!((1..=allowed).contains(&renewals), "{renewals} renewals, not {allowed}: {outcomes:?}");
    ensure!(outcomes.iter().any(|said| said == "paused"), "{outcomes:?}");
    let status: Value = world.home.ctl(&["status", "default", "--json"]).await?.json()?;
    ensure!(status["state"] == "signed_in", "{status}");
    world.has_no_leak()
}

/// What one caller's reports came to.
async fn hammer(world: &World, query: &str) -> Result<Vec<String>> {
    let mut outcomes = Vec::new();
    for _ in 0..ROUNDS {
        let answer = token(world, query).await?;
        let body: Value = answer.json()?;
        if answer.status != 200 {
            // Nobody is handed the dead one.
            ensure!(answer.status == 503 && answer.headers.contains_key("retry-after"), "{body}");
            continue;
        }
        let refused = api(world, &body).await?;
        ensure!(refused.status == 401, "{}", refused.text());
        let challenge = refused.headers["www-authenticate"].to_str()?;
        let reported = reject(world, &body, challenge).await?;
        outcomes.push(reported["outcome"].as_str().context("no outcome")?.to_owned());
    }
    Ok(outcomes)
}

/// The daemon's answer to a request for a token, which it may take a second for.
async fn token(world: &World, query: &str) -> Result<Response> {
    world.home.get(&format!("/v1/sessions/default/token?wait=1{query}")).await
}

/// The API's answer to a token.
async fn api(world: &World, token: &Value) -> Result<Response> {
    let url: Url = format!("{}/api/hello", world.serving.origin).parse()?;
    Request::get(url).bearer(token["access_token"].as_str().context("no token")?).send().await
}

/// The daemon's answer to the report that the API refused a token.
async fn reject(world: &World, token: &Value, challenge: &str) -> Result<Value> {
    let report = json!({ "token_id": token["token_id"], "www_authenticate": challenge });
    let answer = world.home.post("/v1/sessions/default/rejections", &report).await?;
    ensure!(answer.status == 202, "{}", answer.text());
    answer.json()
}

/// Has the person sign in anew; gives where they were sent for that.
async fn sign_in_again(world: &World) -> Result<Url> {
    let login = world.home.begin_login(&[]).await?;
    let asked: Url = login.authorization_uri.parse()?;
    Request::get(world.practice.sign_in(asked.as_str(), "ada").await?).send().await?;
    login.finish().await?.success()?;
    Ok(asked)
}
