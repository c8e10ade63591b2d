//! Microsoft Entra ID: everything below a tenant, whom discovery names by its GUID; ID tokens that name tenant and
//! object; refresh tokens that come anew while the old ones live; nothing to revoke at.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{Dialect, rename, token_in};
use crate::practice::{
    answer::{Cause, Refusal},
    ledger::Entry,
    rotation::Rotation,
    settings::{DeviceFlow, Settings, User},
    site::{Endpoint, Site},
};

/// What is particular to one directory.
#[derive(Clone, Debug)]
pub struct Entra {
    /// Whose users sign in.
    pub tenant: Tenant,
    /// The APIs that tokens are for.
    pub resources: Vec<Resource>,
    /// The APIs among them that want more of the person before a token is renewed for them.
    pub guarded: Vec<Guarded>,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its GUID.
    pub id: String,
    /// Its domain, which may be asked for in its place.
    pub domain: String,
}

/// An API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its identifier URI, which its scopes start with.
    pub identifier: String,
    /// Its scopes, without the identifier: what `.default` stands for.
    pub scopes: Vec<String>,
}

/// A demand for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// The identifier of the resource.
    pub resource: String,
    /// What is missing.
    pub lacks: Lacks,
}

/// What a login lacks for a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lacks {
    /// More proof of who the person is: a login whose authorization request carries the `claims`.
    Proof {
        /// Entra's finer word for the error.
        suberror: String,
        /// What the authorization request must carry, as JSON.
        claims: String,
    },
    /// The person's consent: a login that asks for the resource.
    Consent,
}

/// The tenants that stand for many.
pub(in crate::practice) const SHARED: [&str; 2] = ["common", "organizations"];

impl Settings {
    /// A directory of one tenant, `contoso.example`, with the resources `https://api.example`, `https://other.example`,
    /// `https://guarded.example`, which wants more proof of the person, and `https://unconsented.example`, which nobody
    /// has consented to yet.
    pub fn entra() -> Self {
        let resource = |host: &str| Resource {
            identifier: format!("https://{host}.example"),
            scopes: vec!["read".to_owned(), "write".to_owned()],
        };
        let entra = Entra {
            tenant: Tenant {
                id: "11d7e0ad-7c3e-4b6f-9f60-2a5a5c0c0de1".to_owned(),
                domain: "contoso.example".to_owned(),
            },
            resources: ["api", "other", "guarded", "unconsented"].map(resource).to_vec(),
            guarded: vec![
                Guarded {
                    resource: "https://guarded.example".to_owned(),
                    lacks: Lacks::Proof {
                        suberror: "basic_action".to_owned(),
                        claims: r#"{"access_token":{"capolids":{"essential":true,"values":["practice"]}}}"#
                            .to_owned(),
                    },
                },
                Guarded { resource: "https://unconsented.example".to_owned(), lacks: Lacks::Consent },
            ],
        };
        Self {
            dialect: Dialect::Entra(entra),
            rotation: Rotation::NeverRevoke,
            revocation: false,
            iss_in_callback: false,
            device_flow: Some(DeviceFlow { slows_down: false, ..DeviceFlow::default() }),
            scopes: super::super::scope::RESERVED.map(str::to_owned).to_vec(),
            ..Self::default()
        }
    }
}

impl Entra {
    /// The issuer identifier in tokens and in the tenant's own metadata.
    pub(in crate::practice) fn issuer(&self, origin: &str) -> String {
        format!("{origin}/{}/v2.0", self.tenant.id)
    }

    /// Whether a request may name this tenant.
    pub(in crate::practice) fn knows(&self, tenant: &str) -> bool {
        tenant == self.tenant.id || tenant == self.tenant.domain || SHARED.contains(&tenant)
    }

    /// The metadata that is given to who asks for a tenant.
    pub(in crate::practice) fn metadata(&self, site: &Site, asked: &str) -> Value {
        let is_shared = SHARED.contains(&asked);
        let tenant = if is_shared { asked } else { &self.tenant.id };
        let issuer =
            if is_shared { format!("{}/{{tenantid}}/v2.0", site.origin) } else { self.issuer(&site.origin) };
        let uri = |endpoint| site.uri_for(endpoint, tenant);
        json!({
            "issuer": issuer,
            "authorization_endpoint": uri(Endpoint::Authorization),
            "token_endpoint": uri(Endpoint::Token),
            "device_authorization_endpoint": uri(Endpoint::DeviceAuthorization),
            "userinfo_endpoint": uri(Endpoint::UserInfo),
            "jwks_uri": uri(Endpoint::Jwks),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "scopes_supported": super::super::scope::RESERVED,
            "request_uri_parameter_supported": false,
            "tenant_region_scope": "EU",
            "cloud_instance_name": "practice.example",
        })
    }

    /// An answer's scope in Entra's words, and the fields that only Entra has.
    pub(super) fn complete(&self, site: &Site, request: &Entry, body: &mut Value) {
        let Some(token) = token_in(site, body) else { return };
        body["ext_expires_in"] = body["expires_in"].clone();
        rename(body, "refresh_expires_in", "refresh_token_expires_in");
        if token.subject == token.client_id {
            if let Some(fields) = body.as_object_mut() {
                fields.remove("scope");
            }
            return;
        }
        body["scope"] = json!(self.spelt_out(&token.scope).join(" "));
        body["refresh_in"] = json!(site.practice.settings().access_token_life.as_secs() / 2);
        let users = &site.practice.settings().users;
        let user = users.iter().find(|user| user.subject == token.subject);
        if let (Some(user), Some("1")) = (user, request.form.get("client_info")) {
            let info = json!({ "uid": object_id(user), "utid": self.tenant.id }).to_string();
            body["client_info"] = json!(URL_SAFE_NO_PAD.encode(info));
        }
    }

    pub(super) fn complete_claims(&self, claims: &mut Value, user: &User) {
        claims["tid"] = json!(self.tenant.id);
        claims["oid"] = json!(object_id(user));
        claims["preferred_username"] = json!(format!("{}@{}", user.username, self.tenant.domain));
        claims["ver"] = json!("2.0");
    }
}

/// What is wrong whatever else the request holds.
pub(super) fn objection(request: &Entry) -> Option<Refusal> {
    let asks = [Endpoint::Token, Endpoint::DeviceAuthorization].map(Some).contains(&request.endpoint());
    let is_named = request.form.get("client_id").is_some() || request.header("authorization").is_some();
    (asks && !is_named).then(|| Refusal::missing("client_id", "client_id is missing"))
}

/// The answer to the start of a device flow has no address with the code in it, but a sentence to show.
pub(super) fn complete_device_code(body: &mut Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("verification_uri_complete");
    }
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let message = format!(
        "To sign in, use a web browser to open the page {} and enter the code {} to authenticate.",
        text("verification_uri"),
        text("user_code")
    );
    body["message"] = json!(message);
}

/// The refusal of a tenant that is not there.
pub(in crate::practice) fn unknown_tenant() -> Refusal {
    Refusal::invalid_request("no such tenant").because(Cause::TenantUnknown)
}

/// The same for each sign-in of a user.
fn object_id(user: &User) -> String {
    let hash = digest(&SHA256, user.subject.as_bytes());
    guid(hash.as_ref())
}

/// A GUID that names one request or answer.
pub(in crate::practice) fn fresh_guid() -> String {
    let random = ring::rand::generate::<[u8; 16]>(&ring::rand::SystemRandom::new())
        .expect("the system's random numbers never run out");
    guid(&random.expose())
}

/// Sixteen bytes as a version 4 GUID is written.
fn guid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().take(16).enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            text.push('-');
        }
        let byte = match index {
            6 => (byte & 0x0f) | 0x40,
            8 => (byte & 0x3f) | 0x80,
            _ => *byte,
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
