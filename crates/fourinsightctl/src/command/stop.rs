//! `stop`: asks the running daemon to end, and waits until its process has.

use std::{thread, time::Duration};

use fourinsight_client::Error;
use fourinsight_ipc::platform;

use super::Context;
use crate::{
    failure::{Exit, Failure},
    output,
};

/// Longer than the daemon waits for a redemption in flight before it ends: 65 seconds.
const LIMIT: Duration = Duration::from_secs(75);

/// How often to look whether it has ended: nothing tells the end of a process that is no child of ours.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    // The client has checked that the server is ours before it believes the process id. The end of the process is
    // waited for rather than the end of its socket: knocking there would start it again where a service manager
    // holds the socket open.
    let pid = match context.client.health() {
        Ok(health) => health.pid,
        Err(error @ Error::NotRunning { .. }) => {
            return Err(Failure::from(error).but_next("there is nothing to stop"));
        }
        Err(error) => return Err(error.into()),
    };
    platform::terminate(pid).map_err(|error| {
        Failure::new(
            Exit::Failure,
            format!("the daemon, process {pid}, cannot be asked to stop: {error}"),
            "stop it the way it was started, such as `systemctl --user stop fourinsightd`",
        )
    })?;
    let mut left = LIMIT;
    while !platform::has_ended(pid) {
        if left.is_zero() {
            return Err(Failure::new(
                Exit::Failure,
                format!("the daemon, process {pid}, has not ended after {} s", LIMIT.as_secs()),
                "look at its log; it may be waiting for an authorization server",
            ));
        }
        thread::park_timeout(PAUSE);
        left = left.saturating_sub(PAUSE);
    }
    if context.json {
        output::json_to_stdout(&serde_json::json!({ "stopped": true, "pid": pid }))?;
    } else {
        output::to_stdout(b"The daemon has stopped. Sessions stay signed in.\n")?;
    }
    Ok(Exit::Done)
}
