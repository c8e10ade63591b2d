//! One login, many audiences, against a real provider that rotates strictly: processes ask for the tokens of five APIs
//! at once, and no refresh token is redeemed twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use testkit::{
    browser::Answer,
    clock::unix_milliseconds,
    load::{Ask, Orders},
    process::{Daemon, Home},
    provider::{Life, Options, Provider},
};
use tokio::{io::AsyncWriteExt as _, process::Child};

const RESOURCES: [&str; 5] = [
    "https://one.example/",
    "https://two.example/",
    "https://three.example/",
    "https://four.example/",
    "https://five.example/",
];
const UNNAMED: &str = "https://unnamed.example/";
const CLIENTS: usize = 8;
const ACCESS_TOKEN_LIFE: u64 = 5;

/// How long the processes ask, in seconds; a longer run is asked for by this variable.
const RUN: u64 = 25;
const RUN_VARIABLE: &str = "FOURINSIGHT_AUDIENCES_SECONDS";

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_get_living_tokens_for_five_apis_after_one_login() {
    let run = std::env::var(RUN_VARIABLE).map_or(RUN, |text| text.parse().expect("a number of seconds"));
    // Each answer takes a while, so that redemptions that are not kept apart would overlap.
    let provider = provider(Options { answer_delay: 100, ..Options::default() }).await.unwrap();
    let home = Home::new(&config(&provider, &RESOURCES)).unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    home.login(&["work"], &Answer::allow("ada")).await.unwrap().0.success().unwrap();

    let clients: Vec<_> = (0..CLIENTS)
        .map(|index| {
            // Each begins with another API.
            let mut resources = RESOURCES.map(str::to_owned).to_vec();
            resources.rotate_left(index % RESOURCES.len());
            let orders = Orders {
                session: "work".into(),
                resources,
                until: unix_milliseconds() + run as i64 * 1000,
                longest_pause: 300,
                oracle: provider.oracle(),
            };
            let command = home.command(env!("CARGO_BIN_EXE_token-client"));
            tokio::spawn(async move { report(start(command, &orders).await?).await })
        })
        .collect();
    let mut asks = Vec::new();
    for client in clients {
        asks.extend(client.await.unwrap().unwrap());
    }

    let errors: Vec<_> = asks.iter().filter_map(|ask| ask.error.as_ref()).collect();
    assert_eq!(errors, Vec::<&String>::new(), "{}", daemon.log());
    let lives = provider.lives().await.unwrap();
    for ask in &asks {
        let what = (ask.answered_at, ask.expires_in, &ask.resource);
        assert!(lived(ask, &lives), "a dead token handed out: {what:?}");
        // What has ended by the time of the verdict has no audience any more.
        assert!(!ask.active || ask.audience == ask.resource, "{:?} for {what:?}", ask.audience);
    }
    let least = (run / ACCESS_TOKEN_LIFE) as usize;
    for resource in RESOURCES {
        let of_resource = asks.iter().filter(|ask| ask.resource.as_deref() == Some(resource));
        let tokens: BTreeSet<_> = of_resource.map(|ask| &ask.access_token).collect();
        assert!(tokens.len() >= least, "only {} tokens for {resource} in {run} s", tokens.len());
    }

    let ledger = provider.ledger().await.unwrap();
    assert_eq!(ledger.overlapping(), Vec::new());
    assert!(ledger.refused().is_empty(), "{:?}", ledger.refused());
    assert!(ledger.redemptions().values().all(|count| *count == 1), "{:?}", ledger.redemptions().values());
    assert_eq!((ledger.refresh_tokens_reused, ledger.grants_revoked, ledger.grants_alive), (0, 0, 1));
    assert_eq!(ledger.token_requests.len(), ledger.refreshes().count() + 1, "one login");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_the_login_did_not_name_is_refused_without_a_request() {
    let provider = provider(Options::default()).await.unwrap();
    let home = Home::new(&config(&provider, &RESOURCES)).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    home.login(&["work"], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    let before = provider.ledger().await.unwrap().token_requests.len();

    for arguments in [["--resource", UNNAMED], ["--scope", "api:delete"]] {
        let refused = home.ctl(&[&["token", "work"], &arguments[..]].concat()).await.unwrap();
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
        assert!(!refused.stderr.contains(arguments[1]), "the error echoes what was asked: {refused:?}");
    }
    let path = format!("/v1/sessions/work/token?resource={UNNAMED}");
    let refused = home.get(&path).await.unwrap();
    let body: serde_json::Value = refused.json().unwrap();
    assert_eq!((refused.status, &body["error"]), (400, &"invalid_target".into()), "{body}");
    assert_eq!(provider.ledger().await.unwrap().token_requests.len(), before, "the provider saw a request");

    // It would have cost the grant; so the login lives on.
    let token = home.ctl(&["token", "work", "--resource", RESOURCES[1]]).await.unwrap().success().unwrap();
    let verdict = provider.introspect(&token).await.unwrap();
    assert_eq!((verdict.active, verdict.aud.as_deref()), (true, Some(RESOURCES[1])));
    assert_eq!(provider.ledger().await.unwrap().grants_alive, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sessions_own_token_stays_the_apis_where_the_provider_wants_it_named_each_time() {
    for resources in [&RESOURCES[..1], &RESOURCES] {
        let options = Options { remembers_resources: false, ..Options::default() };
        let provider = provider(options).await.unwrap();
        let home = Home::new(&config(&provider, resources)).unwrap();
        let _daemon = Daemon::start(&home).await.unwrap();
        home.login(&["work"], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
        for arguments in [&["token", "work"][..], &["token", "work", "--min-validity", "1h"]] {
            let token = home.ctl(arguments).await.unwrap().success().unwrap();
            let audience = provider.introspect(&token).await.unwrap().aud;
            assert_eq!(audience.as_deref(), Some(RESOURCES[0]), "{arguments:?} of {resources:?}");
        }
        let ledger = provider.ledger().await.unwrap();
        assert!(ledger.refused().is_empty(), "{:?}", ledger.refused());
    }
}

async fn provider(options: Options) -> Result<Provider> {
    let resources = RESOURCES.iter().chain([&UNNAMED]);
    let resources = resources.map(|resource| ((*resource).to_owned(), ACCESS_TOKEN_LIFE)).collect();
    Provider::start(Options { resources, ..options }).await
}

/// A profile whose logins name these APIs.
fn config(provider: &Provider, resources: &[&str]) -> String {
    format!("{}resources = {resources:?}\n", provider.config())
}

/// Between the answer and the verdict a token may reach its end; then the provider's record decides.
fn lived(ask: &Ask, lives: &BTreeMap<String, Life>) -> bool {
    ask.active || lives.get(&ask.access_token).is_some_and(|life| life.covers(ask.answered_at))
}

async fn start(mut command: tokio::process::Command, orders: &Orders) -> Result<Child> {
    let mut client = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let mut input = client.stdin.take().context("a client has no standard input")?;
    input.write_all(format!("{}\n", serde_json::to_string(orders)?).as_bytes()).await?;
    Ok(client)
}

async fn report(client: Child) -> Result<Vec<Ask>> {
    let output = client.wait_with_output().await?;
    ensure!(output.status.success(), "a client ended with {}", output.status);
    let lines = String::from_utf8(output.stdout)?;
    Ok(lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}
