//! How much longer a call may take: the only reader of a clock in this crate.

use std::time::{Duration, Instant};

/// The moment at which somebody stops waiting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub(crate) fn after(limit: Duration) -> Self {
        Self(now() + limit)
    }

    /// How long there still is; `None` when it has passed.
    pub(crate) fn remaining(self) -> Option<Duration> {
        self.0.checked_duration_since(now()).filter(|remaining| !remaining.is_zero())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a caller's patience is measured here, not a token's life: that suspend does not count is right"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_of_no_time_has_passed() {
        assert_eq!(Deadline::after(Duration::ZERO).remaining(), None);
        assert!(Deadline::after(Duration::from_mins(1)).remaining().unwrap() <= Duration::from_mins(1));
    }
}
