//! The server's time: tokio's, so that a test that pauses it pauses the server too.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

/// A moment, counted from the making of the server.
pub(super) type Moment = Duration;

/// Reads the time.
pub(super) struct Timeline {
    start: Instant,
    skipped: AtomicU64,
    unix_at_start: Duration,
}

impl Timeline {
    /// Starts now; the wall clock shows the given Unix time, else this machine's.
    pub(super) fn start(unix_at_start: Option<u64>) -> Self {
        let unix_at_start = unix_at_start.map_or_else(machine_wall_clock, Duration::from_secs);
        Self { start: Instant::now(), skipped: AtomicU64::new(0), unix_at_start }
    }

    /// The present moment.
    pub(super) fn now(&self) -> Moment {
        self.start.elapsed() + Duration::from_secs(self.skipped.load(Ordering::Relaxed))
    }

    /// Lets so many seconds pass at once.
    pub(super) fn skip(&self, seconds: u64) {
        self.skipped.fetch_add(seconds, Ordering::Relaxed);
    }

    /// The present wall-clock time, in Unix seconds.
    pub(super) fn unix_now(&self) -> u64 {
        (self.unix_at_start + self.now()).as_secs()
    }

    /// The present wall-clock time as a `Date` header writes it.
    pub(super) fn http_date(&self) -> String {
        self.http_date_in(0)
    }

    /// The same, so many seconds from now.
    pub(super) fn http_date_in(&self, seconds: u64) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(self.unix_now() + seconds))
    }
}

#[expect(clippy::disallowed_methods, reason = "read once; from then on the server follows tokio's time")]
fn machine_wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
