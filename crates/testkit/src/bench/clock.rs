//! The time, for measuring: the only reader of clocks in the bench.

use std::time::{Duration, Instant};

/// A moment to count from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(Instant);

impl Moment {
    #[expect(
        clippy::disallowed_methods,
        reason = "durations of calls are measured here, not lives of tokens"
    )]
    pub(super) fn now() -> Self {
        Self(Instant::now())
    }

    /// How long ago it was.
    pub(super) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// How long after the other it was; zero when it was before.
    pub(super) fn since(self, other: Self) -> Duration {
        self.0.saturating_duration_since(other.0)
    }
}

/// Times one thing, in microseconds.
pub(super) fn microseconds<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Moment::now();
    let done = work();
    (done, start.elapsed().as_secs_f64() * 1e6)
}
