//! Days and years in a minute: the real store, the real sessions and the practice server, under paused time.
//!
//! Chance is drawn from seeds, so that a failure comes again.

use std::{path::Path, sync::Arc, time::Duration};

use testkit::practice::{Family, Settings};

use crate::{
    profile::Rotation,
    session::{Handle, NoToken, Served},
    testing::{Daemon, SCOPES, World, key, pass, usual},
};

mod clocks;
mod handouts;
mod outage;
mod weight;
mod year;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Many sessions at one server.
struct Fleet {
    world: World,
    sessions: Vec<Handle>,
}

impl Fleet {
    /// So many sessions, whose profile says this of the server's rotation. All look at the clock every `tick`.
    async fn of(
        count: usize,
        rotation: Rotation,
        tick: Duration,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let world = World::on(folder(), tick, change).await;
        let mut sessions = Vec::new();
        for index in 0..count {
            let mut login = world.login("ada", &SCOPES, &[]).await;
            login.registration.rotation = rotation;
            let name = format!("s{index}");
            world.sign_in_with(&name, login).await;
            sessions.push(world.daemon.broker.session(&key(&name)).unwrap());
        }
        Self { world, sessions }
    }

    /// How many redemptions the server has committed.
    fn refreshes(&self) -> u64 {
        self.world.practice.families().iter().map(|family| family.refreshes).sum()
    }

    /// The logins that are dead.
    fn lost(&self) -> Vec<Family> {
        self.world.practice.families().into_iter().filter(|family| !family.alive).collect()
    }

    /// The sessions that want a person, and why.
    fn dropped(&self) -> Vec<String> {
        let wanting = |session: &&Handle| !session.snapshot().renewable;
        let told = |session: &Handle| format!("{}: {:?}", session.key, session.snapshot().problem);
        self.sessions.iter().filter(wanting).map(told).collect()
    }

    /// Asserts that every login lives and that every session can be renewed.
    fn assert_nothing_is_lost(&self, when: &str) {
        let (lost, dropped) = (self.lost(), self.dropped());
        assert!(lost.is_empty() && dropped.is_empty(), "{when}: {lost:#?} {dropped:#?}");
    }

    /// Gives up the daemon, and starts it on the same state folder.
    async fn restarted(self) -> Self {
        let keys: Vec<_> = self.sessions.iter().map(|session| session.key.clone()).collect();
        drop(self.sessions);
        let world = self.world.restarted().await;
        let sessions = keys.iter().map(|key| world.daemon.broker.session(key).unwrap()).collect();
        Self { world, sessions }
    }

    /// How much of its life a token has left by the server's clock, and how long that life is; `None`: it is dead.
    fn left(&self, token: &Served) -> Option<(Duration, Duration)> {
        self.world.practice.life_left(token.token.secret.expose())
    }

    /// The machine sleeps for so long: its boot-time clock and the server's count it, no timer does.
    fn sleep(&self, seconds: u64) {
        self.world.readings.sleep(seconds);
        self.world.practice.skip(seconds);
    }
}

/// The most requests within any second.
fn peak(moments: &mut [Duration]) -> usize {
    moments.sort_unstable();
    let second = Duration::from_secs(1);
    let within = |start: usize| moments[start..].partition_point(|at| *at < moments[start] + second);
    (0..moments.len()).map(within).max().unwrap_or(0)
}

/// A token, at once where there is one.
async fn token(session: &Handle) -> Result<Arc<Served>, NoToken> {
    match session.at_once(None, None) {
        Some(token) => Ok(token),
        None => session.token(&usual()).await,
    }
}

/// A state folder, in memory where that can be had: a year holds many syncs.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Chance from a seed (a linear congruential generator, its high bits): enough to pick moments.
struct Dice(u64);

impl Dice {
    /// A number below the bound.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
