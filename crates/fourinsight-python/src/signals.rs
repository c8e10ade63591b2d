//! While a call waits: Python looks at signals, such as Ctrl-C's, only between two of its own steps, and a person may
//! want to be told what is waited for.

use std::cell::{Cell, RefCell};

use pyo3::prelude::*;

thread_local! {
    /// What is called while this thread waits.
    static ON_WAIT: RefCell<Option<Py<PyAny>>> = const { RefCell::new(None) };
    /// What ended this thread's wait.
    static RAISED: Cell<Option<PyErr>> = const { Cell::new(None) };
}

/// Makes a call during whose wait `on_wait` is called.
pub(crate) fn watched<A>(on_wait: Option<Py<PyAny>>, call: impl FnOnce() -> A) -> A {
    let before = ON_WAIT.replace(on_wait);
    let answer = call();
    ON_WAIT.set(before);
    answer
}

/// Lets Python handle the signals that have come; whether one of their handlers has raised, so that the wait is over.
pub(crate) fn end_the_wait() -> bool {
    match Python::attach(look_up) {
        Ok(()) => false,
        Err(error) => {
            RAISED.set(Some(error));
            true
        }
    }
}

/// What ended this thread's wait, if it was Python.
pub(crate) fn raised() -> Option<PyErr> {
    RAISED.take()
}

fn look_up(py: Python<'_>) -> PyResult<()> {
    py.check_signals()?;
    let on_wait = ON_WAIT.with_borrow(|on_wait| on_wait.as_ref().map(|called| called.clone_ref(py)));
    on_wait.map_or(Ok(()), |called| called.call0(py).map(drop))
}
