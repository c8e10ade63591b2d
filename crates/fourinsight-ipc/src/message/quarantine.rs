//! What the store has set aside because it cannot be read.

use serde::{Deserialize, Serialize};

use crate::SessionKey;

/// A record, or a whole database, that cannot be read. It is kept for a person to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quarantined {
    /// Whose record it is; none for a database.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub session: Option<SessionKey>,
    /// Since when it is set aside.
    pub since: i64,
    /// What is wrong with it, for people.
    pub reason: String,
    /// The file that it is kept as.
    pub kept_as: String,
}
