//! The contract between `fourinsightd` and everything that talks to it.
//!
//! | module | what it settles |
//! |---|---|
//! | [`message`] | what is said: the JSON bodies of the local HTTP API |
//! | [`error`] | what goes wrong: RFC 6749 section 5.2 shaped errors |
//! | [`key`] | whose token: the session key |
//! | [`location`] | where: state folder, configuration file, endpoint |
//! | [`cache_file`] | what is taken over: another tool's cache, read and put away |
//! | [`duration`] | how long: `90`, `90s`, `5m`, `8h` |
//! | [`platform`] | how, and to whom: local sockets, the peer's user, detached start |
//!
//! Both ends depend on this crate and on nothing of each other. Within `v1` the messages only grow: unknown
//! response fields are ignored by clients, unknown request fields by the daemon.

pub mod cache_file;
pub mod duration;
pub mod error;
pub mod key;
pub mod location;
pub mod message;
pub mod platform;

pub use error::{ErrorBody, ErrorCode};
pub use key::SessionKey;
pub use location::{Endpoint, LocationOptions, Locations};

/// The version of the local HTTP API, and the first segment of its paths.
pub const API_VERSION: &str = "v1";

/// How long a token request may wait for a renewal when it names no `wait`, in seconds.
pub const DEFAULT_WAIT_SECONDS: u64 = 30;

/// The longest `wait` a request may name, in seconds.
pub const MAX_WAIT_SECONDS: u64 = 300;
