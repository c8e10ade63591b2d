//! What came of the asks so far.

use std::{collections::BTreeMap, time::Duration};

use super::{ask::Ask, workers::Kind};

/// How many problems are kept to be shown.
const PROBLEMS_KEPT: usize = 5;

/// The asks of all kinds, and when tokens were renewed.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: BTreeMap<Kind, Count>,
    /// When each renewal was first seen, from the start of the show.
    pub(super) renewals: Vec<Duration>,
    /// The first few problems, each with who met it.
    pub(super) problems: Vec<String>,
    /// How long the token of the last ask still lives.
    pub(super) left: Option<u64>,
}

/// The asks of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) served: usize,
    pub(super) failed: usize,
}

impl Tally {
    pub(super) fn add(&mut self, (kind, ask): (Kind, Ask)) {
        let count = self.counts.entry(kind).or_default();
        match ask {
            Ask::Served { left } => {
                count.served += 1;
                self.left = Some(left);
            }
            Ask::Failed { problem } => {
                count.failed += 1;
                if self.problems.len() < PROBLEMS_KEPT {
                    self.problems.push(format!("{}: {problem}", kind.name()));
                }
            }
        }
    }

    /// Takes note of how many renewals there are by now.
    pub(super) fn renewed(&mut self, renewals: usize, now: Duration) {
        self.renewals.resize(renewals.max(self.renewals.len()), now);
    }

    pub(super) fn of(&self, kind: Kind) -> Count {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    pub(super) fn total(&self) -> Count {
        self.counts.values().fold(Count::default(), |sum, count| Count {
            served: sum.served + count.served,
            failed: sum.failed + count.failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_are_counted_by_kind_and_problems_kept() {
        let mut tally = Tally::default();
        tally.add((Kind::Curl, Ask::Served { left: 7 }));
        tally.add((Kind::Client, Ask::Served { left: 6 }));
        tally.add((Kind::Client, Ask::Failed { problem: "refused".into() }));
        assert_eq!(tally.of(Kind::Client), Count { served: 1, failed: 1 });
        assert_eq!(tally.of(Kind::Command), Count::default());
        assert_eq!(tally.total(), Count { served: 2, failed: 1 });
        assert_eq!(tally.problems, ["Rust, the client crate: refused"]);
        assert_eq!(tally.left, Some(6));
    }

    #[test]
    fn a_renewal_keeps_the_moment_at_which_it_was_first_seen() {
        let mut tally = Tally::default();
        tally.renewed(1, Duration::from_secs(6));
        tally.renewed(1, Duration::from_secs(9));
        tally.renewed(2, Duration::from_secs(13));
        assert_eq!(tally.renewals, [Duration::from_secs(6), Duration::from_secs(13)]);
    }
}
