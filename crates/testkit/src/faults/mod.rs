//! The fault harness: whether a login survives what can happen to the daemon, counted against the ledger of the
//! server that it is signed in at. `cargo xtask faults` builds what it needs and runs it.
//!
//! A [`Campaign`] does one kind of harm, many times over, and gives figures, each with the promise that it is held
//! to. The quick extent is for every run of the tests, the full one for the figures that are published.
//!
//! | module | what it does |
//! |---|---|
//! | `kill` | SIGKILL at random moments while twenty sessions refresh without a pause |
//! | `points` | a build that ends itself at each step in turn |
//! | `window` | how long an answer is in memory only |
//! | `hang_up` | clients that go, and daemons that are asked to stop, in the middle of a refresh |
//! | `provider` | the same at npm's `oidc-provider` |
//! | `one_daemon` | many started at once |
//! | [`mode`] | what servers do with refresh tokens that were used |
//! | `stage`, `client` | a server, a home and its daemons; who asks them for tokens |
//! | `login` | a person's part |
//! | `slot` | what a journal slot says, read from outside |
//! | `canary` | secrets in logs, as they are written |
//! | `chance` | random numbers that can be drawn again |
//! | [`disk`] | what a disk can refuse |
//! | [`figure`], `report` | what was found, and how it is shown |

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::{Result, bail, ensure};

mod canary;
mod chance;
mod client;
pub mod disk;
pub mod figure;
mod hang_up;
mod kill;
mod login;
pub mod mode;
mod one_daemon;
mod points;
mod provider;
mod report;
mod slot;
mod stage;
mod window;

pub use figure::Figure;

/// One kind of harm.
#[derive(Clone, Copy)]
pub struct Campaign {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// Does it; an error when it cannot be done at all.
    pub run: fn(&Options) -> Result<Vec<Figure>>,
}

/// Every campaign, in the order in which they run.
pub const CAMPAIGNS: &[Campaign] = &[
    Campaign {
        name: "points",
        about: "death at every step of a rotation and of a revocation, at every kind of server",
        run: points::run,
    },
    Campaign {
        name: "kill",
        about: "SIGKILL at random moments of continuous refreshing, at every kind of server",
        run: kill::run,
    },
    Campaign {
        name: "window",
        about: "how long an answer that was read is not yet written",
        run: window::run,
    },
    Campaign {
        name: "disconnect",
        about: "clients that hang up in the middle of a refresh, strict server",
        run: hang_up::disconnect,
    },
    Campaign { name: "stop", about: "SIGTERM in the middle of refreshes, strict server", run: hang_up::stop },
    Campaign {
        name: "provider",
        about: "hanging up and SIGTERM in the middle of refreshes at npm's oidc-provider",
        run: provider::run,
    },
    Campaign {
        name: "one_daemon",
        about: "eight daemons started at once; sockets left behind by killed ones",
        run: one_daemon::run,
    },
    Campaign {
        name: "disk_calls",
        about: "each call of the daemon on its files fails once, with each error of a disk",
        run: disk::inject::run,
    },
    Campaign {
        name: "disk_refuses",
        about: "calls on some or all of the daemon's files fail for a while",
        run: disk::lasting::run,
    },
    Campaign { name: "disk_full", about: "no room, or no file, is left on the disk", run: disk::brim::run },
    Campaign {
        name: "limits",
        about: "files may not grow, and clients hoard connections",
        run: disk::limits::run,
    },
    Campaign {
        name: "state_folder",
        about: "files are taken away from a running daemon, or the right to write to them",
        run: disk::folder::run,
    },
    Campaign {
        name: "clocks",
        about: "the daemon is held still, and started on another day",
        run: disk::clock::run,
    },
];

/// How much harm is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// Enough for every run of the tests.
    #[default]
    Quick,
    /// What the published figures come from.
    Full,
}

/// How the harness is run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How much harm is done.
    pub extent: Extent,
    /// The campaigns to run; all of them when there is none.
    pub only: Vec<String>,
    /// Where the figures go as Markdown.
    pub report: Option<PathBuf>,
    /// Where random numbers begin; somewhere else each time when it is left out.
    pub seed: Option<u64>,
    /// A daemon built with the feature `fault-points`.
    pub daemon_with_points: Option<PathBuf>,
}

impl Options {
    /// One number for a quick run, another for a full one.
    pub fn count(&self, quick: usize, full: usize) -> usize {
        match self.extent {
            Extent::Quick => quick,
            Extent::Full => full,
        }
    }
}

/// Runs the campaigns and prints what was found; an error when a promise was broken.
pub fn run(options: &Options) -> Result<()> {
    if let Some(unknown) = options.only.iter().find(|name| !CAMPAIGNS.iter().any(|one| one.name == **name)) {
        let names: Vec<_> = CAMPAIGNS.iter().map(|campaign| campaign.name).collect();
        bail!("there is no campaign `{unknown}`; choose among {}", names.join(", "));
    }
    let chosen = |campaign: &&Campaign| {
        options.only.is_empty() || options.only.iter().any(|name| name == campaign.name)
    };
    let seed = options.seed.unwrap_or_else(chance::seed);
    let options = Options { seed: Some(seed), ..options.clone() };
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for campaign in CAMPAIGNS.iter().filter(chosen) {
        progress(&format!("{}: {}", campaign.name, campaign.about))?;
        match (campaign.run)(&options) {
            Ok(figures) => found.push((campaign.name, figures)),
            Err(error) => failed.push(format!("{}: {error:#}", campaign.name)),
        }
    }
    io::stdout().write_all(report::table(&found, &failed).as_bytes())?;
    if let Some(path) = &options.report {
        std::fs::write(path, report::markdown(&found, &failed, options.extent))?;
    }
    let broken = found.iter().flat_map(|(_, figures)| figures).filter(|figure| !figure.kept).count();
    ensure!(failed.is_empty(), "{} of the campaigns could not be run (seed {seed})", failed.len());
    ensure!(broken == 0, "{broken} promises were broken (seed {seed})");
    Ok(())
}

/// Says what is being done, beside the figures.
fn progress(what: &str) -> Result<()> {
    Ok(writeln!(io::stderr(), "faults: {what}")?)
}
