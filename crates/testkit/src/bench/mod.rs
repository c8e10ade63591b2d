//! The bench: how fast the release build is, as ratios to baselines measured in the same run.
//!
//! Each figure comes from many short rounds. Within a round the daemon and its baseline take turns, so that whatever
//! else the machine does meets both; the figure is the median over the rounds, given with the lowest and the highest.
//! A bar that is not reached is said plainly and is no error; a figure that cannot be measured is one.
//!
//! | module | what it does |
//! |---|---|
//! | `stage` | homes with sessions, through real logins at the practice server |
//! | `start` | from the daemon's start to its first token, and its memory |
//! | `idle` | how often a daemon wakes up that nobody asks |
//! | `calls` | kept-alive calls, eight clients, a connection for each call |
//! | `command` | `fourinsightctl token` from fork to exit |
//! | `python` | the Python package: its import, and its calls beside the client crate's |
//! | `waiters` | a thousand who wait for one renewal |
//! | [`baseline`], `raw` | the echo servers, and the client that talks to them |
//! | `figure`, `report` | what a figure is, and how it is shown |
//! | `processor` | one processor for all who take part |
//! | `processes`, `clock` | what the kernel says of a process; the time |

pub mod baseline;
mod calls;
mod clock;
mod command;
mod figure;
mod idle;
mod processes;
mod processor;
mod python;
mod raw;
mod report;
mod stage;
mod start;
mod waiters;

use std::io::{self, Write as _};

use anyhow::{Result, ensure};

use figure::Measured;
use stage::Stage;

/// How many sessions the big home holds.
const MANY: usize = 1000;

/// How the bench is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Fewer rounds: under three minutes in total.
    pub short: bool,
    /// The report as JSON.
    pub json: bool,
}

impl Options {
    /// So many rounds, or fewer when it is to be short.
    fn rounds(self, full: usize, short: usize) -> usize {
        if self.short { short } else { full }
    }
}

/// Measures everything and prints the report; an error when something could not be measured.
pub fn run(options: Options) -> Result<()> {
    raise_open_files()?;
    let stage = Stage::new()?;
    progress("signing in to one session")?;
    let one = stage.home(&[stage::session(0)])?;
    progress(&format!("signing in to {MANY} sessions"))?;
    let many = stage.home(&(0..MANY).map(stage::session).collect::<Vec<_>>())?;
    let waited_for: Vec<_> = (0..options.rounds(10, 4)).map(stage::session).collect();
    let busy = stage.home(&waited_for)?;

    let mut measured = Vec::new();
    progress("start to first token, and memory, one session and many")?;
    measured.push(start::measure(&stage, &one, "1 session", start::ONE, options.rounds(40, 15)));
    measured.push(start::measure(&stage, &many, "1,000 sessions", start::MANY, options.rounds(20, 8)));

    progress("beside everything else, two daemons idle for a minute")?;
    let idle =
        [idle::Idle::begin(&stage, &one, "1 session"), idle::Idle::begin(&stage, &many, "1,000 sessions")];

    let daemon = stage.start(&busy)?;
    progress("calls over kept-alive connections, and a connection for each call")?;
    measured.push(calls::measure(&busy, daemon.id()?, options));
    progress("`fourinsightctl token` from fork to exit")?;
    measured.push(command::measure(&busy, options));
    progress("the Python package")?;
    measured.push(python::measure(&busy, daemon.id()?, options));
    progress("1,000 waiters for one renewal")?;
    measured.push(waiters::measure(&stage, &busy, daemon.id()?, &waited_for));
    stage.stop(daemon)?;

    progress("the rest of the idle minute")?;
    measured.extend(idle.map(|idle| idle.and_then(|idle| idle.end(&stage))));
    report(measured, options)
}

fn report(measured: Vec<Result<Vec<Measured>>>, options: Options) -> Result<()> {
    let mut figures = Vec::new();
    let mut missing = Vec::new();
    for part in measured {
        match part {
            Ok(part) => figures.extend(part),
            Err(error) => missing.push(format!("{error:#}")),
        }
    }
    let text =
        if options.json { report::json(&figures, &missing)? } else { report::table(&figures, &missing) };
    io::stdout().write_all(text.as_bytes())?;
    ensure!(missing.is_empty(), "{} could not be measured: {}", missing.len(), missing.join("; "));
    Ok(())
}

/// Says what is being done, beside the report.
fn progress(what: &str) -> Result<()> {
    Ok(writeln!(io::stderr(), "bench: {what}")?)
}

/// A thousand connections need as many descriptors.
fn raise_open_files() -> Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, soft.max(4 * MANY as u64).min(hard), hard)?)
}
