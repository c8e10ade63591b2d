//! What was last tried for each session, and what came of it: kept in memory, for whoever asks why.
//!
//! A session need not exist to have a history: a login that failed before its session existed is in it too. The
//! same thing several times in a row is one entry with a count, so that a long outage leaves room for what came
//! before it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fourinsight_ipc::{
    ErrorBody, SessionKey,
    message::{Action, AttemptOutcome},
};

use crate::authority::Failure;

/// Every session's history. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Book>>);

/// Something that was tried.
#[derive(Clone, Debug)]
pub struct Tried {
    /// When it ended, in Unix seconds; of several in a row, the last.
    pub at: i64,
    /// What it was.
    pub action: Action,
    /// A login's flow.
    pub flow: Option<&'static str>,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// Why, when it did not work and that is known.
    pub why: Option<Box<Why>>,
    /// How often in a row this happened.
    pub count: u64,
}

/// Why something did not work.
#[derive(Clone, Debug)]
pub enum Why {
    /// A failure with a code that the tables explain.
    Failure(Failure),
    /// An error of our own that names its next step itself.
    Told(ErrorBody),
}

/// How much is kept of one session.
const MOST_OF_A_SESSION: usize = 20;

/// How much is kept of all sessions together.
const MOST: usize = 4096;

#[derive(Debug, Default)]
struct Book {
    /// Oldest first.
    sessions: BTreeMap<SessionKey, Vec<Tried>>,
    length: usize,
}

impl Tried {
    /// Something that was tried once.
    pub fn new(at: i64, action: Action, outcome: AttemptOutcome) -> Self {
        Self { at, action, flow: None, outcome, why: None, count: 1 }
    }

    /// The same with a reason.
    #[must_use]
    pub fn because(mut self, why: Why) -> Self {
        self.why = Some(Box::new(why));
        self
    }

    fn repeats(&self, earlier: &Self) -> bool {
        let same_reason = match (self.why.as_deref(), earlier.why.as_deref()) {
            (None, None) => true,
            (Some(Why::Failure(one)), Some(Why::Failure(other))) => one.says_the_same(other),
            (Some(Why::Told(one)), Some(Why::Told(other))) => one == other,
            _ => false,
        };
        let kind = |tried: &Self| (tried.action, tried.flow, tried.outcome);
        same_reason && kind(self) == kind(earlier)
    }
}

impl History {
    /// Adds what was tried for a session.
    pub fn add(&self, session: &SessionKey, tried: Tried) {
        let book = &mut *self.book();
        if !book.sessions.contains_key(session) {
            book.sessions.insert(session.clone(), Vec::new());
        }
        let Some(history) = book.sessions.get_mut(session) else { return };
        if let Some(last) = history.last_mut().filter(|last| tried.repeats(last)) {
            let count = last.count.saturating_add(tried.count);
            *last = Tried { count, ..tried };
            return;
        }
        if history.len() == MOST_OF_A_SESSION {
            history.remove(0);
        } else {
            book.length += 1;
        }
        history.push(tried);
        if book.length > MOST {
            book.forget_the_oldest();
        }
    }

    /// What was tried for a session, newest first; nothing when nothing ever was.
    pub fn of(&self, session: &SessionKey) -> Option<Vec<Tried>> {
        Some(self.book().sessions.get(session)?.iter().rev().cloned().collect())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Forgets the first of what is known of the session for which nothing was tried for the longest time.
    fn forget_the_oldest(&mut self) {
        let last = |history: &[Tried]| history.last().map(|tried| tried.at);
        let quietest = self.sessions.iter().min_by_key(|(_, history)| last(history));
        let Some(quietest) = quietest.map(|(session, _)| session.clone()) else { return };
        if let Some(history) = self.sessions.get_mut(&quietest) {
            history.remove(0);
            self.length -= 1;
            if history.is_empty() {
                self.sessions.remove(&quietest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fourinsight_ipc::ErrorCode;

    use super::*;

    fn key(name: &str) -> SessionKey {
        SessionKey::new(name).unwrap()
    }

    fn refresh(at: i64, outcome: AttemptOutcome) -> Tried {
        Tried::new(at, Action::Refresh, outcome)
    }

    fn failed(at: i64, error: &str) -> Tried {
        refresh(at, AttemptOutcome::Failed).because(Why::Failure(Failure::new(error, "words")))
    }

    /// Times and counts, newest first.
    fn of(history: &History, session: &str) -> Vec<(i64, u64)> {
        let known = history.of(&key(session)).unwrap();
        known.iter().map(|tried| (tried.at, tried.count)).collect()
    }

    #[test]
    fn the_same_in_a_row_is_counted_and_anything_else_is_not() {
        let history = History::default();
        for tried in [
            refresh(1, AttemptOutcome::Succeeded),
            refresh(2, AttemptOutcome::Succeeded),
            failed(3, "busy"),
            failed(4, "busy"),
            failed(5, "gone"),
            refresh(6, AttemptOutcome::Succeeded),
            Tried { flow: Some("device"), ..Tried::new(7, Action::Login, AttemptOutcome::Succeeded) },
            Tried { flow: Some("browser"), ..Tried::new(8, Action::Login, AttemptOutcome::Succeeded) },
            failed(9, "busy").because(Why::Told(ErrorBody::new(ErrorCode::ServerError, "busy"))),
            failed(10, "busy"),
        ] {
            history.add(&key("a"), tried);
        }
        assert_eq!(of(&history, "a"), [(10, 1), (9, 1), (8, 1), (7, 1), (6, 1), (5, 1), (4, 2), (2, 2)]);
        assert!(history.of(&key("b")).is_none());
    }

    #[test]
    fn of_the_same_in_a_row_the_identifiers_of_the_last_are_kept() {
        let history = History::default();
        let words = |id| format!("AADSTS90033: busy. Correlation ID: {id} Timestamp: {id}");
        for id in ["one", "two"] {
            let failure = Failure::new("temporarily_unavailable", &words(id));
            history.add(&key("a"), failed(1, "x").because(Why::Failure(failure)));
        }
        let known = history.of(&key("a")).unwrap();
        let Some(Why::Failure(Failure { detail: Some(detail), .. })) = known[0].why.as_deref() else {
            panic!()
        };
        assert_eq!((known.len(), known[0].count), (1, 2));
        assert_eq!(detail.correlation_id.as_deref(), Some("two"));
    }

    #[test]
    fn twenty_are_kept_of_a_session() {
        let history = History::default();
        (0..50).for_each(|at| history.add(&key("a"), failed(at, &format!("code{at}"))));
        let known = of(&history, "a");
        assert_eq!((known.len(), known[0].0, known[19].0), (MOST_OF_A_SESSION, 49, 30));
    }

    #[test]
    fn of_too_many_sessions_the_quietest_are_forgotten_first() {
        let history = History::default();
        let many = i64::try_from(MOST).unwrap();
        history.add(&key("quiet"), failed(0, "a"));
        history.add(&key("quiet"), failed(1, "b"));
        history.add(&key("busy"), failed(2, "a"));
        (3..many).for_each(|at| history.add(&key(&format!("s{at}")), failed(at, "x")));
        history.add(&key("busy"), failed(many, "b"));
        assert_eq!(of(&history, "quiet"), [(1, 1)]);
        history.add(&key("last"), failed(many, "x"));
        assert!(history.of(&key("quiet")).is_none());
        assert_eq!(of(&history, "busy").len(), 2);
        assert_eq!(history.book().length, MOST);
        assert_eq!(history.book().sessions.values().map(Vec::len).sum::<usize>(), MOST);
    }
}
