//! Whole sessions: the task, the state machine, the real store and the practice server, under paused time.

mod client_credentials;
mod outages;
mod serving;
