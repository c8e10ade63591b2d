//! The daemon's one regular timer. An idle daemon does nothing else, so what it costs is how often it wakes up.

use std::{io, time::Duration};

pub(crate) use this::Ticker;

/// Linux: a timer of the kernel's. It wakes the daemon once a tick, where tokio's timer needs three steps to a far
/// moment; and it counts suspend, so that a machine that slept too long ticks as soon as it wakes up.
#[cfg(target_os = "linux")]
mod this {
    use std::os::fd::{AsFd, AsRawFd, RawFd};

    use nix::sys::{
        time::TimeSpec,
        timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    };
    use tokio::io::{Interest, unix::AsyncFd};

    use super::{Duration, io};

    pub(crate) struct Ticker(AsyncFd<Timer>);

    struct Timer(TimerFd);

    impl AsRawFd for Timer {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_fd().as_raw_fd()
        }
    }

    impl Ticker {
        /// Ticks every so often, for the first time after one interval.
        pub(crate) fn every(interval: Duration) -> io::Result<Self> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?;
            timer.set(Expiration::Interval(TimeSpec::from(interval)), TimerSetTimeFlags::empty())?;
            #[expect(unsafe_code, reason = "tokio watches a bare descriptor only on such a promise")]
            // SAFETY: the timer owns its descriptor, always names the same one, and lives as long as the `AsyncFd`
            // that it is moved into.
            let timer = unsafe { AsyncFd::register_with_interest(Timer(timer), Interest::READABLE) };
            Ok(Self(timer?))
        }

        /// Completes at the next tick; ticks that were missed count as one.
        pub(crate) async fn tick(&mut self) -> io::Result<()> {
            self.0.async_io(Interest::READABLE, |timer| Ok(timer.0.wait()?)).await
        }
    }
}

/// Elsewhere: tokio's.
#[cfg(not(target_os = "linux"))]
mod this {
    use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

    use super::{Duration, io};

    pub(crate) struct Ticker(Interval);

    impl Ticker {
        /// Ticks every so often, for the first time after one interval.
        #[expect(clippy::unnecessary_wraps, reason = "the Linux side can fail")]
        pub(crate) fn every(interval: Duration) -> io::Result<Self> {
            let mut ticks = interval_at(Instant::now() + interval, interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Ok(Self(ticks))
        }

        /// Completes at the next tick; ticks that were missed count as one.
        pub(crate) async fn tick(&mut self) -> io::Result<()> {
            self.0.tick().await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_ticks_again_and_again() {
        let mut ticker = Ticker::every(Duration::from_millis(5)).unwrap();
        let start = tokio::time::Instant::now();
        for _ in 0..3 {
            ticker.tick().await.unwrap();
        }
        assert!(start.elapsed() >= Duration::from_millis(14), "{:?}", start.elapsed());
    }
}
