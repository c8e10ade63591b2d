//! A disk that refuses: at every call, for a while, when it is full, when it turns read-only, and when somebody takes
//! the files away. The real daemon signs in at a strict practice server, renews, serves, is stopped and started again;
//! no login may be lost, and it may end by itself only before it has served anything.
//!
//! | module | what it does |
//! |---|---|
//! | [`inject`] | every call on the daemon's files fails once, with every error |
//! | [`lasting`] | every call on some of them fails for a while |
//! | [`brim`] | a disk with no room, or no file, left |
//! | [`folder`] | the state folder's files are taken away, or the right to write to them |
//! | [`limits`] | files may not grow, and clients hoard connections |
//! | [`clock`] | the daemon is held still, and started on another day |
//! | `stage`, `tally` | a server, a home, sessions, and what is asked of them; what came of it |
//! | `strace` | the calls of a daemon, counted and made to fail |
//! | `mount` | a small file system in the place of the state folder |

pub mod brim;
pub mod clock;
pub mod folder;
pub mod inject;
pub mod lasting;
pub mod limits;
mod mount;
mod stage;
mod strace;
mod tally;

use std::{
    future::Future,
    io::{self, Write as _},
};

use anyhow::Result;

use super::Figure;

/// A campaign that cannot be done here, or a part of one, and why: said aloud, since it looks like one that found
/// nothing, and in the words by which `cargo xtask test` knows what was not run.
fn skipped(why: &str) -> Figure {
    // Whoever reads no output finds it among the figures.
    let _ = writeln!(io::stdout(), "SKIPPED all or a part of it: {why}");
    Figure::told("skipped", why)
}

/// Runs a campaign to its end.
fn block_on<T>(campaign: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, campaign)
}
