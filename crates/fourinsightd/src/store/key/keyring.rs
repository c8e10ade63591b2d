//! The operating system's keyring as the store uses it: asked on a thread of its own, and not waited for longer than
//! was said. A keyring that hangs costs that one thread, whatever is asked of it meanwhile.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, TryRecvError},
    },
    thread,
    time::Duration,
};

use fourinsight_ipc::message::KeyState;

use super::{KEY_LENGTH, Key, LATER};
use crate::sys::keyring::{self, KeyringError, Secret};

/// A keyring. Its methods may block for as long as they like; `limit` is what they had better keep to.
pub(crate) trait Keyring: Send + Sync {
    /// What people call it.
    fn name(&self) -> &'static str;
    /// Whether there is one to be asked at all. Never blocks.
    fn is_there(&self) -> bool;
    /// The secret of an id; `None` when it has none and is not locked.
    fn read(&self, id: &str, limit: Duration) -> Result<Option<Secret>, KeyringError>;
    /// Keeps a secret under an id.
    fn write(&self, id: &str, secret: &[u8], limit: Duration) -> Result<(), KeyringError>;
    /// Sees to it that it has no secret of an id.
    fn remove(&self, id: &str, limit: Duration) -> Result<(), KeyringError>;
}

/// The keyring of this system.
pub(crate) struct SystemKeyring;

impl Keyring for SystemKeyring {
    fn name(&self) -> &'static str {
        keyring::NAME
    }

    fn is_there(&self) -> bool {
        keyring::is_there()
    }

    fn read(&self, id: &str, limit: Duration) -> Result<Option<Secret>, KeyringError> {
        keyring::read(id, limit)
    }

    fn write(&self, id: &str, secret: &[u8], limit: Duration) -> Result<(), KeyringError> {
        keyring::write(id, secret, limit)
    }

    fn remove(&self, id: &str, limit: Duration) -> Result<(), KeyringError> {
        keyring::remove(id, limit)
    }
}

/// A keyring that is never waited for too long.
pub(super) struct Patient {
    keyring: Arc<dyn Keyring>,
    /// What was asked last and has not been answered in time.
    pending: Mutex<Option<Receiver<()>>>,
}

impl Patient {
    pub(super) fn new(keyring: Arc<dyn Keyring>) -> Self {
        Self { keyring, pending: Mutex::default() }
    }

    pub(super) fn name(&self) -> &'static str {
        self.keyring.name()
    }

    pub(super) fn is_there(&self) -> bool {
        self.keyring.is_there()
    }

    /// The key of an id; `None` when the keyring has none, or something else than a key.
    pub(super) fn read(&self, id: &str, limit: Duration) -> Result<Option<Key>, KeyringError> {
        let id = id.to_owned();
        let secret = self.ask(limit, move |keyring| keyring.read(&id, limit), |_| ())?;
        Ok(secret.and_then(|secret| <[u8; KEY_LENGTH]>::try_from(secret.as_slice()).ok()).map(Key::new))
    }

    /// Keeps a key under an id. One that is kept too late is removed again.
    pub(super) fn write(&self, id: &str, key: &Key, limit: Duration) -> Result<(), KeyringError> {
        let (id, again, key) = (id.to_owned(), id.to_owned(), key.clone());
        let undo = move |keyring: &dyn Keyring| remove_in_vain(keyring, &again);
        self.ask(limit, move |keyring| keyring.write(&id, key.as_slice(), limit), undo)
    }

    /// Sees to it that there is no key of an id.
    pub(super) fn remove(&self, id: &str, limit: Duration) -> Result<(), KeyringError> {
        let id = id.to_owned();
        self.ask(limit, move |keyring| keyring.remove(&id, limit), |_| ())
    }

    /// The same for a key that nothing was ever sealed under, which nobody waits for.
    pub(super) fn discard(&self, id: &str) {
        let id = id.to_owned();
        let asked = move |keyring: &dyn Keyring| {
            remove_in_vain(keyring, &id);
            Ok(())
        };
        let _ = self.ask(Duration::ZERO, asked, |_| ());
    }

    /// What is wrong, as a state and in words.
    pub(super) fn in_words(&self, error: &KeyringError) -> (KeyState, String) {
        let name = self.name();
        match error {
            KeyringError::Locked => (KeyState::Locked, format!("the keyring ({name}) is locked")),
            KeyringError::Silent => {
                (KeyState::Unavailable, format!("the keyring ({name}) cannot be used: it does not answer"))
            }
            KeyringError::Unavailable(why) => {
                (KeyState::Unavailable, format!("the keyring ({name}) cannot be used: {why}"))
            }
        }
    }

    /// `too_late` is done after an answer that nobody has.
    fn ask<T: Send + 'static>(
        &self,
        limit: Duration,
        question: impl FnOnce(&dyn Keyring) -> Result<T, KeyringError> + Send + 'static,
        too_late: impl FnOnce(&dyn Keyring) + Send + 'static,
    ) -> Result<T, KeyringError> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = &*pending
            && earlier.try_recv() == Err(TryRecvError::Empty)
        {
            return Err(KeyringError::Silent);
        }
        *pending = None;
        // Without room for an answer that is not taken: it has been taken, or nobody has it.
        let (answered, answer) = mpsc::sync_channel(0);
        let (finished, finish) = mpsc::sync_channel::<()>(1);
        let keyring = Arc::clone(&self.keyring);
        let asked = thread::Builder::new().name("keyring".to_owned()).spawn(move || {
            let answer = question(&*keyring);
            let is_unknown = matches!(answer, Err(KeyringError::Silent));
            // Whoever asked may have given up.
            if answered.send(answer).is_err() || is_unknown {
                too_late(&*keyring);
            }
            drop(finished);
        });
        asked.map_err(|error| KeyringError::Unavailable(format!("no thread to ask it on: {error}")))?;
        match answer.recv_timeout(limit) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                *pending = Some(finish);
                Err(KeyringError::Silent)
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(KeyringError::Unavailable("asking it failed".to_owned()))
            }
        }
    }
}

fn remove_in_vain(keyring: &dyn Keyring, id: &str) {
    if let Err(error) = keyring.remove(id, LATER) {
        tracing::debug!(?error, "a key that was made in vain may be left in the keyring");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{collections::HashMap, sync::Condvar};

    use super::*;

    /// A keyring in memory that can be locked, taken away and made to hang.
    #[derive(Default)]
    pub(crate) struct Fake {
        inside: Mutex<Inside>,
        released: Condvar,
    }

    #[derive(Default)]
    struct Inside {
        secrets: HashMap<String, Vec<u8>>,
        refuses: Option<KeyringError>,
        hangs: bool,
        asked: usize,
    }

    impl Fake {
        pub(crate) fn refuse(&self, error: Option<KeyringError>) {
            self.inside.lock().unwrap().refuses = error;
        }

        pub(crate) fn hang(&self, hangs: bool) {
            self.inside.lock().unwrap().hangs = hangs;
            self.released.notify_all();
        }

        /// How often it was asked, by questions that reached it.
        pub(crate) fn asked(&self) -> usize {
            self.inside.lock().unwrap().asked
        }

        pub(crate) fn secrets(&self) -> HashMap<String, Vec<u8>> {
            self.inside.lock().unwrap().secrets.clone()
        }

        pub(crate) fn put(&self, id: &str, secret: Option<&[u8]>) {
            let secrets = &mut self.inside.lock().unwrap().secrets;
            match secret {
                Some(secret) => secrets.insert(id.to_owned(), secret.to_vec()),
                None => secrets.remove(id),
            };
        }

        fn answer<T>(&self, answer: impl FnOnce(&mut Inside) -> T) -> Result<T, KeyringError> {
            let mut inside = self.inside.lock().unwrap();
            inside.asked += 1;
            let mut inside = self.released.wait_while(inside, |inside| inside.hangs).unwrap();
            match inside.refuses.clone() {
                Some(error) => Err(error),
                None => Ok(answer(&mut inside)),
            }
        }
    }

    impl Keyring for Fake {
        fn name(&self) -> &'static str {
            "fake"
        }

        fn is_there(&self) -> bool {
            true
        }

        fn read(&self, id: &str, _limit: Duration) -> Result<Option<Secret>, KeyringError> {
            self.answer(|inside| inside.secrets.get(id).cloned().map(Secret::new))
        }

        fn write(&self, id: &str, secret: &[u8], _limit: Duration) -> Result<(), KeyringError> {
            self.answer(|inside| inside.secrets.insert(id.to_owned(), secret.to_vec())).map(drop)
        }

        fn remove(&self, id: &str, _limit: Duration) -> Result<(), KeyringError> {
            self.answer(|inside| inside.secrets.remove(id)).map(drop)
        }
    }

    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn one_that_hangs_costs_one_thread_and_is_asked_again_when_that_has_ended() {
        let fake = Arc::new(Fake::default());
        let patient = Patient::new(Arc::clone(&fake) as _);
        fake.hang(true);
        for _ in 0..5 {
            assert_eq!(patient.read("id", SHORT), Err(KeyringError::Silent));
        }
        assert_eq!(fake.asked(), 1, "nobody else was sent after the one who waits");
        fake.hang(false);
        while patient.read("id", Duration::from_mins(1)).is_err() {
            thread::yield_now();
        }
        patient.write("id", &Key::new([3; 32]), Duration::from_mins(1)).unwrap();
        assert_eq!(patient.read("id", Duration::from_mins(1)).unwrap().unwrap().as_slice(), [3; 32]);
    }

    #[test]
    fn a_key_that_is_kept_too_late_is_removed_again() {
        let fake = Arc::new(Fake::default());
        let patient = Patient::new(Arc::clone(&fake) as _);
        fake.hang(true);
        assert_eq!(patient.write("id", &Key::new([3; 32]), SHORT), Err(KeyringError::Silent));
        fake.hang(false);
        // Written, and removed.
        while fake.asked() < 2 || !fake.secrets().is_empty() {
            thread::yield_now();
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
        let fake = Arc::new(Fake::default());
        let patient = Patient::new(Arc::clone(&fake) as _);
        fake.put("id", Some(&[1; 31]));
        assert!(patient.read("id", Duration::from_mins(1)).unwrap().is_none());
    }
}
