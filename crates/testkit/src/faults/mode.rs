//! What servers do with refresh tokens that were used, each with what a profile says of it.

use crate::practice::Rotation;

/// One kind of server.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// What figures call it.
    pub name: &'static str,
    /// What the practice server does.
    pub rotation: Rotation,
    /// What the profile says of it; nothing where there is no word for it.
    pub configured: Option<&'static str>,
    /// Whether it takes a refresh token that was used again, once at least.
    pub tolerates_retry: bool,
    /// Whether it does so only so many times in a row, so that a death in the middle of a recovery may be one too many.
    pub counts_retries: bool,
}

/// Every kind.
pub const MODES: &[Mode] = &[
    Mode {
        name: "never_revoke",
        rotation: Rotation::NeverRevoke,
        configured: Some("\"never_revoke\""),
        tolerates_retry: true,
        counts_retries: false,
    },
    STRICT,
];

/// The kind that ends a login when a refresh token is used twice.
pub const STRICT: Mode = Mode {
    name: "strict",
    rotation: Rotation::Strict,
    configured: Some("\"strict\""),
    tolerates_retry: false,
    counts_retries: false,
};
