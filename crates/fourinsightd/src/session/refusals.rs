//! A server that refuses every renewal and never says that the login is over. The grant is kept, because whoever
//! answers may not even be the server; but once the access token is dead, its callers are told that a new login is
//! what would help. The session goes on trying, and works again by itself when the server does. Pure.

use std::time::Duration;

use crate::{authority::Failure, clock::Timestamp};

/// The refusals in a row for a session's own key. They are counted anew after a start of the daemon.
#[derive(Clone, Debug)]
pub(crate) struct Refusals {
    count: u32,
    since: Timestamp,
    last: Timestamp,
    failure: Failure,
}

impl Refusals {
    /// So many, over so long, are no accident.
    const MANY: u32 = 5;
    const LONG: Duration = Duration::from_mins(10);

    /// One more after the earlier ones.
    pub(super) fn after(earlier: Option<&Self>, failure: Failure, now: Timestamp) -> Self {
        let (count, since) = earlier.map_or((1, now), |earlier| (earlier.count + 1, earlier.since));
        Self { count, since, last: now, failure }
    }

    /// Whether there is no sense any more in waiting for the next attempt.
    pub(super) fn are_for_long(&self) -> bool {
        self.count >= Self::MANY && self.last.since(self.since) >= Self::LONG
    }

    /// What that means, and since when it is so.
    pub(super) fn in_words(&self) -> (Failure, Timestamp) {
        let Failure { error, description, detail } = self.failure.clone();
        let description = format!(
            "the authorization server has refused {} renewals in a row without saying that the login is over: \
             {description} ({error}); it is tried again every few minutes",
            self.count
        );
        (Failure { detail, ..Failure::ours("refused_for_long", description) }, self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn refusals(seconds: &[u64]) -> Refusals {
        let failure = |number: usize| Failure::ours("invalid_request", format!("words {number}"));
        let mut all = None;
        for (number, second) in seconds.iter().enumerate() {
            all = Some(Refusals::after(all.as_ref(), failure(number), START + Duration::from_secs(*second)));
        }
        all.unwrap()
    }

    #[test]
    fn it_takes_five_refusals_and_ten_minutes() {
        assert!(!refusals(&[0, 900, 1800, 2700]).are_for_long(), "four");
        assert!(!refusals(&[0, 1, 2, 3, 4, 5, 599]).are_for_long(), "in less than ten minutes");
        assert!(refusals(&[0, 1, 2, 3, 600]).are_for_long());
    }

    #[test]
    fn the_latest_words_are_shown_since_the_first_refusal() {
        let (failure, since) = refusals(&[0, 1, 2, 3, 600]).in_words();
        assert_eq!((failure.error.as_str(), since), ("refused_for_long", START));
        assert!(failure.description.contains("refused 5 renewals"), "{}", failure.description);
        assert!(failure.description.contains("words 4 (invalid_request)"), "{}", failure.description);
    }
}
