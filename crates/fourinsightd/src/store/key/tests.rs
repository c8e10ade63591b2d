use std::fs;

use super::{keyring::tests::Fake, *};
use crate::sys::keyring::KeyringError;

struct Place {
    folder: tempfile::TempDir,
    keyring: Arc<Fake>,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), keyring: Arc::default() }
    }

    /// As a daemon that starts here would find it.
    fn keys(&self, wanted: Option<KeyHome>, credentials: bool) -> Keys {
        let keyring = Arc::clone(&self.keyring) as Arc<dyn Keyring>;
        let credentials = credentials.then(|| self.credentials());
        Keys::new(self.path(), KeyHomes::with(wanted, Some(keyring), credentials))
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("broker.key")
    }

    fn credentials(&self) -> PathBuf {
        self.folder.path().join("credentials")
    }

    fn hand_over(&self, credential: &[u8]) {
        fs::create_dir_all(self.credentials()).unwrap();
        fs::write(self.credentials().join(credential::NAME), credential).unwrap();
    }
}

const LONG: Duration = Duration::from_mins(1);
const GONE: KeyringError = KeyringError::Unavailable(String::new());

fn open(found: Result<Found, StoreError>) -> (KeyHome, Key) {
    match found.unwrap() {
        Found::Open(home, key) => (home, key),
        Found::Shut(shut) => panic!("shut: {shut:?}"),
        Found::Unchosen => panic!("unchosen"),
    }
}

fn shut(found: Result<Found, StoreError>) -> Shut {
    match found.unwrap() {
        Found::Shut(shut) => shut,
        Found::Open(home, _) => panic!("open: {home}"),
        Found::Unchosen => panic!("unchosen"),
    }
}

#[test]
fn the_keyring_comes_first_and_then_alone() {
    let place = Place::new();
    place.hand_over(&[9; 32]);
    let keys = place.keys(None, true);
    assert!(matches!(keys.find(false, LONG).unwrap(), Found::Unchosen));
    assert!(!place.path().exists() && place.keyring.asked() == 0, "looking chooses nothing");
    let (home, key) = open(keys.choose(LONG));
    assert_eq!(home, KeyHome::Keyring);
    assert_eq!(place.keyring.secrets().into_values().collect::<Vec<_>>(), [key.to_vec()]);
    let text = fs::read_to_string(place.path()).unwrap();
    assert!(text.starts_with("fourinsightd key\nhome = keyring\nid = "), "{text}");

    for wanted in [None, Some(KeyHome::File), Some(KeyHome::Credential)] {
        let keys = place.keys(wanted, true);
        assert_eq!(open(keys.find(true, LONG)), (home, key.clone()), "chosen once");
        assert_eq!(open(keys.choose(LONG)), (home, key.clone()), "there is no second choice");
    }
    assert_eq!(fs::read_to_string(place.path()).unwrap(), text);
    assert_eq!(place.keyring.secrets().len(), 1, "no second key");
}

#[test]
fn a_keyring_that_is_not_there_makes_room_for_a_credential_and_that_for_a_file() {
    for refusal in ["gone", "hanging"] {
        for (credential, expected) in [(true, KeyHome::Credential), (false, KeyHome::File)] {
            let place = Place::new();
            match refusal {
                "gone" => place.keyring.refuse(Some(GONE)),
                _ => place.keyring.hang(true),
            }
            if credential {
                place.hand_over(&[9; 32]);
            }
            let (home, key) = open(place.keys(None, true).choose(Duration::from_millis(20)));
            assert_eq!(home, expected, "{refusal}");
            place.keyring.hang(false);
            place.keyring.refuse(None);
            assert_eq!(open(place.keys(None, true).find(true, LONG)), (home, key), "it stays there");
        }
    }
}

#[test]
fn a_locked_keyring_is_waited_for_and_nothing_is_made_meanwhile() {
    let place = Place::new();
    place.keyring.refuse(Some(KeyringError::Locked));
    let keys = place.keys(None, false);
    let waiting = shut(keys.choose(LONG));
    assert_eq!((waiting.home, waiting.state), (KeyHome::Keyring, KeyState::Locked));
    assert!(waiting.why.contains("locked") && waiting.why.contains("[store]"), "{}", waiting.why);
    assert!(!place.path().exists());
    // The way out that the message names.
    let (home, _) = open(place.keys(Some(KeyHome::File), false).choose(LONG));
    assert_eq!(home, KeyHome::File);
}

#[test]
fn a_home_that_is_asked_for_is_not_passed_over() {
    let place = Place::new();
    place.keyring.refuse(Some(GONE));
    assert_eq!(shut(place.keys(Some(KeyHome::Keyring), true).choose(LONG)).state, KeyState::Unavailable);
    assert_eq!(shut(place.keys(Some(KeyHome::Credential), true).choose(LONG)).state, KeyState::Unavailable);
    assert!(!place.path().exists());
    // A file is chosen by being asked for, before anything is sealed: there is nothing to wait for.
    assert_eq!(open(place.keys(Some(KeyHome::File), true).find(false, LONG)).0, KeyHome::File);
    assert_eq!(place.keyring.asked(), 1);
}

#[test]
fn a_broken_credential_is_no_reason_to_take_something_weaker() {
    let place = Place::new();
    place.keyring.refuse(Some(GONE));
    place.hand_over(b"too short");
    let shut = shut(place.keys(None, true).choose(LONG));
    assert_eq!((shut.home, shut.state), (KeyHome::Credential, KeyState::Unavailable));
    assert!(!place.path().exists());
}

#[test]
fn a_key_out_of_reach_is_told_as_it_is_and_comes_back() {
    let place = Place::new();
    let (_, key) = open(place.keys(None, false).choose(LONG));
    let (id, secret) = place.keyring.secrets().into_iter().next().unwrap();
    let text = fs::read(place.path()).unwrap();
    let find = || place.keys(None, false).find(true, Duration::from_millis(200));

    place.keyring.refuse(Some(KeyringError::Locked));
    assert_eq!(shut(find()).state, KeyState::Locked);
    place.keyring.refuse(Some(GONE));
    assert_eq!(shut(find()).state, KeyState::Unavailable);
    place.keyring.refuse(None);
    place.keyring.put(&id, None);
    assert!(shut(find()).why.contains("does not hold"), "an unlocked keyring without the key");
    place.keyring.put(&id, Some(&[1; 32]));
    let wrong = shut(find());
    assert!(wrong.why.contains("not the one that sealed"), "{}", wrong.why);
    assert_eq!(fs::read(place.path()).unwrap(), text, "nothing was chosen or written meanwhile");
    place.keyring.put(&id, Some(&secret));
    assert_eq!(open(find()), (KeyHome::Keyring, key));
}

#[test]
fn another_credential_than_the_first_is_told_as_a_wrong_key() {
    let place = Place::new();
    place.keyring.refuse(Some(GONE));
    place.hand_over(&[9; 32]);
    assert_eq!(open(place.keys(None, true).choose(LONG)).0, KeyHome::Credential);
    place.hand_over(&[8; 32]);
    assert!(shut(place.keys(None, true).find(true, LONG)).why.contains("not the one that sealed"));
    let gone = shut(place.keys(None, false).find(true, LONG));
    assert!(gone.why.contains("handed over no credential"), "{}", gone.why);
}

#[test]
fn a_key_file_is_read_as_ever_and_its_loss_is_named() {
    let place = Place::new();
    let keys = Keys::new(place.path(), KeyHomes::file_only());
    assert!(
        matches!(keys.find(true, LONG), Err(StoreError::KeyMissing { .. })),
        "nothing is made in its place"
    );
    assert!(!place.path().exists());
    let (home, made) = open(keys.find(false, LONG));
    assert_eq!((home, fs::read(place.path()).unwrap()), (KeyHome::File, made.to_vec()));
    assert_eq!(open(place.keys(None, true).find(true, LONG)).1, made);
    assert_eq!(place.keyring.asked(), 0, "a store of old asks no keyring");
}

/// A keyring that takes a key and gives another one back.
struct Garbling(Fake);

impl Keyring for Garbling {
    fn name(&self) -> &'static str {
        "garbling"
    }

    fn is_there(&self) -> bool {
        true
    }

    fn read(&self, id: &str, limit: Duration) -> Result<Option<crate::sys::keyring::Secret>, KeyringError> {
        Ok(self.0.read(id, limit)?.map(|_| Zeroizing::new(vec![7; KEY_LENGTH])))
    }

    fn write(&self, id: &str, secret: &[u8], limit: Duration) -> Result<(), KeyringError> {
        self.0.write(id, secret, limit)
    }

    fn remove(&self, id: &str, limit: Duration) -> Result<(), KeyringError> {
        self.0.remove(id, limit)
    }
}

#[test]
fn a_key_that_is_not_given_back_is_not_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Arc::new(Garbling(Fake::default()));
    let homes = KeyHomes::with(Some(KeyHome::Keyring), Some(Arc::clone(&keyring) as _), None);
    let refused = shut(Keys::new(folder.path().join("broker.key"), homes).choose(LONG));
    assert!(refused.why.contains("does not give back"), "{}", refused.why);
    // Written, read, and removed by somebody whom nobody waits for.
    while keyring.0.asked() < 3 || !keyring.0.secrets().is_empty() {
        std::thread::yield_now();
    }
}
