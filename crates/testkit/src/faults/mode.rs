//! What servers do with refresh tokens that were used, each with what a profile says of it.

use std::time::Duration;

use crate::practice::rotation::{Rotation, Successor};

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

/// How long a server with a grace takes a spent refresh token again.
const GRACE: Duration = Duration::from_secs(30);

/// Every kind; the one that tolerates nothing comes last.
pub const MODES: &[Mode] = &[
    Mode::tolerant("none", Rotation::None, Some("\"none\"")),
    Mode::tolerant("never_revoke", Rotation::NeverRevoke, Some("\"never_revoke\"")),
    Mode::tolerant(
        "grace 30 s, same successor",
        Rotation::Grace { window: GRACE, successor: Successor::Same },
        Some("{ grace = \"30s\" }"),
    ),
    Mode::tolerant(
        "grace 30 s, new successor",
        Rotation::Grace { window: GRACE, successor: Successor::New },
        Some("{ grace = \"30s\" }"),
    ),
    Mode::tolerant("until_new_used", Rotation::UntilNewUsed, None),
    Mode { counts_retries: true, ..Mode::tolerant("max_reuse 1", Rotation::MaxReuse(1), None) },
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

impl Mode {
    const fn tolerant(name: &'static str, rotation: Rotation, configured: Option<&'static str>) -> Self {
        Self { name, rotation, configured, tolerates_retry: true, counts_retries: false }
    }

    /// Whether a redemption spends the refresh token.
    pub(super) fn spends(&self) -> bool {
        self.rotation != Rotation::None
    }
}
