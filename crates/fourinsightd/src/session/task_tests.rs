//! Whole sessions: the task, the state machine, the real store and the practice server, under paused time.

mod outages;
mod serving;
