//! What differs between platforms inside the daemon: clocks, signals, readiness, single instance, hardening.
//!
//! `unix.rs` and `windows.rs` hold the same names; `ticker.rs` is for both.

mod ticker;
pub(crate) use ticker::Ticker;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;
