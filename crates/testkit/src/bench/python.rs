//! The Python package: what importing it adds to a bare interpreter's start, and what a token costs there beside the
//! client crate.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::{
    Options,
    calls::{CALLS, half_turn, ratios, take_turns},
    clock::microseconds,
    figure::{Bar, Figure, Measured, Spread, Unit, median},
    processor, stage,
};
use crate::{
    package::{Environment, Package},
    process::Home,
};

const IMPORT: Figure = Figure {
    name: "Python: import, over a bare interpreter",
    unit: Unit::Milliseconds,
    bar: Bar::AtMost(30.0),
};
const TOKEN: Figure = Figure {
    name: "Python: token, one processor, p50 to client crate's",
    unit: Unit::Ratio,
    bar: Bar::AtMost(1.5),
};

/// Starts of each interpreter in one round.
const STARTS: usize = 5;

/// Answers each line that names a number with as many calls, and their times in microseconds.
const CALLER: &str = "
import sys
from time import perf_counter_ns
from fourinsight_broker import Session
session = Session(sys.argv[1])
for line in sys.stdin:
    times = []
    for _ in range(int(line)):
        start = perf_counter_ns()
        session.token()
        times.append((perf_counter_ns() - start) / 1e3)
    print(*times, flush=True)
";

pub(super) fn measure(home: &Home, daemon: u32, options: Options) -> Result<Vec<Measured>> {
    // Where cargo builds the bench, so that what the package shares with an earlier build of it is there.
    let here = std::env::current_exe()?;
    let target = here.parent().and_then(Path::parent).context("the bench is not in a target folder")?;
    let wheel = Package::wheel(target)?;
    let folder = target.join("python-wheel/environment");
    let python = Environment::with(&wheel, &folder)?.python();
    let measured = vec![import(home, &python, options)?, token(home, daemon, &python, options)?];
    fs::remove_dir_all(folder)?;
    Ok(measured)
}

fn import(home: &Home, python: &Path, options: Options) -> Result<Measured> {
    let start = |code| {
        let mut command = command(home, python);
        command.args(["-c", code]).stdin(Stdio::null());
        let (status, time) = microseconds(|| command.status());
        let status = status.context("Python cannot be started")?;
        ensure!(status.success(), "Python ended with {status}");
        Ok(time / 1e3)
    };
    let (bare, ours) = ("pass", "import fourinsight_broker");
    start(bare)?;
    start(ours)?;
    let (mut added, mut bares) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds(30, 10) {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            without.push(start(bare)?);
            with.push(start(ours)?);
        }
        let without = median(&mut without);
        added.push(median(&mut with) - without);
        bares.push(without);
    }
    Ok(IMPORT.measured(&added, format!("a bare interpreter {:.1} ms", Spread::of(&bares).median)))
}

/// On one processor; beside the figure it tells what both take where the kernel chooses the processors.
fn token(home: &Home, daemon: u32, python: &Path, options: Options) -> Result<Measured> {
    let key = stage::session(0);
    let client = stage::client(home)?;
    let mut caller = Caller::start(home, python, key.as_str())?;
    let process = caller.process.id();
    let mut turns = |rounds| {
        take_turns(
            rounds,
            [&mut || half_turn(|| client.token(&key).map(drop).map_err(Into::into)), &mut || {
                caller.calls(CALLS / 2)
            }],
        )
    };
    let anywhere = turns(options.rounds(20, 8))?;
    let shared = processor::Shared::by(&[daemon, process])?;
    let sides = turns(options.rounds(60, 25))?;
    drop(shared);
    let compared = |sides: &[Vec<f64>; 2]| {
        let middle = |side: usize| Spread::of(&sides[side]).median;
        format!("Python {:.1} us, client crate {:.1} us", middle(1), middle(0))
    };
    let detail = format!("on one processor: {}; on any: {}", compared(&sides), compared(&anywhere));
    Ok(TOKEN.measured(&ratios(&sides[1], &sides[0]), detail))
}

/// A Python that makes calls and times them.
struct Caller {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Caller {
    fn start(home: &Home, python: &Path, key: &str) -> Result<Self> {
        let mut command = command(home, python);
        command.args(["-c", CALLER, key]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("Python cannot be started")?;
        let orders = process.stdin.take().context("Python has no standard input")?;
        let answers = process.stdout.take().context("Python has no standard output")?;
        Ok(Self { process, orders, answers: BufReader::new(answers) })
    }

    fn calls(&mut self, count: usize) -> Result<Vec<f64>> {
        writeln!(self.orders, "{count}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let times: Vec<f64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        ensure!(times.len() == count, "Python made {} calls of {count}", times.len());
        Ok(times)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(home: &Home, python: &Path) -> Command {
    let mut command = Command::new(python);
    command.env_clear().env("HOME", home.path()).env("XDG_RUNTIME_DIR", home.runtime_dir());
    command
}
