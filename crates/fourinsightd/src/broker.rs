//! The registry: which session has which key. Starts the tasks and waits for their end.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use fourinsight_ipc::{ErrorBody, SessionKey};
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};

use crate::{
    authority::{issuer::PinnedIssuer, pace::Pace},
    history::History,
    holds::Hold,
    login::{Known, NewLogin, Opener, SignIn, SignedInAs},
    session::{Adoption, Environment, Handle, NotAdopted, Opened, Shown, Snapshot, Start, prepare, record},
    store::{Damaged, Loaded},
};

mod backup;
mod of_clients;

use of_clients::OfClients;

/// The sessions that the daemon opens by itself, each with what opens it.
pub(crate) type Declared = BTreeMap<SessionKey, Opener>;

/// Sessions whose records cannot be read for now, each with the Unix second since when.
pub(crate) type Sealed = BTreeMap<SessionKey, i64>;

/// All sessions.
pub struct Broker {
    sessions: RwLock<BTreeMap<SessionKey, Handle>>,
    tasks: Mutex<JoinSet<()>>,
    environment: Arc<Environment>,
    /// Sessions whose records cannot be read before the store is unlocked.
    sealed: watch::Sender<Sealed>,
    of_clients: OfClients,
}

impl Broker {
    /// Starts every stored session. Also returns what is wrong with those that cannot be read, for people.
    ///
    /// Those that open themselves do so by the profiles of `declared`, where it has one for them.
    pub(crate) fn start(
        environment: Environment,
        stored: Vec<Loaded>,
        declared: &Declared,
    ) -> (Self, Vec<String>) {
        let broker = Self {
            sessions: RwLock::default(),
            tasks: Mutex::default(),
            environment: Arc::new(environment),
            sealed: watch::Sender::default(),
            of_clients: OfClients::default(),
        };
        let problems = broker.take_up(stored, declared);
        (broker, problems)
    }

    /// Starts stored sessions, and with that no session waits for the store any more. Returns what is wrong with
    /// those that cannot be read, for people.
    pub(crate) fn take_up(&self, stored: Vec<Loaded>, declared: &Declared) -> Vec<String> {
        let problems = stored.into_iter().filter_map(|loaded| self.restore(loaded, declared).err()).collect();
        self.sealed.send_replace(Sealed::new());
        problems
    }

    /// Has sessions wait until their records can be [taken up](Self::take_up).
    pub(crate) fn wait_for(&self, sealed: impl IntoIterator<Item = SessionKey>) {
        let since = self.environment.clock.unix_now();
        self.sealed.send_replace(sealed.into_iter().map(|key| (key, since)).collect());
    }

    /// The sessions that wait, as they are now and become.
    pub(crate) fn sealed(&self) -> watch::Receiver<Sealed> {
        self.sealed.subscribe()
    }

    /// Has the sessions that the store has lost say so.
    pub(crate) fn mourn(&self, lost: Vec<Damaged>) {
        for Damaged { key, reason } in lost {
            self.add(key, Start::Lost { reason });
        }
    }

    /// The session of a key, if there is one.
    pub fn session(&self, key: &SessionKey) -> Option<Handle> {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// What its sessions' tasks work with.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// All sessions, ordered by key.
    pub fn sessions(&self) -> Vec<Handle> {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Has the declared sessions opened that are not open already. Those that somebody has signed in to are left
    /// alone, and so are those of which nobody knows yet.
    pub(crate) async fn open(&self, declared: Declared) {
        for (key, opener) in declared {
            if self.sealed.borrow().contains_key(&key) {
                continue;
            }
            if self.session_or_new(&key).open(opener).await == Some(Opened::Taken) {
                tracing::warn!(session = %key, "the configuration declares this session, but somebody has signed in to it; revoke it to have it opened");
            }
        }
    }

    /// Waits until every task has finished what it began. They begin nothing more once the daemon is stopping.
    pub(crate) async fn finished(&self) {
        loop {
            // A login that is on its way may begin another one.
            self.environment.holds.released().await;
            let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
            if tasks.is_empty() {
                return;
            }
            while let Some(ended) = tasks.join_next().await {
                tell_defect(ended);
            }
        }
    }

    /// Has a session take over a login of another tool.
    pub(crate) async fn adopt(&self, key: &SessionKey, adoption: Adoption) -> Result<(), NotAdopted> {
        self.session_or_new(key).adopt(adoption).await
    }

    fn restore(&self, loaded: Loaded, declared: &Declared) -> Result<(), String> {
        let Loaded { key, generation, record, slot } = loaded;
        // A copy: the loaded one lies among records that are dropped, and would keep their memory from being given
        // back.
        let key = key.clone();
        match record::decode(&record, &self.environment.clock) {
            Ok((phase, login)) => {
                let login = login.map(|login| login.sharing(&self.environment.registrations));
                let opener = declared.get(&key).cloned().map(Arc::new);
                self.add(key, Start::Restored { phase, login, generation, slot, opener });
                Ok(())
            }
            Err(error) => {
                let problem = format!("session {key}: {error}; a new login takes its place");
                self.add(key, Start::Unreadable { generation, slot, why: error });
                Err(problem)
            }
        }
    }

    fn session_or_new(&self, key: &SessionKey) -> Handle {
        self.session(key).unwrap_or_else(|| self.add(key.clone(), Start::SignedOut))
    }

    fn add(&self, key: SessionKey, start: Start) -> Handle {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        let handle = sessions.entry(key).or_insert_with_key(|key| {
            let (handle, task) = prepare(key.clone(), start, Arc::clone(&self.environment));
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(ended) = tasks.try_join_next() {
                tell_defect(ended);
            }
            tasks.spawn(task);
            handle
        });
        handle.clone()
    }
}

fn tell_defect(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a session's task failed");
    }
}

/// Which of these sessions are signed in as the same person, with the same client, as this other one; by key.
pub(crate) fn others_of(session: &Handle, among: Vec<Handle>) -> Vec<SessionKey> {
    let Some(owner) = owner(&session.snapshot()) else { return Vec::new() };
    let is_shared = |other: &Handle| {
        let snapshot = other.snapshot();
        snapshot.shown == Shown::SignedIn && self::owner(&snapshot).as_ref() == Some(&owner)
    };
    let others = among.into_iter().filter(|other| other.key != session.key && is_shared(other));
    let mut others: Vec<_> = others.map(|other| other.key).collect();
    others.sort();
    others
}

/// To whom a server granted what a session holds: the client, and the person with who vouches for them.
fn owner(snapshot: &Snapshot) -> Option<(String, String, String)> {
    let login = snapshot.login.as_ref()?;
    let person = snapshot.person.as_deref().cloned().or_else(|| login.person())?;
    Some((login.registration.client_id.clone(), person.issuer, person.subject))
}

impl SignIn for Broker {
    fn known(&self, session: &SessionKey) -> Known {
        let Some(snapshot) = self.session(session).map(|session| session.snapshot()) else {
            return Known::default();
        };
        let login = snapshot.login.as_ref();
        let signed_in_as = match (snapshot.shown, login) {
            (Shown::SignedOut | Shown::Revoking, _) | (_, None) => SignedInAs::Nobody,
            (_, Some(login)) => {
                let person = snapshot.person.as_deref().cloned().or_else(|| login.person());
                person.map_or(SignedInAs::Unknown, SignedInAs::Person)
            }
        };
        let known = login.filter(|_| signed_in_as != SignedInAs::Nobody);
        Known {
            profile: known.map(|login| login.profile.clone()),
            original_key: known.and_then(|login| login.original_key.clone()),
            pinned_endpoint: login.and_then(|login| login.registration.pinned_endpoint.clone()),
            pinned_issuer: login.and_then(|login| PinnedIssuer::of(&login.registration)),
            signed_in_as,
            step_up: login.and_then(|login| login.step_up.as_deref().cloned()),
        }
    }

    fn hold(&self) -> Hold {
        self.environment.holds.hold()
    }

    fn history(&self) -> &History {
        &self.environment.history
    }

    fn pace(&self) -> &Pace {
        &self.environment.pace
    }

    fn is_open(&self, session: &SessionKey) -> bool {
        self.session(session).is_some_and(|session| session.is_open())
    }

    fn keep_while_used(&self, session: &SessionKey) {
        self.forget_unused_beside(session);
    }

    fn sign_in<'a>(
        &'a self,
        session: &'a SessionKey,
        login: NewLogin,
    ) -> Pin<Box<dyn Future<Output = Result<(), ErrorBody>> + Send + 'a>> {
        Box::pin(async move { self.session_or_new(session).sign_in(login).await })
    }
}
