//! A store whose key may be out of reach: what it says of itself meanwhile, and how it opens.
//!
//! The key, once here, stays in memory: whatever becomes of its home then changes nothing.

use std::sync::Arc;

use fourinsight_ipc::message::{KeyHome, KeyState};
use tokio::sync::watch;

use super::{
    Opened, Store, blocking,
    error::StoreError,
    key::{self, Found, Keys},
    load,
    seal::Sealer,
};

/// How things stand with the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// Where it lives, or would.
    pub home: KeyHome,
    /// Whether it is here.
    pub state: KeyState,
    /// Where it lives, for people.
    pub place: String,
    /// Why it is not here, and what to do next.
    pub problem: Option<String>,
}

impl KeyStatus {
    /// Whether the store waits for its key.
    pub fn is_shut(&self) -> bool {
        self.problem.is_some()
    }
}

impl Store {
    /// How things stand with the key.
    pub fn key(&self) -> KeyStatus {
        self.parts.lock.status.borrow().clone()
    }

    /// Sees to it that something can be stored, and chooses the key's home if nobody has.
    pub async fn ready(&self) -> Result<(), StoreError> {
        let parts = Arc::clone(&self.parts);
        blocking(move || parts.lock.ready()).await
    }

    /// Completes while the store waits for its key.
    pub async fn shut(&self) {
        let mut status = self.parts.lock.status.subscribe();
        // The sender is part of the store, and so still there.
        let _ = status.wait_for(KeyStatus::is_shut).await;
    }

    /// Looks once more for the key of a store that is shut. When it is there: what the store holds, as from
    /// [`open_with`](Self::open_with).
    pub async fn unlock(&self) -> Result<Option<Opened>, StoreError> {
        let parts = Arc::clone(&self.parts);
        // Without a turn at the rows: a keyring that hangs keeps nobody from hearing that the store is shut.
        let (parts, found) = blocking(move || {
            let found = parts.lock.look_again()?;
            Ok((parts, found))
        })
        .await?;
        let mut rows = Arc::clone(&parts.rows).lock_owned().await;
        let store = self.clone();
        blocking(move || {
            let lock = &parts.lock;
            if lock.sealer.has_key() {
                return Ok(None);
            }
            let Found::Open(home, key) = found else {
                lock.learn(found);
                return Ok(None);
            };
            // Nobody writes before what is stored has been read: they wait for their turn at the rows.
            lock.sealer.admit(&key);
            let opened = load::read(store, &parts, &mut rows).inspect_err(|_| lock.sealer.forget())?;
            // A change of the key that has just been finished may have moved it.
            lock.learn(Found::Open(home, key));
            lock.moved();
            Ok(Some(opened))
        })
        .await
    }
}

/// The key as the store has it, or has not.
pub(super) struct Lock {
    keys: Keys,
    sealer: Arc<Sealer>,
    anything_sealed: bool,
    status: watch::Sender<KeyStatus>,
}

impl Lock {
    /// `sealer` has no key yet.
    pub(super) fn new(keys: Keys, sealer: Arc<Sealer>, anything_sealed: bool) -> Self {
        let status = KeyStatus {
            home: KeyHome::Unknown,
            state: KeyState::Unknown,
            place: keys.place(KeyHome::Unknown),
            problem: None,
        };
        Self { keys, sealer, anything_sealed, status: watch::Sender::new(status) }
    }

    /// What finds and makes keys.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The key may live elsewhere now.
    pub(super) fn moved(&self) {
        if let Ok(home) = self.keys.home() {
            let place = self.keys.place(home);
            self.status.send_modify(|known| (known.home, known.place) = (home, place));
        }
    }

    /// An error while the store waits for its key.
    pub(super) fn open(&self) -> Result<(), StoreError> {
        match self.why() {
            Some(why) => Err(StoreError::Locked { why }),
            None => Ok(()),
        }
    }

    /// Whether nothing was ever sealed.
    pub(super) fn is_empty(&self) -> bool {
        !self.anything_sealed && !self.sealer.has_key()
    }

    /// Sees to it that something can be sealed. Whoever writes asks this first.
    pub(super) fn ready(&self) -> Result<(), StoreError> {
        if self.sealer.has_key() {
            return Ok(());
        }
        // What is sealed waits for its own key. Before that there is a choice, and it may be another one by now.
        let has_choice = !self.anything_sealed && (self.why().is_none() || !self.keys.is_chosen()?);
        if has_choice && self.learn(self.keys.choose(key::LATER)?).is_some() {
            return Ok(());
        }
        Err(StoreError::Locked { why: self.why().unwrap_or_default() })
    }

    /// Looks once more for the key.
    pub(super) fn look_again(&self) -> Result<Found, StoreError> {
        match self.keys.find(self.anything_sealed, key::LATER)? {
            Found::Unchosen => self.keys.choose(key::LATER),
            found => Ok(found),
        }
    }

    /// Takes what was found; `None` when it is no key.
    pub(super) fn learn(&self, found: Found) -> Option<()> {
        let (status, opened) = match found {
            Found::Unchosen => return None,
            Found::Open(home, key) => {
                if !self.sealer.has_key() {
                    self.sealer.admit(&key);
                }
                let place = self.keys.place(home);
                (KeyStatus { home, state: KeyState::Open, place, problem: None }, Some(()))
            }
            Found::Shut(shut) if self.sealer.has_key() => {
                tracing::debug!("the key's home is shut now, and the key is here: {}", shut.why);
                return Some(());
            }
            Found::Shut(shut) => {
                let place = self.keys.place(shut.home);
                (KeyStatus { home: shut.home, state: shut.state, place, problem: Some(shut.why) }, None)
            }
        };
        self.status.send_if_modified(|known| {
            let changed = *known != status;
            *known = status;
            changed
        });
        opened
    }

    /// Why the key is not here.
    fn why(&self) -> Option<String> {
        self.status.borrow().problem.clone()
    }
}
