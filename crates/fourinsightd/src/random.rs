//! The operating system's random numbers.

use ring::rand::{SecureRandom, SystemRandom};

/// 64 random bits, unguessable.
pub(crate) fn bits() -> u64 {
    u64::from_le_bytes(bytes())
}

/// Random bytes, unguessable.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random numbers");
    bytes
}
