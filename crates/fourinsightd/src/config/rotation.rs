//! Reads `rotation`: a word, or `{ grace = "30s" }`.

use super::{ConfigError, table::Table};
use crate::profile::Rotation;

const KEY: &str = "rotation";

pub(super) fn read(table: &Table<'_>) -> Result<Rotation, ConfigError> {
    if !table.has(KEY) {
        return Ok(Rotation::default());
    }
    let fail = || {
        let words = Rotation::WORDS.map(|(word, _)| format!("\"{word}\"")).join(", ");
        table.error(KEY, &format!("rotation must be one of {words}, or {{ grace = \"30s\" }}; correct it"))
    };
    if let Ok(Some(text)) = table.text(KEY) {
        let known = Rotation::WORDS.iter().find(|(word, _)| *word == text);
        return known.map(|(_, rotation)| *rotation).ok_or_else(fail);
    }
    let Ok(Some(grace)) = table.table(KEY) else { return Err(fail()) };
    grace.check_keys(&["grace"], &[])?;
    let seconds = grace.text("grace")?.and_then(|text| fourinsight_ipc::duration::parse(&text).ok());
    let seconds = seconds.map(|grace| grace.as_secs()).filter(|seconds| *seconds > 0);
    seconds.map(Rotation::Grace).ok_or_else(fail)
}
