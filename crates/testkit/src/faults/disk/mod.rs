//! A disk that refuses: at every call, for a while, when it is full, when it turns read-only, and when somebody takes
//! the files away. The real daemon signs in at a strict practice server, renews, serves, is stopped and started again;
//! no login may be lost, and it may end by itself only before it has served anything.
//!
//! | module | what it does |
//! |---|---|
//! | [`inject`] | every call on the daemon's files fails once, with every error |
//! | `stage` | a server, a home, sessions, and what is asked of them |
//! | `strace` | the calls of a daemon, counted and made to fail |

pub mod inject;
mod stage;
mod strace;

use std::future::Future;

use anyhow::Result;

/// Runs a campaign to its end.
fn block_on<T>(campaign: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, campaign)
}
