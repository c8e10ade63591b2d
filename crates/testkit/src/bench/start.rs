//! From the daemon's start to its first token, without a word to the server; and its memory once it rests.

use anyhow::{Context as _, Result, ensure};

use super::{
    clock::Moment,
    figure::{Bar, Figure, Measured, Spread, Unit},
    processes,
    stage::{self, Stage},
};
use crate::process::Home;

/// How often the memory is looked at.
const MEMORY_ROUNDS: usize = 3;

/// The bars of one home.
#[derive(Clone, Copy)]
pub(super) struct Bars {
    milliseconds: f64,
    mebibytes: f64,
}

/// With one session.
pub(super) const ONE: Bars = Bars { milliseconds: 20.0, mebibytes: 6.0 };

/// With a thousand.
pub(super) const MANY: Bars = Bars { milliseconds: 200.0, mebibytes: 12.0 };

pub(super) fn measure(
    stage: &Stage,
    home: &Home,
    about: &str,
    bars: Bars,
    rounds: usize,
) -> Result<Vec<Measured>> {
    let starts = Figure {
        name: "start to first token",
        unit: Unit::Milliseconds,
        bar: Bar::AtMost(bars.milliseconds),
    };
    let memory = Figure { name: "Pss at rest", unit: Unit::Mebibytes, bar: Bar::AtMost(bars.mebibytes) };
    let asked = Figure { name: "requests to the server at start", unit: Unit::Count, bar: Bar::AtMost(0.0) };
    let (mut whole, mut ready, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    let before = stage.requests();
    for round in 0..rounds {
        let start = Moment::now();
        let daemon = stage.start(home)?;
        ready.push(start.elapsed().as_secs_f64() * 1e3);
        let client = stage::client(home)?;
        client.token(&stage::session(0)).context("no first token")?;
        whole.push(start.elapsed().as_secs_f64() * 1e3);
        drop(client);
        if round < MEMORY_ROUNDS {
            processes::settle(daemon.id()?)?;
            sizes.push(processes::proportional_set_size(daemon.id()?)?);
        }
        stage.stop(daemon)?;
    }
    ensure!(!sizes.is_empty(), "no round was made");
    let requests = (stage.requests() - before) as f64;
    let detail = format!("ready after {:.1} ms", Spread::of(&ready).median);
    Ok(vec![
        starts.measured(&whole, detail).about(about),
        asked.measured(&[requests], format!("{rounds} starts")).about(about),
        memory.measured(&sizes, String::new()).about(about),
    ])
}
