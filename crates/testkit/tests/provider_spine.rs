//! The main promise, against a real provider: one login, and every process on the machine gets a fresh token.

use std::{collections::BTreeSet, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use testkit::{
    browser::Answer,
    clock::unix_milliseconds,
    load::{Ask, Orders},
    process::{Daemon, Home, Start},
    provider::{Options, Provider},
};
use tokio::{io::AsyncWriteExt as _, process::Child};

const CLIENTS: usize = 20;
const RUN: Duration = Duration::from_mins(1);
const ACCESS_TOKEN_LIFE: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_processes_get_living_tokens_for_a_minute_after_one_login() {
    let provider = Provider::start(Options { access_token_life: ACCESS_TOKEN_LIFE, ..Options::default() })
        .await
        .unwrap();
    let home = Home::new(&provider.config()).unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    let (login, landing) = home.login(&["work"], &Answer::allow("ada")).await.unwrap();
    login.success().unwrap();
    assert_eq!(landing.page.status, 200);
    assert!(landing.page.text().contains("ada of Practice"), "{}", landing.page.text());

    let orders = Orders {
        session: "work".into(),
        resources: Vec::new(),
        until: unix_milliseconds() + RUN.as_millis() as i64,
        longest_pause: 500,
        oracle: provider.oracle(),
    };
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(start_client(&home, &orders).await.unwrap());
    }
    let reports = tokio::spawn(async move {
        let mut asks = Vec::new();
        for client in clients {
            asks.extend(report(client).await?);
        }
        anyhow::Ok(asks)
    });

    tokio::time::sleep(RUN / 2).await;
    assert!(daemon.stop().await.unwrap().success());
    // Clients start the daemon too when they find none; whoever is first serves, the other steps back.
    let restarted = Daemon::launch(&home, &[]).await.unwrap();
    assert!(matches!(restarted, Start::Ready(_) | Start::Exited(Some(75), _)), "{restarted:?}");

    let asks = reports.await.unwrap().unwrap();
    let errors: Vec<_> = asks.iter().filter_map(|ask| ask.error.as_ref()).collect();
    assert_eq!(errors, Vec::<&String>::new());
    assert!(asks.len() > CLIENTS * 20, "only {} asks", asks.len());

    // Between the answer and the verdict a token may reach its end; then the provider's record decides.
    let lives = provider.lives().await.unwrap();
    let alive = |ask: &&Ask| {
        ask.active || lives.get(&ask.access_token).is_some_and(|life| life.covers(ask.answered_at))
    };
    let dead: Vec<_> =
        asks.iter().filter(|ask| !alive(ask)).map(|ask| (ask.answered_at, ask.expires_in)).collect();
    assert_eq!(dead, Vec::new(), "dead tokens handed out");

    let tokens: BTreeSet<_> = asks.iter().map(|ask| &ask.access_token).collect();
    let ledger = provider.ledger().await.unwrap();
    let least = (RUN.as_secs() / ACCESS_TOKEN_LIFE) as usize;
    assert!(tokens.len() >= least, "only {} tokens in {RUN:?}", tokens.len());
    assert!(ledger.refreshes().count() + 1 >= tokens.len());
    assert!(ledger.redemptions().values().all(|count| *count == 1), "{:?}", ledger.redemptions().values());
    assert!(ledger.refused().is_empty(), "{:?}", ledger.refused());
    assert_eq!(ledger.token_requests.len(), ledger.refreshes().count() + 1, "one login");
    assert_eq!(ledger.refresh_tokens.saved, ledger.refresh_tokens.consumed + 1, "one is left to use");
    assert_eq!(ledger.grants_revoked, 0);
    // A renewal at three quarters of a life needs no other soon after, however many asked meanwhile.
    let at: Vec<i64> = ledger.refreshes().map(|refresh| refresh.at).collect();
    let pauses: Vec<i64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause| *pause > 1000), "milliseconds between refreshes: {pauses:?}");
}

async fn start_client(home: &Home, orders: &Orders) -> Result<Child> {
    let mut client = home
        .command(env!("CARGO_BIN_EXE_token-client"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
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
