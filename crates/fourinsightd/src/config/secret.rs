//! Reads where a secret is: `{ file = "…" }`, `{ env = "…" }` or `{ command = ["…"] }`.

use super::{ConfigError, table::Table};
use crate::profile::SecretSource;

/// The source under this key.
pub(super) fn read(table: &Table<'_>, key: &str) -> Result<Option<SecretSource>, ConfigError> {
    if !table.has(key) {
        return Ok(None);
    }
    let fail = |what: &str| Err(table.error(key, &format!("{key} {what}")));
    let Ok(Some(source)) = table.table(key) else {
        return fail("is never written here; use { file = \"…\" }, { env = \"…\" } or { command = [\"…\"] }");
    };
    let sources = (source.text("file")?, source.text("env")?, source.texts("command")?);
    let secret_source = match sources {
        (Some(path), None, None) if !path.is_empty() => SecretSource::File(source.folder().join(path)),
        (None, Some(name), None) if !name.is_empty() && !name.contains(['=', '\0']) => {
            SecretSource::Env(name)
        }
        (None, None, Some(words)) if words.first().is_some_and(|program| !program.is_empty()) => {
            SecretSource::Command(words)
        }
        _ => return fail("takes one of file, env and command, not empty; name just one"),
    };
    match source.check_keys(&["file", "env", "command"], &[]) {
        Ok(()) => Ok(Some(secret_source)),
        Err(_) => fail("takes one of file, env and command and nothing else; remove the rest"),
    }
}
