//! Time: the only reader of clocks.
//!
//! Rules take a [`Timestamp`] as an argument. The timeline it lives on starts at the wall clock's reading when the
//! daemon starts and then advances with the boot-time clock, which counts suspend and never steps. Wall-clock
//! times exist only at the edges: in records and in answers.

use std::{
    fmt,
    ops::{Add, Sub},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::sys;

/// A moment on the daemon's timeline, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment so many milliseconds after the timeline's origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the timeline's origin.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// A moment as a record of it lasts: by the wall clock, and by the boot-time clock for as long as the machine has not
/// been started anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// In Unix seconds.
    pub unix: i64,
    /// Milliseconds of the boot-time clock, and which start of the machine they count from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<(String, u64)>,
}

impl Mark {
    /// A moment of which only the wall clock's time is known.
    pub(crate) fn by_wall(unix: i64) -> Self {
        Self { unix, boot: None }
    }
}

/// Reads the time. Cheap to clone.
#[derive(Clone)]
pub struct Clock {
    readings: Arc<dyn Readings>,
    origin: Timestamp,
}

/// Where a clock takes its raw readings from.
pub trait Readings: Send + Sync {
    /// Time since some fixed moment; counts suspend and never steps.
    fn boot(&self) -> Duration;
    /// Wall-clock time since the Unix epoch; may step either way.
    fn wall(&self) -> Duration;
    /// Names this start of the machine, where the system does.
    fn boot_id(&self) -> Option<String> {
        None
    }
}

impl Clock {
    /// This machine's clocks.
    pub fn system() -> Self {
        Self::with_readings(Arc::new(System))
    }

    /// A clock on the given readings, for tests.
    pub fn with_readings(readings: Arc<dyn Readings>) -> Self {
        let origin = Timestamp(0) + readings.wall() - readings.boot();
        Self { readings, origin }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.origin + self.readings.boot()
    }

    /// How long ago the machine started, suspend included: what the system stamps its processes with.
    pub(crate) fn since_boot(&self) -> Duration {
        self.readings.boot()
    }

    /// The present wall-clock time, in Unix seconds.
    pub fn unix_now(&self) -> i64 {
        seconds(self.readings.wall())
    }

    /// The wall-clock time of a moment, in Unix seconds, by the wall clock as it stands now.
    pub fn to_unix(&self, moment: Timestamp) -> i64 {
        let ahead = i128::from(moment.0) - i128::from(self.now().0);
        let wall = i128::try_from(self.readings.wall().as_millis()).unwrap_or(i128::MAX);
        i64::try_from((wall + ahead).div_euclid(1000)).unwrap_or(i64::MAX)
    }

    /// A moment, to be written down.
    pub fn mark(&self, moment: Timestamp) -> Mark {
        let boot = moment.since(self.origin);
        let millis = u64::try_from(boot.as_millis()).unwrap_or(u64::MAX);
        Mark { unix: self.to_unix(moment), boot: self.readings.boot_id().map(|id| (id, millis)) }
    }

    /// The moment that was written down; `None` when the clocks say that it lies ahead, so that nobody knows how long
    /// ago it was. The wall clock is believed only where the machine has been started anew since.
    pub fn moment(&self, mark: &Mark) -> Option<Timestamp> {
        let same_start = mark.boot.as_ref().filter(|(id, _)| self.readings.boot_id().as_ref() == Some(id));
        let by_boot = same_start.map(|(_, millis)| self.origin + Duration::from_millis(*millis));
        // Another time namespace counts from elsewhere.
        let past = |moment: &Timestamp| *moment <= self.now();
        by_boot.filter(past).or_else(|| Some(self.from_unix(mark.unix)).filter(past))
    }

    /// The moment of a wall-clock time, by the wall clock as it stands now.
    pub fn from_unix(&self, unix: i64) -> Timestamp {
        let ahead = i128::from(unix) * 1000 - i128::try_from(self.readings.wall().as_millis()).unwrap_or(0);
        Timestamp(u64::try_from((i128::from(self.now().0) + ahead).max(0)).unwrap_or(u64::MAX))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("now", &self.now()).finish()
    }
}

struct System;

impl Readings for System {
    fn boot(&self) -> Duration {
        sys::boot_time()
    }

    #[expect(clippy::disallowed_methods, reason = "this file is the reader of clocks")]
    fn wall(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn boot_id(&self) -> Option<String> {
        sys::boot_id()
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Clocks for tests.
#[cfg(test)]
pub(crate) mod virtual_time {
    use std::sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    };
    use std::time::Duration;

    use super::{Clock, Readings};

    /// Boot time follows tokio's (pausable) time; the wall clock follows it too, plus steps made by the test.
    pub(crate) struct Virtual {
        start: tokio::time::Instant,
        wall_step: AtomicI64,
        slept: AtomicU64,
        starts: AtomicU64,
    }

    impl Virtual {
        /// A clock that starts at the Unix time 1,700,000,000, and the means to step its wall clock.
        pub(crate) fn clock() -> (Clock, Arc<Self>) {
            let readings = Arc::new(Self {
                start: tokio::time::Instant::now(),
                wall_step: AtomicI64::new(0),
                slept: AtomicU64::new(0),
                starts: AtomicU64::new(1),
            });
            (Clock::with_readings(Arc::<Self>::clone(&readings)), readings)
        }

        /// Moves the wall clock, and only it, by so many seconds.
        pub(crate) fn step_wall(&self, seconds: i64) {
            self.wall_step.fetch_add(seconds, Ordering::Relaxed);
        }

        /// Lets the machine sleep so many seconds: both clocks count them, no timer does.
        pub(crate) fn sleep(&self, seconds: u64) {
            self.slept.fetch_add(seconds, Ordering::Relaxed);
        }

        /// From here on the boot-time clock belongs to another start of the machine.
        pub(crate) fn start_anew(&self) {
            self.starts.fetch_add(1, Ordering::Relaxed);
        }

        fn elapsed(&self) -> Duration {
            self.start.elapsed() + Duration::from_secs(self.slept.load(Ordering::Relaxed))
        }
    }

    impl Readings for Virtual {
        fn boot(&self) -> Duration {
            Duration::from_secs(1000) + self.elapsed()
        }

        fn wall(&self) -> Duration {
            let steady = Duration::from_secs(1_700_000_000) + self.elapsed();
            let step = self.wall_step.load(Ordering::Relaxed);
            let size = Duration::from_secs(step.unsigned_abs());
            if step < 0 { steady.saturating_sub(size) } else { steady + size }
        }

        fn boot_id(&self) -> Option<String> {
            Some(self.starts.load(Ordering::Relaxed).to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{virtual_time::Virtual, *};

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_step_moves_no_deadline() {
        let (clock, readings) = Virtual::clock();
        let before = clock.now();
        readings.step_wall(10 * 365 * 86_400);
        assert_eq!(clock.now(), before);
        assert_eq!(clock.to_unix(before), 1_700_000_000 + 10 * 365 * 86_400);
        readings.step_wall(-20 * 365 * 86_400);
        assert_eq!(clock.now(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn wall_times_convert_there_and_back() {
        let (clock, _) = Virtual::clock();
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.to_unix(clock.now() + Duration::from_mins(1)), 1_700_000_150);
        assert_eq!(clock.from_unix(1_700_000_150), clock.now() + Duration::from_mins(1));
    }

    #[tokio::test(start_paused = true)]
    async fn how_long_ago_a_moment_was_does_not_follow_steps_of_the_wall_clock() {
        let (clock, readings) = Virtual::clock();
        let moment = clock.now();
        let mark = clock.mark(moment);
        tokio::time::advance(Duration::from_secs(30)).await;
        for step in [86_400, -2 * 86_400] {
            readings.step_wall(step);
            assert_eq!(clock.moment(&mark), Some(moment));
        }
        readings.start_anew();
        assert_eq!(clock.moment(&mark), None, "the wall clock stands before it");
        readings.step_wall(86_400);
        assert_eq!(clock.moment(&mark), Some(moment));
        let text = serde_json::to_string(&mark).unwrap();
        assert_eq!(serde_json::from_str::<Mark>(&text).unwrap(), mark);
    }
}
