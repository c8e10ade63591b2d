//! Unlocking a store that is shut: its key is looked for each second, and the sessions are taken up when it is there.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::{api::Api, declared};

/// How long after one look comes the next.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks for the key whenever the store is shut, until the daemon stops.
pub(crate) async fn keep_looking(api: Arc<Api>, mut stopping: watch::Receiver<bool>) {
    tokio::select! {
        () = look(&api) => {}
        // A sender that is gone has stopped, too.
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
}

async fn look(api: &Api) {
    let mut told = None;
    loop {
        api.store.shut().await;
        let problem = api.store.key().problem;
        if let Some(problem) = problem.filter(|problem| told.as_ref() != Some(problem)) {
            tracing::warn!("the store is locked: {problem}");
            told = Some(problem);
        }
        tokio::time::sleep(PAUSE).await;
        let opened = match api.store.unlock().await {
            Ok(Some(opened)) => opened,
            Ok(None) => continue,
            Err(error) => {
                let error = error.to_string();
                if told.as_ref() != Some(&error) {
                    tracing::error!("the store cannot be unlocked: {error}");
                    told = Some(error);
                }
                continue;
            }
        };
        let declared = declared(&api.config);
        let sessions = opened.sessions.len();
        let mut problems = opened.problems;
        // These first: with what is taken up, no session waits any more.
        api.broker.mourn(opened.damaged);
        problems.extend(api.broker.take_up(opened.sessions, &declared));
        for problem in &problems {
            tracing::error!("{problem}");
        }
        api.problems.write().unwrap_or_else(PoisonError::into_inner).extend(problems);
        tracing::info!(sessions, "the store is unlocked");
        api.broker.open(declared).await;
    }
}
