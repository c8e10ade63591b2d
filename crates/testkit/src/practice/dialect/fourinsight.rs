//! 4insight: a page that hands out packages, and a client whose two requests have one exact shape each.

use super::Dialect;
use crate::practice::{
    answer::Refusal,
    clients::{Client, ClientAuthentication},
    ledger::Entry,
    settings::{PackagePage, Settings},
};

/// The one shape that a client's requests with a `grant_type` have; any other is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactRequest {
    /// Whose.
    pub client_id: String,
    /// Of which `grant_type`.
    pub grant_type: String,
    /// Whether there is an `Authorization` header field.
    pub authorization: bool,
    /// The parameters of the form, in any order.
    pub parameters: Vec<String>,
}

/// The tenant of the token endpoint.
const TENANT: &str = "4subseaid.onmicrosoft.com";

/// What 4insight's clients ask for themselves.
const API_SCOPE: &str = "https://4subseaid.onmicrosoft.com/4insight-api-prod/.default";

impl Settings {
    /// The page with its client, `clients[0]`, which `fourinsight.api` signs people in as; and a client that signs in
    /// itself, `clients[1]`.
    pub fn fourinsight() -> Self {
        let user = Client {
            id: "b6c8c4d4-5fc1-4bba-b46c-8f6a6cc9843d".to_owned(),
            name: "4insight".to_owned(),
            // Form encoding changes the tilde, so it must not be done here.
            secret: Some("practice~secret.of_4insight~page~x".to_owned()),
            key: None,
            accepts: vec![ClientAuthentication::BasicRaw, ClientAuthentication::SecretOnly],
            redirect_uris: vec![],
        };
        let service = Client {
            id: "0b5e7ce1-4f9b-4f3e-8a53-5a9d1f1d7c11".to_owned(),
            name: "4insight service".to_owned(),
            secret: Some("practice~secret.of_4insight~service".to_owned()),
            key: None,
            accepts: vec![ClientAuthentication::Post],
            redirect_uris: vec![],
        };
        let exact = |grant_type: &str, authorization, parameters: &[&str]| ExactRequest {
            client_id: user.id.clone(),
            grant_type: grant_type.to_owned(),
            authorization,
            parameters: parameters.iter().map(|name| (*name).to_owned()).collect(),
        };
        Self {
            dialect: Dialect::Standard,
            exact: vec![
                exact("authorization_code", true, &["grant_type", "code"]),
                exact("refresh_token", false, &["grant_type", "client_secret", "refresh_token"]),
            ],
            package: PackagePage {
                client_id: user.id.clone(),
                scope: ["openid", "offline_access", "user_impersonation"].map(str::to_owned).to_vec(),
                tenant: Some(TENANT.to_owned()),
            },
            revocation: false,
            device_flow: None,
            legacy: false,
            scopes: ["openid", "profile", "email", "offline_access", "user_impersonation", API_SCOPE]
                .map(str::to_owned)
                .to_vec(),
            clients: vec![user, service],
            ..Self::default()
        }
    }
}

/// Insists on the exact shape of a client's requests, where it has one.
pub(in crate::practice) fn judge(
    settings: &Settings,
    client: &Client,
    request: &Entry,
) -> Result<(), Refusal> {
    let mut shapes = settings.exact.iter().filter(|exact| exact.client_id == client.id).peekable();
    if shapes.peek().is_none() {
        return Ok(());
    }
    let mut names: Vec<_> = request.form.0.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let fits = shapes.any(|exact| {
        let mut expected: Vec<_> = exact.parameters.iter().map(String::as_str).collect();
        expected.sort_unstable();
        request.form.get("grant_type") == Some(&exact.grant_type)
            && request.header("authorization").is_some() == exact.authorization
            && names == expected
    });
    if fits { Ok(()) } else { Err(Refusal::invalid_request("this client's requests have one exact shape")) }
}
