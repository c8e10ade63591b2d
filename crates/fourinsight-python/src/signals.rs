//! Ctrl-C while a call waits: Python looks at a signal only between two of its own steps, so a call that waits asks it
//! to.

use std::cell::Cell;

use pyo3::prelude::*;

thread_local! {
    /// What a signal's handler raised while this thread waited.
    static RAISED: Cell<Option<PyErr>> = const { Cell::new(None) };
}

/// Lets Python handle the signals that have come; whether one of their handlers has raised, so that the wait is over.
pub(crate) fn end_the_wait() -> bool {
    match Python::attach(|py| py.check_signals()) {
        Ok(()) => false,
        Err(error) => {
            RAISED.set(Some(error));
            true
        }
    }
}

/// What ended this thread's wait, if a signal did.
pub(crate) fn raised() -> Option<PyErr> {
    RAISED.take()
}
