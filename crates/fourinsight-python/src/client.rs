//! The client's calls. Each lets other threads of Python run while it waits, and can be interrupted.

use std::path::PathBuf;

use fourinsight_client::{
    Client as Calls, Error, LocationOptions, Locations, SecretString, SessionKey, TokenRequest,
};
use pyo3::{prelude::*, types::PyDict};
use serde::Serialize;

use crate::{
    error,
    request::{self, seconds},
    signals,
    token::AccessToken,
    token_file, value,
};

/// Talks to this user's daemon. Threads may share it, and a forked child opens connections of its own.
#[pyclass(frozen, module = "fourinsight_broker")]
pub(crate) struct Client(Calls);

#[pymethods]
impl Client {
    /// A client of the daemon that listens at `socket`, or that these locations and the environment lead to.
    #[new]
    #[pyo3(signature = (*, state_dir = None, socket = None, autostart = true))]
    fn new(
        py: Python<'_>,
        state_dir: Option<PathBuf>,
        socket: Option<PathBuf>,
        autostart: bool,
    ) -> PyResult<Self> {
        let options = LocationOptions { state_dir, socket, ..LocationOptions::default() };
        let locations = Locations::resolve(options).map_err(|problem| error::raised(py, &problem.into()))?;
        let calls = Calls::with_locations(locations).autostart(autostart);
        Ok(Self(calls.interrupted_by(signals::end_the_wait)))
    }

    /// A living access token. While it is waited for, `on_wait` is called several times a second.
    #[pyo3(signature = (
        session_key, *, scope = None, resource = None, claims = None, enable_cae = false, min_validity = None,
        wait = None, on_wait = None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "each is a demand with a name of its own")]
    fn token(
        &self,
        py: Python<'_>,
        session_key: &str,
        scope: Option<String>,
        resource: Option<String>,
        claims: Option<String>,
        enable_cae: bool,
        min_validity: Option<f64>,
        wait: Option<f64>,
        on_wait: Option<Py<PyAny>>,
    ) -> PyResult<AccessToken> {
        let mut request = TokenRequest::new(request::session_key(session_key)?);
        request.scope = scope;
        request.resources = resource.into_iter().collect();
        request.claims = claims;
        request.enable_cae = enable_cae;
        request.min_validity = min_validity.map(|time| seconds("min_validity", time)).transpose()?;
        request.wait = wait.map(|time| seconds("wait", time)).transpose()?;
        signals::watched(on_wait, || self.call(py, |calls| calls.token_for(&request))).map(AccessToken)
    }

    /// Reports that an API refused this token, with the `WWW-Authenticate` field that it sent.
    #[pyo3(signature = (token, www_authenticate = None))]
    fn reject<'py>(
        &self,
        py: Python<'py>,
        token: &AccessToken,
        www_authenticate: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.answer(py, |calls| match www_authenticate {
            Some(challenge) => calls.reject_with(&token.0, challenge),
            None => calls.reject(&token.0),
        })
    }

    /// Where a session stands.
    fn status<'py>(&self, py: Python<'py>, session_key: &str) -> PyResult<Bound<'py, PyAny>> {
        let key = request::session_key(session_key)?;
        self.answer(py, |calls| calls.status(&key))
    }

    /// What was last tried for a session.
    fn attempts<'py>(&self, py: Python<'py>, session_key: &str) -> PyResult<Bound<'py, PyAny>> {
        let key = request::session_key(session_key)?;
        self.answer(py, |calls| calls.attempts(&key))
    }

    /// Where every session stands.
    fn sessions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.answer(py, Calls::sessions)
    }

    /// The profiles of the configuration.
    fn profiles<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.answer(py, Calls::profiles)
    }

    /// How the daemon is.
    fn health<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.answer(py, Calls::health)
    }

    /// Which daemon it is.
    fn version<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.answer(py, Calls::version)
    }

    /// Starts the daemon if it is not running.
    fn start_daemon(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, Calls::start_daemon)
    }

    /// Begins a login.
    fn start_login<'py>(&self, py: Python<'py>, request: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        let request = request::login(request)?;
        self.answer(py, |calls| calls.start_login(&request))
    }

    /// Where a login stands: at once when it has ended, else after so many seconds at the latest.
    fn login<'py>(&self, py: Python<'py>, id: &str, wait: f64) -> PyResult<Bound<'py, PyAny>> {
        let wait = seconds("wait", wait)?;
        self.answer(py, |calls| calls.login(id, wait))
    }

    /// Answers a login with what the person pasted.
    fn respond_to_login<'py>(&self, py: Python<'py>, id: &str, pasted: &str) -> PyResult<Bound<'py, PyAny>> {
        let pasted = SecretString::from(pasted);
        self.answer(py, |calls| calls.respond_to_login(id, pasted))
    }

    /// Answers a login with whatever it waits for.
    fn answer_login<'py>(
        &self,
        py: Python<'py>,
        id: &str,
        answer: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let answer = request::answer(answer)?;
        self.answer(py, |calls| calls.answer_login(id, &answer))
    }

    /// Ends a login that nobody wants any more.
    fn cancel_login<'py>(&self, py: Python<'py>, id: &str) -> PyResult<Bound<'py, PyAny>> {
        self.answer(py, |calls| calls.cancel_login(id))
    }

    /// Takes over the login in a token file of `fourinsight.api`, and puts the file away; with `dry_run` says whether
    /// it would.
    fn take_over<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        request: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let request = request::import(request)?;
        self.answer(py, move |calls| token_file::take_over(calls, &path, request))
    }

    /// Revokes a session at its server, and forgets it here in every case.
    fn revoke<'py>(&self, py: Python<'py>, session_key: &str) -> PyResult<Bound<'py, PyAny>> {
        let key = request::session_key(session_key)?;
        self.answer(py, |calls| calls.revoke(&key))
    }
}

impl Client {
    fn answer<'py, A: Serialize + Send>(
        &self,
        py: Python<'py>,
        call: impl FnOnce(&Calls) -> Result<A, Error> + Send,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, call).and_then(|answer| value::of(py, &answer))
    }

    fn call<A: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&Calls) -> Result<A, Error> + Send,
    ) -> PyResult<A> {
        // What ended an earlier wait of this thread was raised then.
        py.detach(|| call(&self.0))
            .map_err(|problem| signals::raised().unwrap_or_else(|| error::raised(py, &problem)))
    }
}

/// The key here for a `session_key` of `fourinsight.api`, and theirs where it is another.
#[pyfunction]
#[pyo3(signature = (key))]
pub(crate) fn session_key_of_seed(key: Option<&str>) -> (String, Option<String>) {
    let mapped = SessionKey::of_seed(key);
    let original = key.filter(|&original| original != mapped.as_str());
    (mapped.as_str().to_owned(), original.map(str::to_owned))
}
