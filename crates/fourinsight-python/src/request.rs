//! What Python asks for: dicts with the names of the contract's messages.

use std::time::Duration;

use fourinsight_client::{
    ImportFormat, ImportRequest, LoginRequest, LoginResponse, SecretString, SessionKey,
};
use pyo3::{prelude::*, types::PyDict};

use crate::error::unusable;

/// A session key as it was typed.
pub(crate) fn session_key(text: &str) -> PyResult<SessionKey> {
    SessionKey::new(text).map_err(|invalid| unusable(&invalid.to_string()))
}

/// So many seconds.
pub(crate) fn seconds(name: &str, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| unusable(&format!("{name} is no length of time: it is counted in seconds, from 0")))
}

/// What a login is asked to be.
pub(crate) fn login(fields: &Bound<'_, PyDict>) -> PyResult<LoginRequest> {
    let mut request = LoginRequest::default();
    for (name, value) in fields.iter() {
        let name: String = name.extract()?;
        if value.is_none() {
            continue;
        }
        match name.as_str() {
            "session" => request.session = session_key(value.extract()?)?,
            "profile" => request.profile = value.extract()?,
            "flow" => request.flow = value.extract()?,
            "scope" => request.scope = value.extract()?,
            "resource" => request.resource = value.extract()?,
            "force" => request.force = value.extract()?,
            "switch_user" => request.switch_user = value.extract()?,
            "original_key" => request.original_key = value.extract()?,
            "client_id" => request.client_id = value.extract()?,
            "client_secret" => request.client_secret = Some(secret(&value)?),
            "client_session" => request.client_session = value.extract()?,
            "ephemeral" => request.ephemeral = value.extract()?,
            "until_logout" => request.until_logout = value.extract()?,
            "package" => request.package = value.extract()?,
            _ => return Err(unknown("login request", &name)),
        }
    }
    Ok(request)
}

/// How a login of `fourinsight.api` is taken over; what is taken over is not said here.
pub(crate) fn import(fields: &Bound<'_, PyDict>) -> PyResult<ImportRequest> {
    let mut request = ImportRequest::new(ImportFormat::FourinsightApi, SecretString::default());
    for (name, value) in fields.iter() {
        let name: String = name.extract()?;
        if value.is_none() {
            continue;
        }
        match name.as_str() {
            "session" => request.session = Some(session_key(value.extract()?)?),
            "original_key" => request.original_key = value.extract()?,
            "profile" => request.profile = value.extract()?,
            "package" => request.package = value.extract()?,
            "dry_run" => request.dry_run = value.extract()?,
            _ => return Err(unknown("request to take over a login", &name)),
        }
    }
    Ok(request)
}

/// What a person answers to a login.
pub(crate) fn answer(fields: &Bound<'_, PyDict>) -> PyResult<LoginResponse> {
    let mut response = LoginResponse::default();
    for (name, value) in fields.iter() {
        let name: String = name.extract()?;
        match name.as_str() {
            "pasted" => response.pasted = Some(secret(&value)?),
            "username" => response.username = value.extract()?,
            "password" => response.password = Some(secret(&value)?),
            "confirmation" => response.confirmation = value.extract()?,
            "accepted" => response.accepted = value.extract()?,
            _ => return Err(unknown("answer to a login", &name)),
        }
    }
    Ok(response)
}

fn secret(value: &Bound<'_, PyAny>) -> PyResult<SecretString> {
    Ok(SecretString::from(value.extract::<&str>()?))
}

fn unknown(what: &str, name: &str) -> PyErr {
    unusable(&format!("a {what} has no field {name:?}"))
}
