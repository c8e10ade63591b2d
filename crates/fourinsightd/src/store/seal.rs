//! Sealing: whatever goes to disk is encrypted, and bound to the one place it may be read from.
//!
//! AES-256-GCM under one key. The associated data names the format, the kind, the generation and the session, so
//! that a sealed text opens nowhere else: not in another session's row, not under another generation, not as
//! another kind. Sealed: one format byte, a random 96-bit nonce, the ciphertext, a 128-bit tag.
//!
//! While the key is being changed, everything is sealed under the new one and opens under either.

use std::sync::{PoisonError, RwLock};

use fourinsight_ipc::SessionKey;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use zeroize::{Zeroize, Zeroizing};

use super::error::StoreError;

/// The length of the key, in bytes.
pub(super) const KEY_LENGTH: usize = 32;
/// How much longer a sealed text is than its plain text.
pub(super) const OVERHEAD: usize = PREFIX + TAG_LENGTH;

const FORMAT: u8 = 1;
const PREFIX: usize = 1 + NONCE_LEN;
const TAG_LENGTH: usize = 16;
/// The place of a text that is sealed only to try a key.
const PROBE: &[u8] = b"is this the key?";

/// Seals and opens under one key, once it has been given that; under two while it is being changed.
pub(super) struct Sealer {
    keys: RwLock<Keys>,
    random: SystemRandom,
}

#[derive(Default)]
struct Keys {
    current: Option<LessSafeKey>,
    /// The key before, while something may still be sealed under it.
    former: Option<LessSafeKey>,
}

/// The one place where a sealed text opens.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) kind: Kind,
    pub(super) session: &'a SessionKey,
    pub(super) generation: u64,
}

/// What a sealed text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Record = 1,
    Intent = 2,
    Answer = 3,
    Settled = 4,
}

impl Sealer {
    /// One without a key: it seals nothing and opens nothing yet.
    pub(super) fn shut() -> Self {
        Self { keys: RwLock::default(), random: SystemRandom::new() }
    }

    /// One with a key.
    pub(super) fn new(key: &[u8; KEY_LENGTH]) -> Self {
        let sealer = Self::shut();
        sealer.admit(key);
        sealer
    }

    /// Takes the one key that there is.
    pub(super) fn admit(&self, key: &[u8; KEY_LENGTH]) {
        let keys = Keys { current: Some(usable(key)), former: None };
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Gives every key up again.
    pub(super) fn forget(&self) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Keys::default();
    }

    /// Whether it has its key.
    pub(super) fn has_key(&self) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).current.is_some()
    }

    /// Seals under this key from now on. What is sealed under the key before opens until [`forget_former`] is called.
    ///
    /// [`forget_former`]: Self::forget_former
    pub(super) fn change(&self, key: &[u8; KEY_LENGTH]) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.former = keys.current.replace(usable(key));
    }

    /// Nothing is sealed under the key before any more.
    pub(super) fn forget_former(&self) {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).former = None;
    }

    /// Whether this is the key that it seals under.
    pub(super) fn seals_under(&self, key: &[u8; KEY_LENGTH]) -> Result<bool, StoreError> {
        let probe = self.seal_for(PROBE, &[])?;
        Ok(open_under(&usable(key), PROBE, &probe).is_some())
    }

    pub(super) fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.seal_for(&place.bytes(), plain)
    }

    /// Seals for the place that these bytes name, which no [`Place`] does.
    pub(super) fn seal_for(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.current.as_ref().ok_or(StoreError::Sealing)?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| StoreError::Sealing)?;
        // Full capacity at once: growing would leave a copy of the plain text behind.
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let text = &mut sealed[PREFIX..];
        let outcome = key.seal_in_place_separate_tag(nonce, Aad::from(place), text);
        let Ok(tag) = outcome else {
            sealed.zeroize();
            return Err(StoreError::Sealing);
        };
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// The plain text; `None` when the sealed text is damaged, from another place, or under another key.
    pub(super) fn open(&self, place: Place<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.open_for(&place.bytes(), sealed)
    }

    /// The same for what [`seal_for`](Self::seal_for) sealed.
    pub(super) fn open_for(&self, place: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        open_under(keys.current.as_ref()?, place, sealed)
            .or_else(|| open_under(keys.former.as_ref()?, place, sealed))
    }
}

fn usable(key: &[u8; KEY_LENGTH]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 keys have this length"))
}

fn open_under(key: &LessSafeKey, place: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (&FORMAT, rest) = sealed.split_first()? else { return None };
    let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
    let (text, tag) = rest.split_last_chunk::<TAG_LENGTH>()?;
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let mut plain = Zeroizing::new(text.to_vec());
    key.open_in_place_separate_tag(nonce, Aad::from(place), Tag::from(*tag), &mut plain, 0..).ok()?;
    Some(plain)
}

impl Place<'_> {
    /// Unambiguous: the fields before the session have fixed lengths.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"fourinsightd".to_vec();
        bytes.extend([FORMAT, self.kind as u8]);
        bytes.extend(self.generation.to_be_bytes());
        bytes.extend(self.session.as_str().as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_in_its_own_place_only() {
        let under = Sealer::new(&[7; KEY_LENGTH]);
        let (one, other) = (SessionKey::new("one").unwrap(), SessionKey::new("other").unwrap());
        let place = Place { kind: Kind::Record, session: &one, generation: 3 };
        let sealed = under.seal(place, b"secret").unwrap();
        assert_eq!(sealed.len(), 6 + OVERHEAD);
        assert_eq!(**under.open(place, &sealed).unwrap(), *b"secret");
        for elsewhere in [
            Place { kind: Kind::Answer, ..place },
            Place { generation: 4, ..place },
            Place { session: &other, ..place },
        ] {
            assert!(under.open(elsewhere, &sealed).is_none());
        }
        assert!(Sealer::new(&[8; KEY_LENGTH]).open(place, &sealed).is_none());
    }

    #[test]
    fn any_flipped_byte_and_any_truncation_is_noticed() {
        let under = Sealer::new(&[7; KEY_LENGTH]);
        let session = SessionKey::default();
        let place = Place { kind: Kind::Answer, session: &session, generation: 1 };
        let sealed = under.seal(place, b"secret").unwrap();
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(under.open(place, &flipped).is_none(), "byte {at}");
            assert!(under.open(place, &sealed[..at]).is_none(), "length {at}");
        }
    }

    #[test]
    fn while_the_key_changes_both_open_and_the_new_one_seals() {
        let (old, new) = ([7; KEY_LENGTH], [8; KEY_LENGTH]);
        let under = Sealer::new(&old);
        let session = SessionKey::default();
        let place = Place { kind: Kind::Record, session: &session, generation: 1 };
        let before = under.seal(place, b"secret").unwrap();
        assert!(under.seals_under(&old).unwrap() && !under.seals_under(&new).unwrap());
        under.change(&new);
        let after = under.seal(place, b"secret").unwrap();
        assert!(under.open(place, &before).is_some() && under.open(place, &after).is_some());
        assert!(Sealer::new(&old).open(place, &after).is_none());
        assert!(!under.seals_under(&old).unwrap() && under.seals_under(&new).unwrap());
        under.forget_former();
        assert!(under.open(place, &before).is_none() && under.open(place, &after).is_some());
    }

    #[test]
    fn without_its_key_nothing_is_sealed_and_nothing_opened() {
        let (session, under) = (SessionKey::default(), Sealer::shut());
        let place = Place { kind: Kind::Record, session: &session, generation: 1 };
        let sealed = Sealer::new(&[7; KEY_LENGTH]).seal(place, b"secret").unwrap();
        assert!(!under.has_key() && under.seal(place, b"secret").is_err());
        assert!(under.open(place, &sealed).is_none());
        under.admit(&[7; KEY_LENGTH]);
        assert!(under.has_key() && under.open(place, &sealed).is_some());
        under.forget();
        assert!(!under.has_key() && under.open(place, &sealed).is_none());
    }

    #[test]
    fn the_same_text_never_seals_the_same_way_twice() {
        let under = Sealer::new(&[7; KEY_LENGTH]);
        let session = SessionKey::default();
        let place = Place { kind: Kind::Record, session: &session, generation: 1 };
        assert_ne!(under.seal(place, b"secret").unwrap(), under.seal(place, b"secret").unwrap());
    }
}
