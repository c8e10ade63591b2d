//! The key that seals the store, and where it lives: in the operating system's keyring, in a credential that the
//! service manager hands over, or in a file.
//!
//! The file `broker.key` says where. Its home is chosen once, when the first thing is to be sealed, and from then on
//! the key comes from there or not at all: while its home is locked or out of reach the store stays shut, and nothing
//! is deleted, sealed under another key, or written in the open.

use std::{
    env, fmt, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use data_encoding::HEXLOWER;
use fourinsight_ipc::message::{KeyHome, KeyState};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::{error::StoreError, seal::KEY_LENGTH};

mod credential;
mod descriptor;
mod file;
mod keyring;

#[cfg(test)]
pub(super) use keyring::tests::Fake as FakeKeyring;
pub(crate) use keyring::{Keyring, SystemKeyring};

use descriptor::Descriptor;
use file::Written;
use keyring::Patient;

/// The key, wiped when dropped.
pub(super) type Key = Zeroizing<[u8; KEY_LENGTH]>;

/// How long a keyring may take at the start, which nobody is to wait for.
pub(super) const AT_START: Duration = Duration::from_millis(400);
/// How long it may take later. Enough for one that has to be started first.
pub(super) const LATER: Duration = Duration::from_secs(3);

/// The homes that there are for a key, and what is asked for.
#[derive(Clone)]
pub struct KeyHomes {
    wanted: Arc<dyn Fn() -> Option<KeyHome> + Send + Sync>,
    keyring: Option<Arc<dyn Keyring>>,
    credentials: Option<PathBuf>,
}

impl KeyHomes {
    /// All that this system has. `wanted` says which one the configuration asks for, if it does.
    pub fn of_system(wanted: impl Fn() -> Option<KeyHome> + Send + Sync + 'static) -> Self {
        let credentials = env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty());
        Self {
            wanted: Arc::new(wanted),
            keyring: Some(Arc::new(SystemKeyring)),
            credentials: credentials.map(PathBuf::from),
        }
    }

    /// A file and nothing else.
    pub fn file_only() -> Self {
        Self { wanted: Arc::new(|| None), keyring: None, credentials: None }
    }

    #[cfg(test)]
    pub(crate) fn with(
        wanted: Option<KeyHome>,
        keyring: Option<Arc<dyn Keyring>>,
        credentials: Option<PathBuf>,
    ) -> Self {
        Self { wanted: Arc::new(move || wanted), keyring, credentials }
    }
}

impl fmt::Debug for KeyHomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyHomes").field("wanted", &(self.wanted)()).finish_non_exhaustive()
    }
}

/// What came of looking for the key.
pub(super) enum Found {
    /// It is here.
    Open(KeyHome, Key),
    /// It has a home, and is out of reach there; or the home that is to be chosen is.
    Shut(Shut),
    /// Nothing has been sealed yet, and no home is chosen.
    Unchosen,
}

/// Why there is no key for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shut {
    pub(super) home: KeyHome,
    pub(super) state: KeyState,
    /// What is wrong and what to do next.
    pub(super) why: String,
}

/// A key just made in its home, and what `broker.key` has to hold from now on for it to be found there.
pub(super) struct Made {
    pub(super) home: KeyHome,
    pub(super) key: Key,
    pub(super) file: Zeroizing<Vec<u8>>,
}

/// Finds the key, and chooses its home when there is none yet.
pub(super) struct Keys {
    path: PathBuf,
    homes: KeyHomes,
    keyring: Option<Patient>,
    /// Held while a home is chosen: two choices would make two keys.
    choice: Mutex<()>,
}

impl Keys {
    /// `path` is where `broker.key` is, or will be.
    pub(super) fn new(path: PathBuf, homes: KeyHomes) -> Self {
        let keyring = homes.keyring.clone().map(Patient::new);
        Self { path, homes, keyring, choice: Mutex::default() }
    }

    /// Looks where the key is said to be. Chooses nothing, unless there is nothing but a file to choose.
    pub(super) fn find(&self, anything_sealed: bool, limit: Duration) -> Result<Found, StoreError> {
        match self.at(&self.path, limit)? {
            Some(Found::Open(home, key)) => match self.at(&next(&self.path), limit) {
                // Something may be sealed under that one already: without it, it would pass for damaged.
                Ok(Some(Found::Shut(shut))) => Ok(Found::Shut(shut)),
                _ => Ok(Found::Open(home, key)),
            },
            Some(found) => Ok(found),
            None if anything_sealed => Err(StoreError::KeyMissing { path: self.path.clone() }),
            None if self.only_a_file() => self.choose(limit),
            None => Ok(Found::Unchosen),
        }
    }

    /// The key for the first thing that is to be sealed: chooses its home if nobody has.
    pub(super) fn choose(&self, limit: Duration) -> Result<Found, StoreError> {
        let _choice = self.choice.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = self.at(&self.path, limit)? {
            return Ok(found);
        }
        let wanted = (self.homes.wanted)();
        let made = match wanted {
            Some(home) => self.make(home, limit)?,
            None => self.first_of_all(limit)?,
        };
        match made {
            Ok(made) => {
                self.write_down(&self.path, &made)?;
                tracing::info!(home = %made.home, "the store's sealing key was made");
                Ok(Found::Open(made.home, made.key))
            }
            Err(shut) => Ok(Found::Shut(shut)),
        }
    }

    /// The key that a file is or names; `None` when there is no such file.
    pub(super) fn at(&self, path: &Path, limit: Duration) -> Result<Option<Found>, StoreError> {
        Ok(file::read(path)?.map(|written| match written {
            Written::Key(key) => Found::Open(KeyHome::File, key),
            Written::Elsewhere(descriptor) => self.fetch(&descriptor, limit),
        }))
    }

    /// The same for whoever cannot go on without that key.
    pub(super) fn needed_at(&self, path: &Path, limit: Duration) -> Result<Option<Key>, StoreError> {
        self.at(path, limit)?.map(needed).transpose()
    }

    /// [`find`](Self::find) for whoever cannot go on without the key.
    pub(super) fn needed(&self, anything_sealed: bool, limit: Duration) -> Result<Key, StoreError> {
        needed(self.find(anything_sealed, limit)?)
    }

    /// Makes a new key in a home, and a file that is or names it. Replaces nothing.
    pub(super) fn create(&self, path: &Path, home: KeyHome, limit: Duration) -> Result<Key, StoreError> {
        let made = self.make(home, limit)?.map_err(|shut| StoreError::Locked { why: shut.why })?;
        self.write_down(path, &made)?;
        Ok(made.key)
    }

    /// Removes a key that nothing is sealed under any more from where this file, which was `broker.key` once, says that
    /// it is. After an error, which is for people, it is still there.
    pub(super) fn forget(&self, file: &[u8], limit: Duration) -> Result<(), String> {
        let Some(id) = id_in_keyring(file) else { return Ok(()) };
        let keyring = self.keyring.as_ref().ok_or("this system has no keyring")?;
        keyring.remove(&id, limit).map_err(|error| keyring.in_words(&error).1)
    }

    /// Where the key lives, by the file.
    pub(super) fn home(&self) -> Result<KeyHome, StoreError> {
        Ok(match file::read(&self.path)? {
            Some(Written::Key(_)) => KeyHome::File,
            Some(Written::Elsewhere(descriptor)) => descriptor.home,
            None => KeyHome::Unknown,
        })
    }

    /// Whether a home is chosen.
    pub(super) fn is_chosen(&self) -> Result<bool, StoreError> {
        Ok(self.home()? != KeyHome::Unknown)
    }

    /// Makes a new key in a home. Nothing seals under it before what is in [`Made::file`] is in `broker.key`.
    pub(super) fn make(&self, home: KeyHome, limit: Duration) -> Result<Result<Made, Shut>, StoreError> {
        match home {
            KeyHome::Keyring => self.make_in_keyring(limit),
            KeyHome::Credential => Ok(match self.credential() {
                Ok(key) => {
                    let file = Descriptor::new(home, credential::NAME, &key).to_text();
                    Ok(Made { home, key, file: Zeroizing::new(file.into_bytes()) })
                }
                Err(why) => Err(Shut { home, state: KeyState::Unavailable, why: first_choice(&why) }),
            }),
            KeyHome::File | _ => {
                let key = random()?;
                let file = Zeroizing::new(key.to_vec());
                Ok(Ok(Made { home: KeyHome::File, key, file }))
            }
        }
    }

    /// Where a key of this home is, for people.
    pub(super) fn place(&self, home: KeyHome) -> String {
        match home {
            KeyHome::Keyring => {
                let name = self.keyring.as_ref().map_or("not on this system", |keyring| keyring.name());
                format!("keyring ({name})")
            }
            KeyHome::Credential => format!("systemd credential {}", credential::NAME),
            KeyHome::File => format!("file {} (weaker than the other homes)", self.path.display()),
            _ => "not chosen yet: the first session to be stored decides".to_owned(),
        }
    }

    /// The best home that there is. A keyring that is locked is there: it is waited for, not passed over.
    fn first_of_all(&self, limit: Duration) -> Result<Result<Made, Shut>, StoreError> {
        if self.keyring.as_ref().is_some_and(Patient::is_there) {
            match self.make_in_keyring(limit)? {
                Err(shut) if shut.state != KeyState::Locked => {
                    tracing::warn!("no key can be kept in the keyring: {}", shut.why);
                }
                settled => return Ok(settled),
            }
        }
        match &self.homes.credentials {
            Some(folder) if credential::is_there(folder) => self.make(KeyHome::Credential, limit),
            _ => self.make(KeyHome::File, limit),
        }
    }

    /// Writes down where a key just made is found. One that is not written down is not left behind.
    fn write_down(&self, path: &Path, made: &Made) -> Result<(), StoreError> {
        file::create(path, &made.file).inspect_err(|_| {
            let is_elsewhere = match fs::read(path).map(Zeroizing::new) {
                Ok(there) => there != made.file,
                // The file may be there all the same, and then it names this key.
                Err(error) => error.kind() == ErrorKind::NotFound,
            };
            if let (true, Some(keyring), Some(id)) = (is_elsewhere, &self.keyring, id_in_keyring(&made.file))
            {
                keyring.discard(&id);
            }
        })
    }

    fn make_in_keyring(&self, limit: Duration) -> Result<Result<Made, Shut>, StoreError> {
        let home = KeyHome::Keyring;
        let shut = |state, why| Ok(Err(Shut { home, state, why }));
        let Some(keyring) = &self.keyring else {
            return shut(KeyState::Unavailable, first_choice("this system has no keyring"));
        };
        let key = random()?;
        let id = HEXLOWER.encode(&random()?[..16]);
        let kept = keyring.write(&id, &key, limit);
        let kept = kept.and_then(|()| keyring.read(&id, limit).inspect_err(|_| keyring.discard(&id)));
        match kept {
            Ok(Some(read)) if *read == *key => {
                let file = Descriptor::new(home, &id, &key).to_text();
                Ok(Ok(Made { home, key, file: Zeroizing::new(file.into_bytes()) }))
            }
            Ok(_) => {
                keyring.discard(&id);
                shut(KeyState::Unavailable, first_choice("the keyring does not give back what it was given"))
            }
            Err(error) => {
                let (state, why) = keyring.in_words(&error);
                shut(state, first_choice(&why))
            }
        }
    }

    fn fetch(&self, descriptor: &Descriptor, limit: Duration) -> Found {
        let home = descriptor.home;
        let shut = |state, why: String| Found::Shut(Shut { home, state, why });
        let fetched = match (home, &self.keyring) {
            (KeyHome::Keyring, Some(keyring)) => match keyring.read(&descriptor.id, limit) {
                Ok(Some(key)) => Ok(key),
                Ok(None) => Err("the keyring does not hold the store's sealing key".to_owned()),
                Err(error) => {
                    let (state, why) = keyring.in_words(&error);
                    return shut(state, chosen(&why));
                }
            },
            (KeyHome::Keyring, None) => {
                Err("the store's sealing key is in a keyring, and this system has none".to_owned())
            }
            _ => self.credential(),
        };
        match fetched {
            Ok(key) if descriptor.is_of(&key) => Found::Open(home, key),
            Ok(_) => shut(
                KeyState::Unavailable,
                chosen(&format!("the key in the {home} is not the one that sealed the store")),
            ),
            Err(why) => shut(KeyState::Unavailable, chosen(&why)),
        }
    }

    fn credential(&self) -> Result<Key, String> {
        match &self.homes.credentials {
            Some(folder) => credential::read(folder),
            None => Err(credential::not_handed_over()),
        }
    }

    fn only_a_file(&self) -> bool {
        match (self.homes.wanted)() {
            Some(home) => home == KeyHome::File,
            None => {
                !self.keyring.as_ref().is_some_and(Patient::is_there)
                    && !self.homes.credentials.as_deref().is_some_and(credential::is_there)
            }
        }
    }
}

/// What a key is called that the store is being moved to.
pub(super) fn next(path: &Path) -> PathBuf {
    path.with_added_extension("next")
}

/// Under which name a keyring has the key that this file does not hold itself.
fn id_in_keyring(file: &[u8]) -> Option<String> {
    let descriptor = Descriptor::parse(str::from_utf8(file).ok()?)?;
    (descriptor.home == KeyHome::Keyring).then_some(descriptor.id)
}

fn needed(found: Found) -> Result<Key, StoreError> {
    match found {
        Found::Open(_, key) => Ok(key),
        Found::Shut(shut) => Err(StoreError::Locked { why: shut.why }),
        Found::Unchosen => Err(StoreError::Locked { why: "there is no sealing key yet".to_owned() }),
    }
}

/// What can be done while nothing is chosen yet.
fn first_choice(why: &str) -> String {
    format!(
        "{why}; nothing can be stored until then: make it work, or have the sealing key kept elsewhere with key = \
         \"file\" (or \"keyring\", \"credential\") under [store] in the configuration"
    )
}

/// What can be done when the choice is made.
fn chosen(why: &str) -> String {
    format!(
        "{why}; the stored sessions wait for it and nothing is lost: unlock it or bring it back, and they come back \
         by themselves"
    )
}

fn random() -> Result<Key, StoreError> {
    let mut key = Key::default();
    SystemRandom::new().fill(key.as_mut_slice()).map_err(|_| StoreError::Sealing)?;
    Ok(key)
}

#[cfg(test)]
mod tests;
