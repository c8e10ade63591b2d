//! Backups: all sessions in one sealed text that can be kept anywhere.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `4insback` |
//! | 2 | version |
//! | 1 | sealed under: 0 the store's key, 1 a passphrase |
//! | 1 | zero |
//! | 4 | PBKDF2-HMAC-SHA-256: how many iterations |
//! | 16 | its salt |
//! | 8 | how long the rest is |
//! | … | the sessions, sealed (`seal.rs`); all of the above is their associated data |
//! | 32 | SHA-256 of everything before, so that damage is told from a wrong key |
//!
//! Numbers are big-endian. Sealed: for each session the length of its key (1 byte), its key, its generation (8), whether
//! a renewal was under way (1), the length of its record (4), its record.

use std::{fmt, num::NonZeroU32, sync::Arc};

use fourinsight_ipc::SessionKey;
use ring::{
    digest, pbkdf2,
    rand::{SecureRandom, SystemRandom},
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{
    Store, StoreError, blocking,
    seal::{KEY_LENGTH, OVERHEAD, Sealer},
};

/// A session in a backup.
#[derive(Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// Its key.
    pub key: SessionKey,
    /// The generation of its record.
    pub generation: u64,
    /// Its refresh token was on its way to the server.
    pub midway: bool,
    /// Its record.
    pub record: Zeroizing<Vec<u8>>,
}

/// Names and numbers only: the record holds tokens.
impl fmt::Debug for BackedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackedUp")
            .field("key", &self.key)
            .field("generation", &self.generation)
            .field("midway", &self.midway)
            .finish_non_exhaustive()
    }
}

/// Why a backup does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// It is something else.
    #[error("this is no backup of fourinsightd; name the file that `fourinsightctl store backup` wrote")]
    Foreign,
    /// A newer daemon made it.
    #[error("this backup has version {found}, this daemon knows {VERSION}; restore it with the newer daemon")]
    Newer {
        /// Its version.
        found: u16,
    },
    /// Its end is missing.
    #[error("this backup is cut short; copy it again from where it came, or take another one")]
    CutShort,
    /// It says something else than was written.
    #[error("this backup is damaged; copy it again from where it came, or take another one")]
    Damaged,
    /// It is sealed under a passphrase, and none was given.
    #[error(
        "this backup is sealed under a passphrase; give it with --passphrase-file, or on a terminal when asked"
    )]
    PassphraseNeeded,
    /// It is sealed under another passphrase.
    #[error("the passphrase is wrong; give the one that the backup was made with")]
    WrongPassphrase,
    /// It is sealed under the key of another store, or one that this store had before.
    #[error(
        "this backup is sealed under another key than this store's: it was made by another store, or before \
         `store rekey`; only a backup with a passphrase can be restored elsewhere"
    )]
    OtherKey,
    /// Deriving keys or reading the random numbers failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const MAGIC: &[u8; 8] = b"4insback";
const VERSION: u16 = 1;
const HEAD: usize = 40;
const DIGEST: usize = 32;
/// What OWASP recommends for PBKDF2-HMAC-SHA-256 as of 2023. Unoptimised, as in unit tests, that takes seconds; the
/// tests of the programs see to it that it is what is shipped.
const ITERATIONS: u32 = if cfg!(test) { 1000 } else { 600_000 };
/// A file that asks for more would only keep the processor busy.
const MOST_ITERATIONS: u32 = 20_000_000;

/// What a backup is sealed under.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Under {
    StoreKey = 0,
    Passphrase = 1,
}

impl Store {
    /// Seals sessions under a passphrase, or under the store's key when there is none.
    pub async fn seal_backup(
        &self,
        sessions: Vec<BackedUp>,
        passphrase: Option<SecretString>,
    ) -> Result<Vec<u8>, StoreError> {
        let parts = Arc::clone(&self.parts);
        blocking(move || {
            parts.lock.ready().and_then(|()| match passphrase {
                None => seal(&sessions, &parts.sealer, Under::StoreKey, 0, [0; 16]),
                Some(passphrase) => {
                    let mut salt = [0; 16];
                    SystemRandom::new().fill(&mut salt).map_err(|_| StoreError::Sealing)?;
                    let sealer = derived(&passphrase, ITERATIONS, &salt);
                    seal(&sessions, &sealer, Under::Passphrase, ITERATIONS, salt)
                }
            })
        })
        .await
    }

    /// Opens what [`seal_backup`](Self::seal_backup) made.
    pub async fn open_backup(
        &self,
        backup: Vec<u8>,
        passphrase: Option<SecretString>,
    ) -> Result<Vec<BackedUp>, BackupError> {
        let parts = Arc::clone(&self.parts);
        blocking(move || {
            parts.lock.ready()?;
            Ok(open(&backup, &parts.sealer, passphrase.as_ref()))
        })
        .await?
    }
}

fn seal(
    sessions: &[BackedUp],
    sealer: &Sealer,
    under: Under,
    iterations: u32,
    salt: [u8; 16],
) -> Result<Vec<u8>, StoreError> {
    let plain = write(sessions);
    let rest = plain.len() + OVERHEAD + DIGEST;
    let mut backup = Vec::with_capacity(HEAD + rest);
    backup.extend(MAGIC);
    backup.extend(VERSION.to_be_bytes());
    backup.extend([under as u8, 0]);
    backup.extend(iterations.to_be_bytes());
    backup.extend(salt);
    backup.extend((rest as u64).to_be_bytes());
    let text = sealer.seal_for(&backup, &plain)?;
    backup.extend(text);
    let whole = digest::digest(&digest::SHA256, &backup);
    backup.extend(whole.as_ref());
    Ok(backup)
}

fn open(
    backup: &[u8],
    store: &Sealer,
    passphrase: Option<&SecretString>,
) -> Result<Vec<BackedUp>, BackupError> {
    let after_magic = backup.strip_prefix(MAGIC).ok_or(BackupError::Foreign)?;
    let Some((version, _)) = after_magic.split_first_chunk() else { return Err(BackupError::CutShort) };
    match u16::from_be_bytes(*version) {
        VERSION => {}
        0 => return Err(BackupError::Damaged),
        found => return Err(BackupError::Newer { found }),
    }
    let Some((head, rest)) = backup.split_first_chunk::<HEAD>() else { return Err(BackupError::CutShort) };
    let [.., l0, l1, l2, l3, l4, l5, l6, l7] = *head;
    let announced = u64::from_be_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
    if (rest.len() as u64) < announced {
        return Err(BackupError::CutShort);
    }
    let Some((text, whole)) = rest.split_last_chunk::<DIGEST>() else { return Err(BackupError::Damaged) };
    let found = digest::digest(&digest::SHA256, &backup[..backup.len() - DIGEST]);
    if rest.len() as u64 != announced || found.as_ref() != whole {
        return Err(BackupError::Damaged);
    }
    let [_, _, _, _, _, _, _, _, _, _, under, zero, i0, i1, i2, i3, salt @ ..] = head;
    let iterations = u32::from_be_bytes([*i0, *i1, *i2, *i3]);
    let plain = match (*under, *zero, passphrase) {
        (0, 0, _) if iterations == 0 => store.open_for(head, text).ok_or(BackupError::OtherKey)?,
        (1, 0, None) => return Err(BackupError::PassphraseNeeded),
        (1, 0, Some(passphrase)) if (ITERATIONS..=MOST_ITERATIONS).contains(&iterations) => {
            let sealer = derived(passphrase, iterations, &salt[..16]);
            sealer.open_for(head, text).ok_or(BackupError::WrongPassphrase)?
        }
        _ => return Err(BackupError::Damaged),
    };
    read(&plain).ok_or(BackupError::Damaged)
}

fn derived(passphrase: &SecretString, iterations: u32, salt: &[u8]) -> Sealer {
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MAX);
    let passphrase = passphrase.expose_secret().as_bytes();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, passphrase, &mut *key);
    Sealer::new(&key)
}

fn write(sessions: &[BackedUp]) -> Zeroizing<Vec<u8>> {
    let length = |one: &BackedUp| 14 + one.key.as_str().len() + one.record.len();
    // One allocation, so that no copy of a secret is left behind by growth.
    let mut plain = Zeroizing::new(Vec::with_capacity(sessions.iter().map(length).sum()));
    for BackedUp { key, generation, midway, record } in sessions {
        let key = key.as_str().as_bytes();
        plain.push(u8::try_from(key.len()).expect("a session key has at most 128 bytes"));
        plain.extend_from_slice(key);
        plain.extend_from_slice(&generation.to_be_bytes());
        plain.push(u8::from(*midway));
        let length = u32::try_from(record.len()).expect("a record is far shorter than 4 GiB");
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(record);
    }
    plain
}

fn read(mut plain: &[u8]) -> Option<Vec<BackedUp>> {
    let mut sessions = Vec::new();
    while let Some((&length, rest)) = plain.split_first() {
        let (key, rest) = rest.split_at_checked(usize::from(length))?;
        let (generation, rest) = rest.split_first_chunk()?;
        let (&midway, rest) = rest.split_first()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (record, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        sessions.push(BackedUp {
            key: SessionKey::new(str::from_utf8(key).ok()?).ok()?,
            generation: u64::from_be_bytes(*generation),
            midway: midway != 0,
            record: Zeroizing::new(record.to_vec()),
        });
        plain = rest;
    }
    Some(sessions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Vec<BackedUp> {
        let one = |key: &str, generation, midway, record: &[u8]| BackedUp {
            key: SessionKey::new(key).unwrap(),
            generation,
            midway,
            record: Zeroizing::new(record.to_vec()),
        };
        vec![
            one("default", 7, false, b"s3cr3t"),
            one("a b", u64::MAX, true, &[5; 20_000]),
            one("x", 0, false, b""),
        ]
    }

    fn under_the_stores_key() -> (Sealer, Vec<u8>) {
        let sealer = Sealer::new(&[7; KEY_LENGTH]);
        let backup = seal(&sessions(), &sealer, Under::StoreKey, 0, [0; 16]).unwrap();
        (sealer, backup)
    }

    #[test]
    fn a_backup_opens_to_what_was_put_in() {
        let (sealer, backup) = under_the_stores_key();
        assert_eq!(open(&backup, &sealer, None).unwrap(), sessions());
        assert!(!format!("{:?}", sessions()).contains("115"), "no byte of a record is shown");
        assert!(!backup.windows(6).any(|bytes| bytes == b"s3cr3t" || bytes == b"defaul"));
        let empty = seal(&[], &sealer, Under::StoreKey, 0, [0; 16]).unwrap();
        assert_eq!(open(&empty, &sealer, None).unwrap(), []);
    }

    #[test]
    fn a_passphrase_opens_it_under_any_store_and_no_other_does() {
        let right = SecretString::from("correct horse");
        let sealer = derived(&right, ITERATIONS, &[3; 16]);
        let backup = seal(&sessions(), &sealer, Under::Passphrase, ITERATIONS, [3; 16]).unwrap();
        let elsewhere = Sealer::new(&[1; KEY_LENGTH]);
        assert_eq!(open(&backup, &elsewhere, Some(&right)).unwrap(), sessions());
        let wrong = SecretString::from("correct horsf");
        assert!(matches!(open(&backup, &elsewhere, Some(&wrong)), Err(BackupError::WrongPassphrase)));
        assert!(matches!(open(&backup, &elsewhere, None), Err(BackupError::PassphraseNeeded)));
    }

    #[test]
    fn each_way_to_fail_has_its_own_words() {
        let (sealer, backup) = under_the_stores_key();
        let other = Sealer::new(&[8; KEY_LENGTH]);
        assert!(matches!(open(&backup, &other, None), Err(BackupError::OtherKey)));
        assert!(matches!(open(b"SQLite format 3", &sealer, None), Err(BackupError::Foreign)));
        assert!(matches!(open(b"", &sealer, None), Err(BackupError::Foreign)));
        let mut newer = backup.clone();
        newer[9] = 2;
        assert!(matches!(open(&newer, &sealer, None), Err(BackupError::Newer { found: 2 })));
        let longer = [&backup[..], b"x"].concat();
        assert!(matches!(open(&longer, &sealer, None), Err(BackupError::Damaged)));
    }

    #[test]
    fn no_flip_and_no_truncation_passes() {
        let sealer = Sealer::new(&[7; KEY_LENGTH]);
        let backup = seal(&sessions()[..1], &sealer, Under::StoreKey, 0, [0; 16]).unwrap();
        for at in 0..backup.len() {
            let mut flipped = backup.clone();
            flipped[at] ^= 1;
            let error = open(&flipped, &sealer, None).unwrap_err();
            let expected = match at {
                0..8 => matches!(error, BackupError::Foreign),
                8..10 => matches!(error, BackupError::Newer { .. } | BackupError::Damaged),
                32..40 => matches!(error, BackupError::CutShort | BackupError::Damaged),
                _ => matches!(error, BackupError::Damaged),
            };
            assert!(expected, "byte {at}: {error:?}");
            let cut = open(&backup[..at], &sealer, None).unwrap_err();
            let expected = if at < 8 { BackupError::Foreign } else { BackupError::CutShort };
            assert_eq!(cut.to_string(), expected.to_string(), "length {at}");
        }
    }

    #[test]
    fn the_head_is_bound_to_what_is_sealed() {
        let (sealer, mut backup) = under_the_stores_key();
        // Whoever changes the head can make the digest fit.
        backup[20] ^= 1;
        let end = backup.len() - DIGEST;
        let whole = digest::digest(&digest::SHA256, &backup[..end]);
        backup[end..].copy_from_slice(whole.as_ref());
        assert!(matches!(open(&backup, &sealer, None), Err(BackupError::OtherKey)));
    }
}
