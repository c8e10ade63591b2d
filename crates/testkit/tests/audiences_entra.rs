//! One login at a server with Entra's habits: a token for each API, one API that lacks a consent or a proof and leaves
//! the others alone, and an API that demands newer tokens of everyone at once.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use fourinsight_ipc::message::SessionStatus;
use serde_json::Value;
use testkit::{
    http::Request,
    practice::{Settings, Transport, Verdict, ledger::Entry},
    process::{Output, TIME_LIMIT},
    world::World,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
    time::timeout,
};
use url::Url;

const OTHER: &str = "https://other.example/.default";
const GUARDED: &str = "https://guarded.example/.default";
const UNCONSENTED: &str = "https://unconsented.example/.default";

/// A life that the daemon outlives many times in a test.
const SHORT: Duration = Duration::from_secs(4);
const CALLERS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_lacks_consent_or_proof_leaves_the_others_alone_also_after_a_restart() {
    let settings = Settings { access_token_life: SHORT, ..Settings::entra() };
    let mut world = World::over(Transport::Plain, settings, "").await.unwrap();
    world.sign_in().await.unwrap();
    for _ in 0..2 {
        for scope in [GUARDED, UNCONSENTED] {
            let refused = token(&world, scope).await.unwrap();
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(3), ""), "{refused:?}");
            let path = format!("/v1/sessions/default/token?scope={scope}");
            let answer = world.home.get(&path).await.unwrap();
            let body: Value = answer.json().unwrap();
            assert_eq!((answer.status, &body["error"]), (409, &"interaction_required".into()), "{body}");
        }
        let before = living(&world, OTHER).await.unwrap();
        assert_eq!(world.practice.access_token(&before).unwrap().audience, ["https://other.example"]);
        world.keeps_refreshing(world.practice.ledger().refreshes().len() + 2).await.unwrap();
        world.living_token().await.unwrap();
        let expired = async || match world.practice.verdict(&before) {
            Verdict::Expired => Ok(Some(())),
            _ => Ok(None),
        };
        testkit::wait::until("the token's end", TIME_LIMIT, expired).await.unwrap();
        assert_ne!(living(&world, OTHER).await.unwrap(), before);
        let status: SessionStatus =
            world.home.ctl(&["status", "default", "--json"]).await.unwrap().json().unwrap();
        let known = |scope: &str| {
            let audience = status.audiences.iter().find(|audience| audience.scope.as_deref() == Some(scope));
            audience.unwrap_or_else(|| panic!("{scope} is not in {:?}", status.audiences))
        };
        assert!(known(GUARDED).problem.is_some() && known(UNCONSENTED).problem.is_some());
        assert!(known(OTHER).problem.is_none() && status.problem.is_none(), "{status:?}");
        world = world.restart().await.unwrap();
    }
    // What was refused is asked for again after a minute at the earliest, unless the daemon has started anew.
    for scope in [GUARDED, UNCONSENTED] {
        let asked = asked_for(&world, scope);
        assert!((1..=2).contains(&asked.len()), "asked {} times for {scope}", asked.len());
        assert!(asked.iter().all(|request| request.status == Some(400)));
    }
    world.has_no_leak().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_comes_with_a_login_that_asks_for_the_api() {
    let world = World::over(Transport::Plain, Settings::entra(), "").await.unwrap();
    world.sign_in().await.unwrap();
    assert_eq!(token(&world, UNCONSENTED).await.unwrap().code, Some(3));
    sign_in_again(&world, &["--scope", UNCONSENTED]).await.unwrap();
    let token = living(&world, UNCONSENTED).await.unwrap();
    assert_eq!(world.practice.access_token(&token).unwrap().audience, ["https://unconsented.example"]);
    living(&world, OTHER).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn proof_comes_with_the_next_login_which_carries_what_the_server_asked_for() {
    let world = World::over(Transport::Plain, Settings::entra(), "").await.unwrap();
    world.sign_in().await.unwrap();
    assert_eq!(token(&world, GUARDED).await.unwrap().code, Some(3));
    let asked = sign_in_again(&world, &[]).await.unwrap();
    let claims = asked.query_pairs().find(|(name, _)| name == "claims").expect("the login carries claims").1;
    let claims: Value = serde_json::from_str(&claims).unwrap();
    assert_eq!(claims["access_token"]["capolids"]["values"], serde_json::json!(["practice"]), "{claims}");
    living(&world, GUARDED).await.unwrap();
    // It is asked for once.
    let asked = sign_in_again(&world, &[]).await.unwrap();
    assert!(asked.query_pairs().all(|(name, _)| name != "claims"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_demands_newer_tokens_of_everyone_costs_one_renewal() {
    reject_all_at_once(None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_one_that_is_not_the_sessions_own() {
    reject_all_at_once(Some(OTHER)).await.unwrap();
}

/// Has processes call an API with the same token, which it then refuses to all of them at once.
async fn reject_all_at_once(scope: Option<&str>) -> Result<()> {
    let world = World::over(Transport::Plain, Settings::entra(), "client_capabilities = [\"cp1\"]").await?;
    world.sign_in().await?;
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        callers.push(Caller::start(&world, scope)?);
    }
    let mut old = None;
    for caller in &mut callers {
        let said = caller.next().await?;
        ensure!(said["status"] == 200, "{said}");
        ensure!(*old.get_or_insert_with(|| said["token_id"].clone()) == said["token_id"], "{said}");
    }

    let before = world.requests("refresh_token").len();
    world.practice.end_sessions();
    for caller in &mut callers {
        caller.go().await?;
    }
    let mut new = None;
    for caller in &mut callers {
        let said = caller.next().await?;
        ensure!(said["status"] == 401 && said["status_after"] == 200, "{said}");
        ensure!(*new.get_or_insert_with(|| said["token_id"].clone()) == said["token_id"], "{said}");
    }
    ensure!(old != new, "the token was not replaced");
    let renewals = world.requests("refresh_token").split_off(before);
    ensure!(renewals.len() == 1, "{renewals:?}");
    let claims: Value = serde_json::from_str(renewals[0].form.get("claims").context("no claims")?)?;
    ensure!(claims["access_token"]["nbf"]["value"].is_string(), "{claims}");
    ensure!(claims["access_token"]["xms_cc"]["values"] == serde_json::json!(["cp1"]), "{claims}");
    world.has_no_leak()
}

async fn token(world: &World, scope: &str) -> Result<Output> {
    world.home.ctl(&["token", "--scope", scope]).await
}

/// Has the person sign in anew; gives where they were sent for that.
async fn sign_in_again(world: &World, arguments: &[&str]) -> Result<Url> {
    let login = world.home.begin_login(&[&["--force"], arguments].concat()).await?;
    let asked = Url::parse(&login.authorization_uri)?;
    Request::get(world.practice.sign_in(asked.as_str(), "ada").await?).send().await?;
    login.finish().await?.success()?;
    Ok(asked)
}

/// A token for this scope, which is to live.
async fn living(world: &World, scope: &str) -> Result<String> {
    let token = token(world, scope).await?.success()?;
    ensure!(world.practice.verdict(&token) == Verdict::Live, "the token is dead");
    Ok(token)
}

/// The refreshes that asked for this scope.
fn asked_for(world: &World, scope: &str) -> Vec<Entry> {
    let names = |request: &Entry| request.form.get("scope").is_some_and(|text| text.contains(scope));
    world.requests("refresh_token").into_iter().filter(names).collect()
}

/// A process that calls the API. It is killed when dropped.
struct Caller {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Caller {
    fn start(world: &World, scope: Option<&str>) -> Result<Self> {
        let mut process = world
            .home
            .command(env!("CARGO_BIN_EXE_api-client"))
            .arg(format!("{}/api/hello", world.serving.origin))
            .args(scope)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let output = process.stdout.take().context("no standard output")?;
        let input = process.stdin.take().context("no standard input")?;
        Ok(Self { input, output: BufReader::new(output).lines(), _process: process })
    }

    /// Has it call again.
    async fn go(&mut self) -> Result<()> {
        Ok(self.input.write_all(b"\n").await?)
    }

    /// What it says next.
    async fn next(&mut self) -> Result<Value> {
        let line =
            timeout(TIME_LIMIT, self.output.next_line()).await.context("a caller does not answer")??;
        Ok(serde_json::from_str(&line.context("a caller has ended")?)?)
    }
}
