//! How a session's task comes into being: from nothing, or from what an earlier run of the daemon left.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{Arc, atomic::AtomicU64},
};

use fourinsight_ipc::SessionKey;
use tokio::sync::{mpsc, watch};

use super::{Environment, Task, history};
use crate::{
    login::Opener,
    session::{
        Handle,
        record::Login,
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
    /// Its record says nothing to this version: a new login takes its place in the store.
    Unreadable { generation: u64, slot: Slot },
    /// From its record and its journal slot. `opener` goes before what the record would open it with.
    Restored { phase: Phase, login: Option<Login>, generation: u64, slot: Slot, opener: Option<Opener> },
}

impl Start {
    /// What opens the session again, when its record says that the client's own credentials do.
    fn opener(&self) -> Option<Opener> {
        match self {
            Self::Restored { phase: Phase::Opening(_), login, opener, .. } => {
                opener.clone().or_else(|| login.as_ref().map(Login::opener))
            }
            _ => None,
        }
    }
}

/// How many commands may wait for the task; callers beyond that wait for a place.
const COMMANDS: usize = 64;

/// Makes a session's handle and its task, which the caller spawns. The task ends when the daemon stops and it has
/// finished what it began.
pub(crate) fn prepare(
    key: SessionKey,
    start: Start,
    environment: Arc<Environment>,
) -> (Handle, impl Future<Output = ()> + Send + 'static) {
    let (command_sender, commands) = mpsc::channel(COMMANDS);
    let opener = start.opener();
    let is_stored = !matches!(start, Start::SignedOut);
    let (state, login, slot) = match start {
        Start::SignedOut => (State::signed_out(), None, Slot::Settled),
        Start::Unreadable { generation, slot } => (State::restored(generation, Phase::SignedOut), None, slot),
        Start::Restored { phase, login, generation, slot, .. } => {
            (State::restored(generation, phase), login.map(Arc::new), slot)
        }
    };
    let stored = is_stored.then_some(state.generation);
    let snapshot = Snapshot::of(&state, login.as_ref(), &key, None);
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
    let task = Box::new(Task {
        key,
        state,
        login,
        stored,
        attempted: None,
        environment,
        commands,
        publisher,
        last_used,
        work: None,
        place: None,
        opener,
        opening: None,
        adopting: None,
        redeeming: None,
        revokers: Vec::new(),
        claimants: Vec::new(),
        deferred: VecDeque::new(),
    });
    (handle, task.run(slot))
}
