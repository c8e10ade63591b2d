//! The profile with which `fourinsightd` signs in at a server, as lines of a `config.toml`.

use serde_json::{Value, json};

use super::{Dialect, Endpoint, Practice, Serving, layout};

impl Practice {
    /// The lines of a profile of this server's first client: where it is, and what its dialect wants said. A JSON
    /// string is a TOML string too.
    pub fn profile(&self, serving: &Serving) -> String {
        let settings = self.settings();
        let uri = |endpoint| {
            let path = layout::path(settings.dialect.layout(), endpoint).unwrap_or_default();
            json!([serving.origin.as_str(), path].concat())
        };
        let issuer = ("issuer", json!(serving.issuer));
        let lines = match &settings.dialect {
            Dialect::Standard if settings.exact.is_empty() => {
                vec![issuer, ("scopes", json!(["openid", "offline_access"]))]
            }
            Dialect::Standard => self.package_lines(serving),
            Dialect::Entra(entra) => {
                let scopes =
                    entra.resources.first().map(|resource| format!("{}/.default", resource.identifier));
                vec![issuer, ("resource_style", json!("entra")), ("scopes", json!([scopes]))]
            }
            Dialect::GitHub => vec![
                ("authorization_endpoint", uri(Endpoint::Authorization)),
                ("token_endpoint", uri(Endpoint::Token)),
                ("device_authorization_endpoint", uri(Endpoint::DeviceAuthorization)),
                ("scopes", json!(["repo"])),
            ],
            Dialect::Auth0(auth0) => vec![
                issuer,
                ("resource_style", json!("audience")),
                ("resources", json!(auth0.audiences)),
                ("scopes", json!(["openid", "offline_access"])),
            ],
        };
        let client = settings.clients.first().map(|client| ("client_id", json!(client.id)));
        let lines = client.into_iter().chain(lines);
        lines.map(|(name, value)| [name, " = ", &value.to_string(), "\n"].concat()).collect()
    }

    /// Packages, and a client that proves itself as 4insight's does. The practice secret is printed by a command.
    fn package_lines(&self, serving: &Serving) -> Vec<(&'static str, Value)> {
        let settings = self.settings();
        let at = |path: &str| json!([serving.origin.as_str(), path].concat());
        let secret = settings.clients.first().and_then(|client| client.secret.as_deref());
        vec![
            ("flow", json!("paste")),
            ("authorization_endpoint", at("/auth")),
            ("allowed_token_endpoints", json!([at(layout::TENANT_TOKEN)])),
            ("userinfo_endpoint", at("/userinfo")),
            ("client_secret.command", json!(["printf", "%s", secret])),
            ("client_auth.code", json!("basic_raw")),
            ("client_auth.refresh", json!("secret_only")),
        ]
    }
}
