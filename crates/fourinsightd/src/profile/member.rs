//! A value that is read in a file of YAML or JSON: where a secret is already, it need not be written once more.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where a text is in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberValue {
    /// The file.
    pub file: PathBuf,
    /// The names on the way to the text, with dots between them.
    pub key: String,
}
