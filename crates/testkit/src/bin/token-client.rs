//! A program that needs tokens: it asks the daemon at random moments, asks the provider for its verdict on each token
//! the moment it was handed out, and reports every ask as a line of JSON.
//!
//! Its orders come as one line of JSON on standard input, so that no secret is among its arguments.

use std::{
    io::{Write as _, stdin, stdout},
    time::Duration,
};

use anyhow::Result;
use fourinsight_client::{Client, SessionKey, TokenRequest};
use ring::rand::{SecureRandom as _, SystemRandom};
use testkit::{
    clock::unix_milliseconds,
    load::{Ask, Orders},
    provider::Oracle,
};

fn main() -> Result<()> {
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    let orders: Orders = serde_json::from_str(&line)?;
    let client = Client::new()?;
    let session = SessionKey::new(&orders.session)?;
    let mut resources = orders.resources.iter().cycle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    while unix_milliseconds() < orders.until {
        let ask = runtime.block_on(ask(&client, &session, resources.next(), &orders.oracle));
        writeln!(stdout(), "{}", serde_json::to_string(&ask)?)?;
        runtime.block_on(async { tokio::time::sleep(pause(orders.longest_pause)).await });
    }
    Ok(())
}

/// Asks for a token once, and for the verdict on it.
async fn ask(client: &Client, session: &SessionKey, resource: Option<&String>, oracle: &Oracle) -> Ask {
    let request = TokenRequest::new(session.clone());
    let request = match resource {
        Some(resource) => request.resource(resource),
        None => request,
    };
    let asked_at = unix_milliseconds();
    let answer = client.token_for(&request);
    let answered_at = unix_milliseconds();
    let mut ask = Ask { asked_at, answered_at, resource: resource.cloned(), ..Ask::default() };
    match answer {
        Ok(token) => {
            ask.access_token = token.secret().to_owned();
            ask.expires_in = token.expires_in().map(|left| left.as_secs());
            match oracle.introspect(token.secret()).await {
                Ok(verdict) => {
                    ask.active = verdict.active;
                    ask.audience = verdict.aud;
                }
                Err(error) => ask.error = Some(format!("the oracle does not answer: {error:#}")),
            }
        }
        Err(error) => ask.error = Some(error.to_string()),
    }
    ask
}

/// A random pause, up to this many milliseconds.
fn pause(longest: u64) -> Duration {
    let mut random = [0; 8];
    // Without random bytes the pause is nil, which only asks more.
    let _ = SystemRandom::new().fill(&mut random);
    Duration::from_millis(u64::from_le_bytes(random) % longest.max(1))
}
