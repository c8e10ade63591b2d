//! Ask `fourinsightd` for a fresh OAuth 2.0 bearer token.
//!
//! A person signs in once (`fourinsightctl login`). Every program of theirs on this machine then asks the local
//! daemon for an access token by [`SessionKey`], whenever it needs one: asking costs microseconds, and the answer is
//! never an expired token. Refresh tokens and client secrets stay in the daemon.
//!
//! ```no_run
//! use fourinsight_client::{Client, SessionKey};
//!
//! fn list_projects() -> Result<(), fourinsight_client::Error> {
//!     let client = Client::new()?;
//!     let token = client.token(&SessionKey::default())?;
//!     let header = format!("Authorization: Bearer {}", token.secret());
//!     // … send the request. Should the API answer 401, say so; the next token is another one:
//!     client.reject(&token)?;
//!     # drop(header);
//!     Ok(())
//! }
//! ```
//!
//! [`Client`] is `Send + Sync` and cheap to clone; clones share a small pool of kept-alive connections. A call that
//! waits never delays another, a restart of the daemon goes unnoticed, and a forked child opens connections of its
//! own. Before the first byte on a connection the operating system is asked whose process listens there: another
//! user's is refused with [`Error::NotTrusted`]. [`token`](Client::token) and [`start_login`](Client::start_login)
//! start the daemon when it is not running.
//!
//! Only requests that change nothing are ever repeated. With the feature `tokio` the same methods are there as
//! `async` ones, on `AsyncClient`; with the feature `reqwest` there is `BearerMiddleware`, which gives every request of
//! a `reqwest` client its token.

mod answer;
#[cfg(feature = "tokio")]
mod asynchronous;
mod calls;
mod client;
mod connection;
mod deadline;
mod error;
#[cfg(feature = "reqwest")]
mod middleware;
#[cfg(feature = "reqwest")]
mod origin;
mod pool;
mod reach;
mod start;
mod token;

#[cfg(feature = "tokio")]
pub use asynchronous::AsyncClient;
pub use client::Client;
pub use error::{Error, StartFailure};
pub use fourinsight_ipc::{
    Endpoint, ErrorBody, ErrorCode, LocationOptions, Locations, SessionKey, duration,
    key::InvalidSessionKey,
    location::LocationError,
    message::{
        Action, Attempt, AttemptOutcome, Backup, BackupRequest, Confirm, Confirmation, Durability, Expiry,
        Health, Identity, ImportChoice, ImportFormat, ImportOutcome, ImportRequest, ImportResponse,
        KeptSession, KeyHome, LoginRequest, LoginResponse, LoginState, LoginStatus, NewProfile, Preset,
        PresetSetting, Problem, ProfileDetails, ProfileList, ProfileSetting, ProfileStatus, RejectionOutcome,
        RejectionResponse, RekeyRequest, RekeyResponse, RestoreRequest, RestoreResponse, Revocation,
        RevokeResponse, SessionAttempts, SessionState, SessionStatus, SettingOrigin, StoreCheck,
        TokenResponse, Version, Wanted,
    },
    platform::NotTrusted,
};
#[cfg(feature = "reqwest")]
pub use middleware::BearerMiddleware;
pub use secrecy::SecretString;
pub use token::{AccessToken, TokenRequest};
