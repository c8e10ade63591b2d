//! What a failed call raises: the exceptions of `fourinsight_broker.errors`, one for each kind of failure.

use fourinsight_client::Error;
use pyo3::{
    exceptions::{PyRuntimeError, PyValueError},
    prelude::*,
    types::{PyDict, PyType},
};

use crate::value;

/// The exception for a failure. Its text is the failure's own.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    exception(py, error).unwrap_or_else(|problem| problem)
}

/// An argument that no request can hold.
pub(crate) fn unusable(what: &str) -> PyErr {
    PyValueError::new_err(what.to_owned())
}

fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let class = py.import("fourinsight_broker.errors")?.getattr(class(error))?;
    let class = class.cast_into::<PyType>().map_err(|_| PyRuntimeError::new_err("errors are classes"))?;
    let details = PyDict::new(py);
    if let Some(body) = error.body() {
        details.set_item("code", value::of(py, &body.error)?)?;
        details.set_item("description", &body.error_description)?;
        details.set_item("retry_after", body.retry_after.map(|seconds| seconds as f64))?;
    }
    Ok(PyErr::from_value(class.call((error.to_string(),), Some(&details))?))
}

fn class(error: &Error) -> &'static str {
    match error {
        Error::NotRunning { .. } => "NotRunning",
        Error::NotTrusted(_) => "NotTrusted",
        Error::StartFailed { .. } => "StartFailed",
        Error::LoginRequired(_) => "LoginRequired",
        Error::InteractionRequired(_) => "InteractionRequired",
        Error::TemporarilyUnavailable(_) => "TemporarilyUnavailable",
        Error::AccessDenied(_) => "AccessDenied",
        Error::NotFound(_) => "NotFound",
        Error::InvalidRequest(_) | Error::Location(_) => "InvalidRequest",
        Error::Server(_) => "ServerError",
        Error::Protocol(_) => "ProtocolError",
        Error::Io(_) => "ConnectionFailed",
        _ => "BrokerError",
    }
}
