//! A value that is read in a Python package, where it is installed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where a value is in an installed Python package: a member of an object in one of its JSON files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageValue {
    /// The package, as Python imports it.
    pub package: String,
    /// The file in its folder.
    pub file: String,
    /// The member.
    pub key: String,
    /// The package's folder, where whoever logged in has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::SecretSource;

    #[test]
    fn a_record_holds_only_where_the_value_is() {
        let value = PackageValue {
            package: "fourinsight.api".to_owned(),
            file: "_constants.json".to_owned(),
            key: "USER_CLIENT_SECRET".to_owned(),
            folder: None,
        };
        let folder = std::env::temp_dir().join("fourinsight/api");
        let source = SecretSource::Package(value.clone());
        assert_eq!(source.clone().installed_at("fourinsight/api".as_ref()), source, "it is anybody's folder");
        let sources = vec![SecretSource::Env("X".to_owned()), SecretSource::Package(value)];
        let found = SecretSource::FirstOf(sources).installed_at(&folder);
        let written = serde_json::to_string(&found).unwrap();
        let folder = serde_json::to_string(&folder).unwrap();
        let expected = r#"{"first_of":[{"env":"X"},{"package":{"package":"fourinsight.api","file":"_constants.json","key":"USER_CLIENT_SECRET","folder":FOLDER}}]}"#.replace("FOLDER", &folder);
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_str::<SecretSource>(&written).unwrap(), found);
        let file = SecretSource::File("/s".into());
        assert_eq!(file.clone().installed_at("/x".as_ref()), file);
    }
}
