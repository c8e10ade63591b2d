//! A person's login session on this machine: what begins when they log in to it and ends when they log out. What it
//! is, the platform says.
//!
//! | platform | a login session is | it is over |
//! |---|---|---|
//! | Linux with systemd-logind | logind's session (`session-N.scope`) | when logind says so, or its leader has ended |
//! | Linux elsewhere, or in a process of `systemd --user` | the controlling terminal | when the process that leads its session has ended |
//! | macOS | the controlling terminal | the same |
//! | Windows | the session of the desktop | when nobody is logged on to it any more |
//!
//! It keeps people apart who share one user and mean well. It is no boundary: who runs as this user can read another
//! login session's processes, and be one of them.

/// A login session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LoginSession {
    /// One that the system counts.
    Counted {
        /// The system's name for it.
        id: String,
        /// The process with which it ends, where the system names one.
        leader: Option<u32>,
        /// When it began, in the platform's own measure, where names are used again.
        since: u64,
    },
    /// Those who share a controlling terminal.
    Terminal {
        /// The process with which it ends.
        leader: u32,
        /// When that process started, in the platform's own measure: process ids are used again.
        since: u64,
    },
}

impl LoginSession {
    /// The process with which it ends, if there is one.
    pub fn leader(&self) -> Option<u32> {
        match self {
            Self::Counted { leader, .. } => *leader,
            Self::Terminal { leader, .. } => Some(*leader),
        }
    }
}
