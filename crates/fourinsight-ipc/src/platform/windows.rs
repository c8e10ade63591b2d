//! Named pipes, user SIDs and detached processes.
