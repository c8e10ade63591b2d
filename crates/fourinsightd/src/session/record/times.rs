//! Recorded times after a start, whatever the wall clock has done meanwhile: nothing lasts longer than it was said to.

use std::time::Duration;

use crate::clock::{Clock, Timestamp};

/// How far the wall clock may be set back between two runs before recorded times are distrusted.
const LEEWAY: Duration = Duration::from_mins(1);

/// The times of something that began at a recorded moment.
pub(super) struct Times<'a> {
    began: i64,
    clock: &'a Clock,
}

impl<'a> Times<'a> {
    /// Of what began then, in Unix seconds.
    pub(super) fn of(began: i64, clock: &'a Clock) -> Self {
        Self { began, clock }
    }

    /// Whether the recorded moment lies in the past. One that does not means that the wall clock was set back: how
    /// long ago it was nobody knows.
    pub(super) fn are_trusted(&self) -> bool {
        self.clock.from_unix(self.began) <= self.clock.now() + LEEWAY
    }

    /// When it began, not later than now.
    pub(super) fn began(&self) -> Timestamp {
        self.clock.from_unix(self.began).min(self.clock.now())
    }

    /// The moment of another recorded time: no further from now than it was from the beginning.
    pub(super) fn at(&self, unix: i64) -> Timestamp {
        let after = Duration::from_secs(u64::try_from(unix.saturating_sub(self.began)).unwrap_or(0));
        self.clock.from_unix(unix).min(self.clock.now() + after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::virtual_time::Virtual;

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_was_set_makes_nothing_last_longer() {
        let (clock, readings) = Virtual::clock();
        let (began, end) = (clock.unix_now(), clock.unix_now() + 3600);
        tokio::time::advance(Duration::from_mins(10)).await;
        let left = |clock: &Clock| Times::of(began, clock).at(end).since(clock.now()).as_secs();
        assert_eq!(left(&clock), 3000);
        assert!(Times::of(began, &clock).are_trusted());
        readings.step_wall(-10 * 365 * 86_400);
        assert_eq!(left(&clock), 3600);
        assert!(!Times::of(began, &clock).are_trusted());
        assert_eq!(Times::of(began, &clock).began(), clock.now());
        readings.step_wall(20 * 365 * 86_400);
        assert_eq!(left(&clock), 0);
        assert!(Times::of(began, &clock).are_trusted());
    }
}
