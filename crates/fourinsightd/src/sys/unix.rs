//! The Unix side.

use std::time::Duration;

/// Time since the machine started, suspend included.
pub(crate) fn boot_time() -> Duration {
    let clock = if cfg!(target_os = "linux") {
        nix::time::ClockId::CLOCK_BOOTTIME
    } else {
        nix::time::ClockId::CLOCK_MONOTONIC
    };
    nix::time::clock_gettime(clock).map(Duration::from).unwrap_or_default()
}
