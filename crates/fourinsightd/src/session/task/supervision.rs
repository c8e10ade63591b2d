//! What a defect in one session's task costs: that task, and nothing else. The session starts again from its record
//! and its journal slot, as after a crash; whoever holds its handle goes on with the next task.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, atomic::AtomicU64},
    task::Poll,
    time::Duration,
};

use fourinsight_ipc::{SessionKey, message::Lifetime};
use tokio::sync::{Mutex, mpsc, watch};

use super::{Environment, Task, start::Begun};
use crate::{
    authority::Failure,
    clock::Timestamp,
    login::Opener,
    session::{
        Command,
        record::{self, Unreadable},
        snapshot::Snapshot,
        state::{Phase, State},
    },
    store::{Loaded, Slot, StoreError},
    telemetry,
};

/// What outlives a session's task: the ends of its handles' channels.
pub(super) struct Line {
    pub(super) key: SessionKey,
    pub(super) environment: Arc<Environment>,
    /// Held by the task that runs.
    pub(super) commands: Arc<Mutex<mpsc::Receiver<Box<Command>>>>,
    pub(super) publisher: watch::Sender<Arc<Snapshot>>,
    pub(super) last_used: Arc<AtomicU64>,
    /// What the configuration opened the session with when the daemon started.
    pub(super) opener: Option<Arc<Opener>>,
}

/// A task that ran for so long before it failed counts as sound.
const STEADY: Duration = Duration::from_mins(10);

/// The longest pause before a task that fails again and again is started anew.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Runs the session's task to its end, and starts it anew where it fails.
///
/// Everything here is boxed but for what a session at rest needs, and what comes in as well: an async function keeps
/// room for its arguments twice.
pub(super) async fn supervise(line: Box<Line>, begun: Box<Begun>) {
    let mut begun = Some(begun);
    let mut failures = 0;
    loop {
        let since = line.environment.clock.now();
        let work = Box::pin(line.run(begun.take()));
        match caught(work).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                tracing::error!(session = %line.named(), %error, "the session's record cannot be read; that is tried again");
            }
            // What a panic says may hold anything, so it is not repeated.
            Err(Panicked) => {
                tracing::error!(session = %line.named(), "the session's task failed; it is started anew from its record");
            }
        }
        let steady = line.environment.clock.now().since(since) >= STEADY;
        failures = if steady { 1 } else { failures + 1 };
        if Box::pin(line.pauses(failures)).await {
            return;
        }
    }
}

impl Line {
    /// One task of the session: the first, or the next one from what is on the disk.
    async fn run(&self, first: Option<Box<Begun>>) -> Result<(), StoreError> {
        let mut begun = match first {
            Some(begun) => begun,
            None => Box::pin(self.begin_again()).await?,
        };
        if let Some(why) = begun.unreadable.take() {
            Box::pin(self.set_aside(why)).await;
        }
        let Ok(commands) = Arc::clone(&self.commands).try_lock_owned() else { return Ok(()) };
        let (task, slot) = Task::on(self, commands, begun);
        task.run(slot).await;
        Ok(())
    }

    /// What the session is by its record; whoever looks sees it from here on.
    async fn begin_again(&self) -> Result<Box<Begun>, StoreError> {
        let last = Arc::clone(&self.publisher.borrow());
        let lifetime = last.login.as_ref().map_or(self.environment.lifetime, |login| login.lifetime);
        let begun = if lifetime.is_stored() {
            self.stored(self.environment.store.load_one(&self.key).await?)
        } else {
            Self::lost(&last, lifetime, self.environment.clock.now())
        };
        let mut snapshot = Snapshot::of(&begun.state, begun.login.as_ref(), &self.key, Some(&last));
        snapshot.run += 1;
        self.publisher.send_replace(Arc::new(snapshot));
        Ok(Box::new(begun))
    }

    /// Keeps a copy of the record that cannot be read.
    async fn set_aside(&self, why: Unreadable) {
        if let Err(error) = self.environment.store.set_aside(&self.key, why.to_string()).await {
            tracing::error!(session = %self.named(), %error, "the record that cannot be read is not copied");
        }
    }

    fn stored(&self, loaded: Option<Loaded>) -> Begun {
        let Some(Loaded { generation, record, slot, .. }) = loaded else {
            return Begun::new(State::signed_out(), None, Slot::Settled, None);
        };
        match record::decode(&record, &self.environment.clock) {
            Ok((phase, login)) => {
                let login = login.map(|login| Arc::new(login.sharing(&self.environment.registrations)));
                let opener = match &phase {
                    Phase::Opening(_) => {
                        self.opener.clone().or_else(|| login.as_ref().map(|login| Arc::new(login.opener())))
                    }
                    _ => None,
                };
                let state = State::restored(generation, phase);
                Begun { opener, ..Begun::new(state, login, slot, Some(generation)) }
            }
            Err(why) => Begun::unreadable(why, generation, slot, self.environment.clock.now()),
        }
    }

    /// Nothing is left of a session that was in memory only.
    fn lost(last: &Snapshot, lifetime: Lifetime, now: Timestamp) -> Begun {
        tracing::warn!(?lifetime, "a session that was in memory only is lost");
        let description = "a defect of the daemon ended the session, which was in memory only";
        let failure = Failure::ours("session_lost", description);
        let phase = Phase::LoginRequired { failure, since: now };
        Begun::new(State::restored(last.generation, phase), None, Slot::Settled, None)
    }

    /// Waits before the next start: not at all after the first failure, then a second, up to five minutes. Returns
    /// whether the daemon stops.
    async fn pauses(&self, failures: u32) -> bool {
        let mut stopping = self.environment.stopping.clone();
        let pause = match failures {
            0 | 1 => Duration::ZERO,
            more => Duration::from_secs(1u64 << (more - 2).min(9)).min(LONGEST_PAUSE),
        };
        tokio::select! {
            biased;
            stops = stopping.wait_for(|stops| *stops) => stops.is_ok(),
            () = tokio::time::sleep(pause) => false,
        }
    }

    fn named(&self) -> String {
        let lifetime = self.publisher.borrow().login.as_ref().map(|login| login.lifetime);
        telemetry::session(&self.key, lifetime.unwrap_or(self.environment.lifetime)).to_string()
    }
}

/// A panic, without what it said.
struct Panicked;

/// Runs a future to its end, or to its panic. What it held is dropped with it.
async fn caught<T>(mut work: Pin<Box<dyn Future<Output = T> + Send + '_>>) -> Result<T, Panicked> {
    std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.map_or(Poll::Ready(Err(Panicked)), |polled| polled.map(Ok))
    })
    .await
}
