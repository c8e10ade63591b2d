//! What a person granted.

use serde_json::Value;

/// What a person granted: the root of a family.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) client_id: String,
    pub(super) subject: String,
    pub(super) scope: Vec<String>,
    /// Named at authorization (RFC 8707); none named: any may be asked for later.
    pub(super) resources: Vec<String>,
    /// The `claims` that the person signed in with.
    pub(super) claims: Option<Value>,
    /// Whether it came by the device flow.
    pub(super) by_device: bool,
    /// How the person signed in, where it was otherwise than usual.
    pub(super) acr: Option<String>,
    /// In Unix seconds.
    pub(super) signed_in_at: u64,
}

impl Grant {
    /// What a client gets as itself.
    pub(super) fn of_client(client_id: &str, scope: &[String], signed_in_at: u64) -> Self {
        Self {
            client_id: client_id.to_owned(),
            subject: client_id.to_owned(),
            scope: scope.to_vec(),
            resources: vec![],
            claims: None,
            by_device: false,
            acr: None,
            signed_in_at,
        }
    }
}
