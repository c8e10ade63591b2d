//! A renewal that was not begun, because the disk did not take its announcement. Nothing was sent, so this says nothing
//! about the server: the disk is asked again each second, as with every write that it refuses. Pure.

use super::{signed_in::SignedIn, state::State};
use crate::{
    authority::{Failure, Outcome, Retry},
    clock::Timestamp,
    token::TokenKey,
};

/// What a session says while the disk refuses it something.
pub(super) fn storage_failed(description: impl Into<String>) -> Failure {
    Failure::ours("storage_failed", description)
}

/// What comes of a redemption that the journal does not take.
pub(super) fn unsent(cause: &str) -> Outcome {
    let description =
        format!("the rotation journal cannot be written, so the refresh token was not sent: {cause}");
    let failure = storage_failed(description);
    Outcome::Retry(Retry::of(failure))
}

/// Whether a renewal failed before anything was sent.
pub(super) fn is_unsent(failure: &Failure) -> bool {
    failure.error == "storage_failed"
}

impl SignedIn {
    /// Lets the disk be, for as long as after any write that it refuses, and then tries again though whoever asked may
    /// have gone: only that shows when the disk is well.
    pub(super) fn wait_for_disk(&mut self, key: &TokenKey, failure: Failure, now: Timestamp) {
        self.pause_until(key, now + State::PERSIST_RETRY, failure, now);
        self.entry(key.clone(), now).request(None, now);
    }

    /// Whether a renewal waits for the disk.
    pub(super) fn waits_for_disk(&self) -> bool {
        self.backoff.as_ref().is_some_and(|backoff| is_unsent(&backoff.failure))
    }
}
