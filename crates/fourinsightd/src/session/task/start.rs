//! How a session's task comes into being: from nothing, or from what an earlier run of the daemon left.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{Arc, atomic::AtomicU64},
};

use fourinsight_ipc::SessionKey;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, watch};

use super::{
    Environment, Task, history,
    supervision::{Line, supervise},
};
use crate::{
    authority::Failure,
    clock::Timestamp,
    login::Opener,
    session::{
        Command, Handle,
        record::{Login, Unreadable},
        snapshot::Snapshot,
        state::{Phase, State},
    },
    store::Slot,
};

/// How a session begins.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(crate) enum Start {
    /// Nobody has signed in yet.
    SignedOut,
    /// The store has lost its record, or cannot open it.
    Lost { reason: String },
    /// Its record says nothing to this version: a new login takes its place in the store.
    Unreadable { generation: u64, slot: Slot, why: Unreadable },
    /// From its record and its journal slot. `opener` goes before what the record would open it with.
    Restored { phase: Phase, login: Option<Login>, generation: u64, slot: Slot, opener: Option<Arc<Opener>> },
}

impl Start {
    /// What opens the session again, when its record says that the client's own credentials do.
    fn opener(&self) -> Option<Arc<Opener>> {
        match self {
            Self::Restored { phase: Phase::Opening(_), login, opener, .. } => {
                opener.clone().or_else(|| login.as_ref().map(|login| Arc::new(login.opener())))
            }
            _ => None,
        }
    }
}

/// How many commands may wait for the task; callers beyond that wait for a place.
const COMMANDS: usize = 64;

/// A session that begins, taken apart.
pub(super) struct Begun {
    pub(super) state: State,
    pub(super) login: Option<Arc<Login>>,
    pub(super) slot: Slot,
    /// The generation that the store holds, if it holds any.
    pub(super) stored: Option<u64>,
    /// What opens the session without a person.
    pub(super) opener: Option<Arc<Opener>>,
    /// Why the record that the store holds is not what the session is.
    pub(super) unreadable: Option<Unreadable>,
}

impl Begun {
    pub(super) fn new(state: State, login: Option<Arc<Login>>, slot: Slot, stored: Option<u64>) -> Self {
        Self { state, login, slot, stored, opener: None, unreadable: None }
    }

    /// A record that says nothing to this version: a new login takes its place.
    pub(super) fn unreadable(why: Unreadable, generation: u64, slot: Slot, now: Timestamp) -> Self {
        let phase = Phase::LoginRequired { failure: why.failure(), since: now };
        let begun = Self::new(State::restored(generation, phase), None, slot, Some(generation));
        Self { unreadable: Some(why), ..begun }
    }

    fn of(start: Start, now: Timestamp) -> Self {
        let opener = start.opener();
        let begun = match start {
            Start::SignedOut => Self::new(State::signed_out(), None, Slot::Settled, None),
            Start::Lost { reason } => {
                let failure = Failure::ours("record_damaged", reason);
                let phase = Phase::LoginRequired { failure, since: now };
                Self::new(State::restored(0, phase), None, Slot::Settled, None)
            }
            Start::Unreadable { generation, slot, why } => Self::unreadable(why, generation, slot, now),
            Start::Restored { phase, login, generation, slot, .. } => {
                Self::new(State::restored(generation, phase), login.map(Arc::new), slot, Some(generation))
            }
        };
        Self { opener, ..begun }
    }
}

/// Makes a session's handle and its task, which the caller spawns. The task ends when the daemon stops and it has
/// finished what it began.
pub(crate) fn prepare(
    key: SessionKey,
    start: Start,
    environment: Arc<Environment>,
) -> (Handle, impl Future<Output = ()> + Send + 'static) {
    let (command_sender, commands) = mpsc::channel(COMMANDS);
    let begun = Begun::of(start, environment.clock.now());
    let snapshot = Snapshot::of(&begun.state, begun.login.as_ref(), &key, None);
    history::recall(&environment, &key, &snapshot);
    let (publisher, snapshots) = watch::channel(Arc::new(snapshot));
    let last_used = Arc::new(AtomicU64::new(0));
    let handle = Handle {
        key: key.clone(),
        snapshots,
        commands: command_sender,
        last_used: Arc::clone(&last_used),
        clock: environment.clock.clone(),
    };
    let commands = Arc::new(Mutex::new(commands));
    let line = Line { key, environment, commands, publisher, last_used, opener: begun.opener.clone() };
    (handle, supervise(Box::new(line), Box::new(begun)))
}

impl Task {
    /// The task of a session that begins, on what outlives it.
    pub(super) fn on(
        line: &Line,
        commands: OwnedMutexGuard<mpsc::Receiver<Box<Command>>>,
        begun: Box<Begun>,
    ) -> (Box<Self>, Slot) {
        let Begun { state, login, slot, stored, opener, .. } = *begun;
        let task = Box::new(Self {
            key: line.key.clone(),
            state,
            login,
            stored,
            attempted: None,
            journalled: None,
            environment: Arc::clone(&line.environment),
            commands,
            publisher: line.publisher.clone(),
            last_used: Arc::clone(&line.last_used),
            work: None,
            place: None,
            opener,
            opening: None,
            adopting: None,
            redeeming: None,
            revokers: Vec::new(),
            claimants: Vec::new(),
            deferred: VecDeque::new(),
            backups: Vec::new(),
        });
        (task, slot)
    }
}
