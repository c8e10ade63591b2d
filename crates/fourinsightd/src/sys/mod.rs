//! What differs between platforms inside the daemon: clocks, signals, readiness, single instance, hardening.
//!
//! `unix.rs` and `windows.rs` hold the same names; `logout.rs` and `ticker.rs` are for both, and
//! `keyring/` has a file for each keyring.

pub(crate) mod keyring;
mod logout;
mod ticker;
pub(crate) use logout::logged_out;
pub(crate) use ticker::Ticker;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;
