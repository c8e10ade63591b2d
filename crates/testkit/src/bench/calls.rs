//! Calls: one client and eight over kept-alive connections, and a connection for each call.

use std::{sync::Barrier, thread};

use anyhow::{Context as _, Result, anyhow};
use fourinsight_client::{Client, SessionKey};

use super::{
    Options,
    baseline::{Baseline, Kind, Sizes},
    clock::{Moment, microseconds},
    figure::{Bar, Figure, Measured, Spread, Unit, median},
    processes::processor_time,
    raw::{self, Raw},
    stage,
};
use crate::process::Home;

const ONE_CLIENT: Figure = Figure {
    name: "token, kept alive, 1 client: p50 to raw echo's",
    unit: Unit::Ratio,
    bar: Bar::AtMost(1.5),
};
const EIGHT_CLIENTS: Figure = Figure {
    name: "token, kept alive, 8 clients: throughput to tokio echo's",
    unit: Unit::Ratio,
    bar: Bar::AtLeast(0.7),
};
const PROCESSOR: Figure = Figure {
    name: "token: server's processor time to tokio echo's",
    unit: Unit::Ratio,
    bar: Bar::AtMost(1.35),
};
const CONNECTIONS: Figure = Figure {
    name: "token, a connection each: p50 to tokio echo's",
    unit: Unit::Ratio,
    bar: Bar::AtMost(1.2),
};

/// Calls in one turn of one round.
pub(super) const CALLS: usize = 1000;
const CALLS_OF_EACH_CLIENT: usize = 500;
const CLIENTS: usize = 8;

pub(super) fn measure(home: &Home, daemon: u32, options: Options) -> Result<Vec<Measured>> {
    let sizes = raw::sizes_of_a_token(&home.socket())?;
    let blocking = Baseline::start(Kind::Blocking, home.path(), sizes)?;
    let tokio = Baseline::start(Kind::Tokio, home.path(), sizes)?;
    let subjects = Subjects { home, daemon, blocking, tokio, sizes, key: stage::session(0) };
    let rounds = options.rounds(60, 25);
    let mut measured = vec![subjects.one_client(rounds)?];
    measured.extend(subjects.eight_clients(rounds)?);
    measured.push(subjects.connections(rounds)?);
    Ok(measured)
}

struct Subjects<'a> {
    home: &'a Home,
    daemon: u32,
    blocking: Baseline,
    tokio: Baseline,
    sizes: Sizes,
    key: SessionKey,
}

/// What eight clients achieved together.
struct Throughput {
    per_second: f64,
    /// Of the server, for each request, in microseconds.
    processor: f64,
}

impl Subjects<'_> {
    /// Beside the figure it tells where the time goes: the scheduler, tokio, HTTP and the session, the client crate.
    fn one_client(&self, rounds: usize) -> Result<Measured> {
        let client = stage::client(self.home)?;
        let mut blocking = Raw::connect(&self.blocking.socket, self.sizes)?;
        let mut tokio = Raw::connect(&self.tokio.socket, self.sizes)?;
        let mut daemon = Raw::connect(&self.home.socket(), self.sizes)?.asking_for(raw::TOKEN_REQUEST);
        let sides = take_turns(
            rounds,
            [
                &mut || half_turn(|| Ok(blocking.exchange()?)),
                &mut || half_turn(|| Ok(tokio.exchange()?)),
                &mut || half_turn(|| Ok(daemon.exchange()?)),
                &mut || half_turn(|| client.token(&self.key).map(drop).map_err(Into::into)),
            ],
        )?;
        let middle = |side: usize| Spread::of(&sides[side]).median;
        let detail = format!(
            "echo {:.1} us, tokio echo {:.1} us, token by a raw client {:.1} us, by the client crate {:.1} us",
            middle(0),
            middle(1),
            middle(2),
            middle(3)
        );
        Ok(ONE_CLIENT.measured(&ratios(&sides[3], &sides[0]), detail))
    }

    fn eight_clients(&self, rounds: usize) -> Result<[Measured; 2]> {
        let mut daemon = Vec::new();
        let mut echo = Vec::new();
        let clients = (0..CLIENTS).map(|_| stage::client(self.home)).collect::<Result<Vec<Client>>>()?;
        for round in 0..rounds {
            let mut tokens = || -> Result<()> {
                daemon.push(together(self.daemon, |number| {
                    clients[number].token(&self.key).map(drop).map_err(Into::into)
                })?);
                Ok(())
            };
            let mut echoes = || -> Result<()> {
                let raws = (0..CLIENTS).map(|_| Raw::connect(&self.tokio.socket, self.sizes));
                let raws = raws.map(|raw| Ok(std::sync::Mutex::new(raw?))).collect::<Result<Vec<_>>>()?;
                // Each is locked by its own thread only, which costs next to nothing.
                echo.push(together(self.tokio.id(), |number| {
                    let mut raw = raws[number].lock().map_err(|_| anyhow!("a client has failed"))?;
                    Ok(raw.exchange()?)
                })?);
                Ok(())
            };
            if round % 2 == 0 {
                tokens()?;
                echoes()?;
            } else {
                echoes()?;
                tokens()?;
            }
        }
        let throughput = |all: &[Throughput]| all.iter().map(|one| one.per_second / 1e3).collect::<Vec<_>>();
        let processor = |all: &[Throughput]| all.iter().map(|one| one.processor).collect::<Vec<_>>();
        let (fast, fast_echo) = (throughput(&daemon), throughput(&echo));
        let (busy, busy_echo) = (processor(&daemon), processor(&echo));
        Ok([
            EIGHT_CLIENTS
                .measured(&ratios(&fast, &fast_echo), compared("token", &fast, "echo", &fast_echo, "k/s")),
            PROCESSOR
                .measured(&ratios(&busy, &busy_echo), compared("token", &busy, "echo", &busy_echo, "us")),
        ])
    }

    fn connections(&self, rounds: usize) -> Result<Measured> {
        let endpoint = self.home.endpoint()?;
        let socket = self.home.socket();
        let sides = take_turns(
            rounds,
            [
                &mut || half_turn(|| Ok(Raw::connect(&self.tokio.socket, self.sizes)?.exchange()?)),
                &mut || {
                    half_turn(|| {
                        let raw = Raw::connect(&socket, self.sizes)?;
                        Ok(raw.asking_for(raw::TOKEN_REQUEST).exchange()?)
                    })
                },
                &mut || {
                    half_turn(|| Client::at(endpoint.clone()).token(&self.key).map(drop).map_err(Into::into))
                },
            ],
        )?;
        let middle = |side: usize| Spread::of(&sides[side]).median;
        let detail = format!(
            "tokio echo {:.1} us, token by a raw client {:.1} us, by the client crate {:.1} us",
            middle(0),
            middle(1),
            middle(2)
        );
        Ok(CONNECTIONS.measured(&ratios(&sides[2], &sides[0]), detail))
    }
}

/// Half of the calls of a round's turn; gives their times.
pub(super) fn half_turn(mut call: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    let mut times = Vec::with_capacity(CALLS / 2);
    for _ in 0..CALLS / 2 {
        let (done, time) = microseconds(&mut call);
        done?;
        times.push(time);
    }
    Ok(times)
}

/// What takes turns: half of its calls.
pub(super) type Side<'a> = &'a mut dyn FnMut() -> Result<Vec<f64>>;

/// Lets the sides take turns, one half each, then the other halves in the opposite order; gives the p50 of each side
/// for each round.
pub(super) fn take_turns<const SIDES: usize>(
    rounds: usize,
    mut sides: [Side<'_>; SIDES],
) -> Result<[Vec<f64>; SIDES]> {
    // What is done once only is no part of it.
    for side in &mut sides {
        side()?;
    }
    let mut medians = [const { Vec::new() }; SIDES];
    for _ in 0..rounds {
        let mut times = [const { Vec::new() }; SIDES];
        for index in (0..SIDES).chain((0..SIDES).rev()) {
            times[index].extend(sides[index]()?);
        }
        for (medians, mut times) in medians.iter_mut().zip(times) {
            medians.push(median(&mut times));
        }
    }
    Ok(medians)
}

/// Eight clients at once, each in a thread.
fn together(server: u32, call: impl Fn(usize) -> Result<()> + Sync) -> Result<Throughput> {
    let barrier = Barrier::new(CLIENTS + 1);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (call, barrier) = (&call, &barrier);
                scope.spawn(move || {
                    let first = call(number);
                    barrier.wait();
                    first?;
                    (0..CALLS_OF_EACH_CLIENT).try_for_each(|_| call(number))
                })
            })
            .collect();
        let before = processor_time(server)?;
        barrier.wait();
        let start = Moment::now();
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a client has failed"))?.context("a call has failed")?;
        }
        let elapsed = start.elapsed().as_secs_f64();
        let requests = (CLIENTS * CALLS_OF_EACH_CLIENT) as f64;
        let spent = processor_time(server)? - before;
        Ok(Throughput { per_second: requests / elapsed, processor: spent / requests })
    })
}

pub(super) fn ratios(ones: &[f64], others: &[f64]) -> Vec<f64> {
    ones.iter().zip(others).map(|(one, other)| one / other).collect()
}

fn compared(one: &str, ones: &[f64], other: &str, others: &[f64], unit: &str) -> String {
    let (ours, theirs) = (Spread::of(ones).median, Spread::of(others).median);
    format!("{one} {ours:.1} {unit}, {other} {theirs:.1} {unit}")
}
