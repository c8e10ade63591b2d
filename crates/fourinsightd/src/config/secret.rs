//! Reads where a secret is: `{ file = "…" }`, `{ env = "…" }` or `{ command = ["…"] }`; or `{ first_of = […] }` of such,
//! and of `{ package = "…", file = "…", key = "…" }`. A file with a key beside it is of YAML or JSON.

use super::{ConfigError, table::Table};
use crate::profile::{MemberValue, PackageValue, SecretSource};

/// The source under this key.
pub(super) fn read(table: &Table<'_>, key: &str) -> Result<Option<SecretSource>, ConfigError> {
    if !table.has(key) {
        return Ok(None);
    }
    let fail = |what: &str| Err(table.error(key, &format!("{key} {what}")));
    let Ok(Some(source)) = table.table(key) else {
        return fail("is never written here; use { file = \"…\" }, { env = \"…\" } or { command = [\"…\"] }");
    };
    if source.has("first_of") {
        let sources = source.table_list("first_of")?.unwrap_or_default();
        let sources = sources.iter().map(one).collect::<Result<Option<Vec<_>>, _>>()?;
        return match (sources, source.check_keys(&["first_of"], &[])) {
            (Some(sources), Ok(())) if !sources.is_empty() => Ok(Some(SecretSource::FirstOf(sources))),
            _ => fail(
                "takes with first_of a list of file, env, command and package, and nothing else; correct it",
            ),
        };
    }
    let Some(secret_source) = one(&source)? else {
        return fail("takes one of file, env and command, not empty; name just one");
    };
    let known: &[&str] = match secret_source {
        SecretSource::Package(_) => &["package", "file", "key"],
        SecretSource::Member(_) => &["file", "key"],
        _ => &["file", "env", "command"],
    };
    match source.check_keys(known, &[]) {
        Ok(()) => Ok(Some(secret_source)),
        Err(_) => fail("takes one of file, env and command and nothing else; remove the rest"),
    }
}

/// A single source; none where the table names none, or several.
fn one(source: &Table<'_>) -> Result<Option<SecretSource>, ConfigError> {
    if let Some(package) = source.text("package")? {
        let (file, key) = (source.text("file")?, source.text("key")?);
        let is_name = |text: &String| {
            !text.is_empty() && !text.contains(['/', '\\', ':', '\0']) && !text.starts_with('.')
        };
        let value = file.zip(key).map(|(file, key)| PackageValue { package, file, key, folder: None });
        return Ok(value
            .filter(|value| is_name(&value.package) && is_name(&value.file) && !value.key.is_empty())
            .map(SecretSource::Package));
    }
    if let Some(key) = source.text("key")? {
        let file = source.text("file")?.filter(|file| !file.is_empty() && !key.is_empty());
        return Ok(
            file.map(|file| SecretSource::Member(MemberValue { file: source.folder().join(file), key }))
        );
    }
    let sources = (source.text("file")?, source.text("env")?, source.texts("command")?);
    Ok(match sources {
        (Some(path), None, None) if !path.is_empty() => Some(SecretSource::File(source.folder().join(path))),
        (None, Some(name), None) if !name.is_empty() && !name.contains(['=', '\0']) => {
            Some(SecretSource::Env(name))
        }
        (None, None, Some(words)) if words.first().is_some_and(|program| !program.is_empty()) => {
            Some(SecretSource::Command(words))
        }
        _ => None,
    })
}
