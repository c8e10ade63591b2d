//! No secret in any log, file or output: a whole login, refresh and revoke at TRACE, and a search of everything
//! that was written.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use testkit::{
    browser::{Answer, Landing},
    leak::Search,
    process::{Daemon, Home, Output},
    provider::{Options, Provider},
    wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_written_anywhere_holds_a_secret() {
    let provider = Provider::start(Options { access_token_life: 4, ..Options::default() }).await.unwrap();
    for confidential in [false, true] {
        let config = if confidential { confidential_config(&provider) } else { provider.config() };
        let home = Home::new(&config).unwrap().with_variable("FOURINSIGHT_LOG", "trace").with_variable(
            "PRACTICE_SECRET",
            provider.confidential_client().client_secret.as_deref().unwrap(),
        );
        let daemon = Daemon::start(&home).await.unwrap();
        let mut written = whole_life(&home, &provider).await.unwrap();
        // The state folder while the session lives is searched as well as after its end.
        assert!(daemon.stop().await.unwrap().success());
        written.extend(files(&home).unwrap());

        let ledger = provider.ledger().await.unwrap();
        let search = Search::new(ledger.secrets.iter().map(String::as_str));
        assert!(search.len() >= 50, "only {} forms to search for", search.len());
        for (place, content) in &written {
            assert_eq!(search.leaks(content), [], "in {place}, confidential client: {confidential}");
        }
        traces_of_everything(&home).unwrap();
    }
}

/// Signs in, waits for a refresh, asks for a token, looks at the status and revokes; gives all that was printed
/// and written on the way, but for the token that was asked for.
async fn whole_life(home: &Home, provider: &Provider) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut written = BTreeMap::new();
    let before = provider.ledger().await?.refreshes().count();
    let (login, landing) = home.login(&["default"], &Answer::allow("ada")).await?;
    keep(&mut written, "login", &login);
    login.success()?;
    keep_page(&mut written, &landing);
    wait::until("a refresh", Duration::from_mins(1), async || {
        Ok((provider.ledger().await?.refreshes().count() > before).then_some(()))
    })
    .await?;
    let token = home.ctl(&["token"]).await?;
    written.insert("token, standard error".into(), token.stderr.clone().into_bytes());
    let token = token.success()?;
    ensure!(provider.ledger().await?.secrets.contains(&token), "the provider issued this token");
    for arguments in [&["status"][..], &["status", "--json"], &["status", "default"]] {
        keep(&mut written, "status", &home.ctl(arguments).await?);
    }
    written.insert("GET /v1/sessions".into(), home.get("/v1/sessions").await?.body.to_vec());
    written.extend(files(home)?);
    let revoke = home.ctl(&["revoke", "default"]).await?;
    keep(&mut written, "revoke", &revoke);
    revoke.success()?;
    ensure!(!provider.introspect(&token).await?.active, "the revoked token is dead");
    Ok(written)
}

/// The search proves something only of a log in which everything has left its traces.
fn traces_of_everything(home: &Home) -> Result<()> {
    let logs: String = home
        .files()?
        .into_iter()
        .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "log"))
        .map(|(_, content)| String::from_utf8_lossy(&content).into_owned())
        .collect();
    let traced =
        |part: &str, word: &str| part.lines().any(|line| line.contains("TRACE") && line.contains(word));
    let (_, rest) = logs.split_once("a login began").context("no login in the log")?;
    let (login, rest) = rest.split_once("signed in").context("the login does not end in the log")?;
    ensure!(traced(login, "/token"), "no TRACE line of the code's exchange in:\n{logs}");
    ensure!(traced(rest, "redeeming the refresh token"), "no TRACE line of a refresh in:\n{logs}");
    ensure!(traced(rest, "/revocation"), "no TRACE line of a revocation in:\n{logs}");
    Ok(())
}

fn confidential_config(provider: &Provider) -> String {
    provider.config().replace(
        &format!("\"{}\"", provider.public_client().client_id),
        &format!(
            "\"{}\"\nclient_secret = {{ env = \"PRACTICE_SECRET\" }}",
            provider.confidential_client().client_id
        ),
    )
}

fn files(home: &Home) -> Result<Vec<(String, Vec<u8>)>> {
    Ok(home.files()?.into_iter().map(|(path, content)| (path.display().to_string(), content)).collect())
}

fn keep(written: &mut BTreeMap<String, Vec<u8>>, command: &str, output: &Output) {
    let entry = written.entry(format!("{command}, both outputs")).or_default();
    entry.extend(output.stdout.bytes().chain(output.stderr.bytes()));
}

/// What the person's browser shows and keeps: the page and the address, which no longer holds the code.
fn keep_page(written: &mut BTreeMap<String, Vec<u8>>, landing: &Landing) {
    written.insert("the page".into(), landing.page.body.to_vec());
    written.insert("the address bar".into(), landing.address.as_str().into());
}
