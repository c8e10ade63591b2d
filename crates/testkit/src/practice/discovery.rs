//! The metadata (OpenID Connect Discovery, RFC 8414) and the keys of ID tokens.

use axum::{Extension, Json, extract::State};
use serde_json::{Value, json};

use super::{
    device,
    dialect::Dialect,
    layout,
    ledger::Entry,
    sign_in,
    site::{Endpoint, Site},
};

/// The same document at each well-known path, but for a tenant's.
pub(super) async fn metadata(State(site): State<Site>, Extension(entry): Extension<Entry>) -> Json<Value> {
    let settings = site.practice.settings();
    if let (Dialect::Entra(entra), Some(tenant)) = (&settings.dialect, layout::tenant_in(&entry.path)) {
        return Json(entra.metadata(&site, tenant));
    }
    let authentication =
        ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"];
    let algorithms = ["RS256", "PS256", "ES256", "HS256"];
    let mut document = json!({
        "issuer": &*site.issuer,
        "authorization_endpoint": site.uri(Endpoint::Authorization),
        "token_endpoint": site.uri(Endpoint::Token),
        "jwks_uri": site.uri(Endpoint::Jwks),
        "scopes_supported": settings.scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": authentication,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "acr_values_supported": sign_in::WAYS,
    });
    let mut grants = vec!["authorization_code", "refresh_token", "client_credentials"];
    if settings.legacy {
        grants.extend(["password", "implicit"]);
        document["response_types_supported"] = json!(["code", "token"]);
        document["response_modes_supported"] = json!(["query", "form_post", "fragment"]);
    }
    if settings.device_flow.is_some() {
        grants.push(device::GRANT_TYPE);
        document["device_authorization_endpoint"] = json!(site.uri(Endpoint::DeviceAuthorization));
    }
    document["grant_types_supported"] = json!(grants);
    if settings.iss_in_callback {
        document["authorization_response_iss_parameter_supported"] = json!(true);
    }
    if settings.revocation {
        document["revocation_endpoint"] = json!(site.uri(Endpoint::Revocation));
        document["revocation_endpoint_auth_methods_supported"] = json!(authentication);
        document["revocation_endpoint_auth_signing_alg_values_supported"] = json!(algorithms);
    }
    if settings.userinfo {
        document["userinfo_endpoint"] = json!(site.uri(Endpoint::UserInfo));
    }
    Json(document)
}

/// RFC 7517.
pub(super) async fn jwks(State(site): State<Site>) -> Json<Value> {
    Json(json!({ "keys": [site.practice.shared.signing_key.public_jwk()] }))
}
