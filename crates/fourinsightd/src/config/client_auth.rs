//! Reads `client_auth`: one word for every kind of request, or one for each.

use super::{ConfigError, table::Table};
use crate::profile::{ClientAuth, PerRequest};

const KEY: &str = "client_auth";

/// Mutual TLS (RFC 8705), which this version does not know yet.
const MUTUAL_TLS: [&str; 3] = ["tls_client_auth", "self_signed_tls_client_auth", "mtls"];

pub(super) fn read(table: &Table<'_>) -> Result<PerRequest<Option<ClientAuth>>, ConfigError> {
    if let Ok(word) = table.text(KEY) {
        return word.map(|word| method(table, KEY, &word)).transpose().map(PerRequest::all);
    }
    let Ok(Some(kinds)) = table.table(KEY) else {
        let what = "client_auth must be one word, or a table such as { code = \"basic\", refresh = \"post\" }; correct it";
        return Err(table.error(KEY, what));
    };
    kinds.check_keys(&PerRequest::KINDS, &[])?;
    let kind = |key| kinds.text(key)?.map(|word| method(&kinds, key, &word)).transpose();
    Ok(PerRequest {
        code: kind("code")?,
        refresh: kind("refresh")?,
        device: kind("device")?,
        revoke: kind("revoke")?,
    })
}

fn method(table: &Table<'_>, key: &str, word: &str) -> Result<ClientAuth, ConfigError> {
    let known = || ClientAuth::WORDS.map(|(word, _)| word).join(", ");
    match ClientAuth::WORDS.iter().find(|(name, _)| *name == word) {
        Some((_, method)) => Ok(*method),
        None => Err(match MUTUAL_TLS.iter().find(|later| **later == word) {
            Some(later) => table.error(
                key,
                &format!(
                    "client_auth {later} is mutual TLS, which is not supported by this version yet; use one of {}",
                    known()
                ),
            ),
            None => table.error(key, &format!("client_auth is one of {}; correct it", known())),
        }),
    }
}
