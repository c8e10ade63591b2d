//! Waiting for something that announces itself nowhere but in a record that can be read: bounded, and named.

use std::time::Duration;

use anyhow::{Result, bail};

/// How often the record is read.
const INTERVAL: Duration = Duration::from_millis(25);

/// Reads until there is an answer, at most for `limit`; `what` names what did not come.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut read: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let search = async {
        loop {
            ticks.tick().await;
            if let Some(found) = read().await? {
                return Ok(found);
            }
        }
    };
    match tokio::time::timeout(limit, search).await {
        Ok(found) => found,
        Err(_) => bail!("{what} did not come within {limit:?}"),
    }
}
