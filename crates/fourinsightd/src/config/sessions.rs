//! Reads `[sessions.KEY]`: the sessions that the daemon opens by itself.

use std::collections::BTreeMap;

use fourinsight_ipc::SessionKey;

use super::{ConfigError, table::Table};
use crate::profile::Profile;

/// Which profile opens which session.
pub(super) fn read(
    table: &Table<'_>,
    profiles: &BTreeMap<String, Profile>,
) -> Result<BTreeMap<SessionKey, String>, ConfigError> {
    let sessions = table.tables()?.into_iter();
    sessions.map(|(key, session)| Ok((session_key(table, key)?, profile(&session, profiles)?))).collect()
}

fn session_key(table: &Table<'_>, text: &str) -> Result<SessionKey, ConfigError> {
    SessionKey::new(text).map_err(|_| {
        let what = "a session key is 1 to 128 letters, digits, spaces and . _ - @ + =, starting with a letter or a digit; correct it";
        table.error(text, what)
    })
}

fn profile(session: &Table<'_>, profiles: &BTreeMap<String, Profile>) -> Result<String, ConfigError> {
    const KEY: &str = "profile";
    session.check_keys(&[KEY], &[])?;
    let fail = |what: &str| Err(session.error(KEY, what));
    let Some(name) = session.text(KEY)? else {
        return fail("the session names no profile; add `profile`");
    };
    match profiles.get(&name) {
        None => fail("profile names a profile that does not exist; add it or name another"),
        Some(profile) if !profile.flow.is_unattended() => fail(
            "only a profile with flow = \"client_credentials\" or \"certificate\" opens a session by itself; name such a one, or log in by hand",
        ),
        Some(profile) if !profile.can_sign_in_as_itself() => fail(
            "the profile lacks client_id or client_secret (or client_key, or client_assertion), so it cannot open a session by itself; add what is missing",
        ),
        Some(_) => Ok(name),
    }
}
