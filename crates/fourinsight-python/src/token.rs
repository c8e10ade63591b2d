//! The access token that Python is given.

use fourinsight_client::AccessToken as Answered;
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyDict};

/// A living access token. Neither `repr` nor `str` show it, and it cannot be pickled.
#[pyclass(frozen, module = "fourinsight_broker")]
pub(crate) struct AccessToken(pub(crate) Answered);

#[pymethods]
impl AccessToken {
    /// The bearer token itself (RFC 6750).
    #[getter]
    fn secret(&self) -> &str {
        self.0.secret()
    }

    /// When it expires, in Unix seconds by this machine's clock; `None` when nobody knows.
    #[getter]
    fn expires_at(&self) -> Option<i64> {
        self.0.expires_at()
    }

    /// How many seconds it was still good for when it was answered; `None` when nobody knows.
    #[getter]
    fn expires_in(&self) -> Option<f64> {
        self.0.expires_in().map(|left| left.as_secs_f64())
    }

    /// Its scope, space-separated; `None` when the server named none.
    #[getter]
    fn scope(&self) -> Option<&str> {
        self.0.scope()
    }

    /// Names it without revealing it.
    #[getter]
    fn id(&self) -> &str {
        self.0.id()
    }

    /// The key of the session that it belongs to.
    #[getter]
    fn session(&self) -> &str {
        self.0.session().as_str()
    }

    fn __repr__(&self) -> String {
        let expires_at = self.0.expires_at().map_or_else(|| "None".to_owned(), |time| time.to_string());
        format!("<AccessToken of session '{}', expires_at={expires_at}>", self.0.session())
    }

    fn __copy__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __deepcopy__<'py>(this: Bound<'py, Self>, _memo: &Bound<'py, PyDict>) -> Bound<'py, Self> {
        this
    }

    #[expect(clippy::unused_self, reason = "a method of Python's protocol")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "an access token cannot be pickled; ask for one in the process that needs it",
        ))
    }
}
