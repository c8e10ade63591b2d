//! Reads `[store]`: where the key is to live that seals the store.

use fourinsight_ipc::message::KeyHome;

use super::{ConfigError, table::Table};

const KEY: &str = "key";

/// The home that the file asks for, if it does.
pub(super) fn read_key_home(table: &Table<'_>) -> Result<Option<KeyHome>, ConfigError> {
    table.check_keys(&[KEY], &[])?;
    let Some(name) = table.text(KEY)? else { return Ok(None) };
    let home = KeyHome::named(&name);
    home.map(Some).ok_or_else(|| {
        table.error(KEY, "key is \"keyring\", \"credential\" or \"file\"; correct it, or leave it out")
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn read(text: &str) -> Result<Option<KeyHome>, String> {
        let config = Config::parse(Path::new("/c/config.toml"), text);
        config.map(|config| config.key_home).map_err(|error| error.to_string())
    }

    #[test]
    fn a_home_is_asked_for_by_its_name() {
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("[store]"), Ok(None));
        for home in [KeyHome::Keyring, KeyHome::Credential, KeyHome::File] {
            assert_eq!(read(&format!("[store]\nkey = \"{home}\"")), Ok(Some(home)));
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_line_and_without_its_value() {
        let error = read("[store]\nkey = \"hunter2\"").unwrap_err();
        assert!(error.starts_with("/c/config.toml:2: ") && error.contains("\"keyring\""), "{error}");
        assert!(!error.contains("hunter2"));
        assert!(read("[store]\nkeys = 1").unwrap_err().contains("key"));
    }
}
