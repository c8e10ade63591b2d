//! Reads the extra parameters of each kind of request.

use super::{ConfigError, table::Table};
use crate::profile::Parameters;

/// The keys read here.
pub(super) const KEYS: [&str; 7] = [
    "authorize_params",
    "force_params",
    "code_params",
    "device_params",
    "device_poll_params",
    "refresh_params",
    "revoke_params",
];

/// Extra parameters, by the kind of request.
pub(super) struct ByRequest {
    pub(super) authorize: Parameters,
    pub(super) force: Option<Parameters>,
    pub(super) code: Parameters,
    pub(super) device: Parameters,
    pub(super) device_poll: Parameters,
    pub(super) refresh: Parameters,
    pub(super) revoke: Parameters,
}

pub(super) fn read(table: &Table<'_>) -> Result<ByRequest, ConfigError> {
    let one = |key, own: &[&str]| Ok(parameters(table, key, own)?.unwrap_or_default());
    Ok(ByRequest {
        authorize: one("authorize_params", &AUTHORIZE_PARAMETERS)?,
        force: parameters(table, "force_params", &AUTHORIZE_PARAMETERS)?,
        code: one("code_params", &["grant_type", "code", "redirect_uri", "code_verifier"])?,
        device: one("device_params", &["client_id", "scope", "resource"])?,
        device_poll: one("device_poll_params", &["grant_type", "device_code", "client_id", "resource"])?,
        refresh: one("refresh_params", &["grant_type", "refresh_token"])?,
        revoke: one("revoke_params", &["token"])?,
    })
}

/// What the daemon itself says in an authorization request.
const AUTHORIZE_PARAMETERS: [&str; 9] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "resource",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];

fn parameters(table: &Table<'_>, key: &str, own: &[&str]) -> Result<Option<Parameters>, ConfigError> {
    let Some(parameters) = table.text_table(key)? else { return Ok(None) };
    if parameters.contains_key("client_secret") {
        let what =
            format!("{key} must not hold a client secret; use client_secret with file, env or command");
        return Err(table.error(key, &what));
    }
    if ["client_assertion", "client_assertion_type"].iter().any(|name| parameters.contains_key(*name)) {
        let what = format!("{key} must not hold a client assertion; use client_assertion or client_key");
        return Err(table.error(key, &what));
    }
    match own.iter().find(|name| parameters.contains_key(**name)) {
        Some(name) => {
            let what = format!("{key} must not set {name}: the daemon does; remove it");
            Err(table.error(key, &what))
        }
        None => Ok(Some(parameters)),
    }
}
