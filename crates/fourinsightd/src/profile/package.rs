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
