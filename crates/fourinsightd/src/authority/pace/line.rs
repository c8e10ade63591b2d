//! The line before one token endpoint: who is in it, who goes next, and when. Pure: the time comes as an argument.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::sync::Notify;

use crate::{authority::Failure, clock::Timestamp};

/// Requests in any second, those of people aside. Two less than a server is promised: theirs wait for nobody.
const MOST: usize = 8;

/// In which time at most [`MOST`] are sent.
const WINDOW: Duration = Duration::from_secs(1);

/// Who has waited for so long is as urgent as who somebody waits for.
const LONG: Duration = Duration::from_secs(30);

/// What decides who goes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Urgency {
    /// A caller waits for what comes of it.
    pub(crate) is_waited_for: bool,
    /// When the access token ends that it is to replace; `None` when there is none.
    pub(crate) ends_at: Option<Timestamp>,
}

/// The server has asked to be left alone.
#[derive(Clone, Debug)]
pub(crate) struct Pause {
    /// Until then.
    pub(crate) until: Timestamp,
    /// In these words.
    pub(crate) failure: Failure,
}

/// The line before one endpoint. `T` is how somebody in it is reached.
pub(super) struct Line<T> {
    waiting: Vec<Waiting<T>>,
    /// When the latest requests were sent.
    sent: VecDeque<Timestamp>,
    /// Whose turn has come and who has not sent anything yet.
    admitted: usize,
    joined: u64,
    pause: Option<Pause>,
    fails: bool,
    /// When it last began to work again.
    pub(super) recovered_at: Option<Timestamp>,
    /// Somebody sees to it that the line moves.
    pub(super) is_driven: bool,
    /// Tells that one when there is a reason to look again.
    pub(super) changed: Arc<Notify>,
}

struct Waiting<T> {
    number: u64,
    since: Timestamp,
    urgency: Urgency,
    given: T,
}

/// What is to be done next.
pub(super) enum Next<T> {
    /// The line is empty; nobody drives it any more.
    Nobody,
    /// It is the turn of this one.
    Turn(T),
    /// This one is to come back later.
    Paused(T, Pause),
    /// The next turn comes then.
    At(Timestamp),
    /// The next turn comes once somebody has sent a request, or does without.
    OnceSent,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            sent: VecDeque::new(),
            admitted: 0,
            joined: 0,
            pause: None,
            fails: false,
            recovered_at: None,
            is_driven: false,
            changed: Arc::default(),
        }
    }
}

impl<T> Line<T> {
    /// Somebody joins; the number is theirs.
    pub(super) fn join(&mut self, urgency: Urgency, now: Timestamp, given: T) -> u64 {
        self.joined += 1;
        self.waiting.push(Waiting { number: self.joined, since: now, urgency, given });
        // Who drives the line may be waiting for a later turn than this one's.
        self.changed.notify_one();
        self.joined
    }

    /// Somebody waits for this one now.
    pub(super) fn hurry(&mut self, number: u64) {
        for one in self.waiting.iter_mut().filter(|one| one.number == number) {
            one.urgency.is_waited_for = true;
        }
    }

    /// This one leaves without a turn.
    pub(super) fn leave(&mut self, number: u64) -> Option<T> {
        let at = self.waiting.iter().position(|one| one.number == number)?;
        self.changed.notify_one();
        Some(self.waiting.swap_remove(at).given)
    }

    /// Decides what is to be done next.
    pub(super) fn next(&mut self, now: Timestamp) -> Next<T> {
        if self.waiting.is_empty() {
            self.is_driven = false;
            return Next::Nobody;
        }
        self.pause.take_if(|pause| pause.until <= now);
        if let Some(pause) = &self.pause {
            let pause = pause.clone();
            return self.waiting.pop().map_or(Next::Nobody, |one| Next::Paused(one.given, pause));
        }
        while self.sent.front().is_some_and(|at| *at + WINDOW <= now) {
            self.sent.pop_front();
        }
        if self.sent.len() + self.admitted >= MOST {
            let free = self.sent.len().checked_sub(MOST.saturating_sub(self.admitted));
            return free.and_then(|at| self.sent.get(at)).map_or(Next::OnceSent, |at| Next::At(*at + WINDOW));
        }
        let order = |one: &Waiting<T>| {
            let in_haste = one.urgency.is_waited_for || one.since + LONG <= now;
            (!in_haste, one.urgency.ends_at, one.number)
        };
        let next = (0..self.waiting.len()).min_by_key(|at| order(&self.waiting[*at]));
        next.map_or(Next::Nobody, |at| {
            self.admitted += 1;
            Next::Turn(self.waiting.swap_remove(at).given)
        })
    }

    /// A request is sent by somebody whose turn had come.
    pub(super) fn send_admitted(&mut self, now: Timestamp) {
        self.send(now);
        self.keep();
    }

    /// Somebody whose turn had come sends nothing.
    pub(super) fn keep(&mut self) {
        self.admitted = self.admitted.saturating_sub(1);
        self.changed.notify_one();
    }

    /// A request is sent.
    pub(super) fn send(&mut self, now: Timestamp) {
        while self.sent.front().is_some_and(|at| *at + WINDOW <= now) {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    /// Nobody has a turn for a while. Returns those who were waiting for one.
    pub(super) fn pause(&mut self, pause: Pause) -> Vec<(T, Pause)> {
        let pause = match self.pause.take().filter(|earlier| earlier.until >= pause.until) {
            Some(longer) => longer,
            None => pause,
        };
        self.changed.notify_one();
        let stopped = std::mem::take(&mut self.waiting).into_iter();
        let stopped = stopped.map(|one| (one.given, pause.clone())).collect();
        self.pause = Some(pause);
        stopped
    }

    /// A request brought nothing.
    pub(super) fn fails(&mut self) {
        self.fails = true;
    }

    /// The server has answered. Returns whether it had not before.
    pub(super) fn works(&mut self, now: Timestamp) -> bool {
        let recovers = std::mem::take(&mut self.fails);
        if recovers {
            self.recovered_at = Some(now);
        }
        recovers
    }
}
