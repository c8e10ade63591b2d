//! The endpoints, the router over them, and the recording of every request before anything judges it.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};

use super::{
    Practice, authorize, device,
    dialect::{Dialect, entra},
    discovery, fault, layout,
    ledger::{Entry, Parameters},
    protected, revocation, script,
    settings::Settings,
    side, token,
};

/// The longest request body that is read.
const BODY_LIMIT: usize = 1 << 20;

/// What a client can talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// RFC 6749 section 3.1, with the login page.
    Authorization,
    /// The page that makes its own authorization request and hands out a package.
    Package,
    /// RFC 6749 section 3.2.
    Token,
    /// RFC 8628 section 3.1.
    DeviceAuthorization,
    /// Where the person enters a user code (RFC 8628 section 3.3).
    DeviceVerification,
    /// RFC 7009.
    Revocation,
    /// OpenID Connect Core section 5.3.
    UserInfo,
    /// Both metadata documents.
    Discovery,
    /// The keys of ID tokens.
    Jwks,
    /// The small API that wants an access token.
    Api,
}

impl Endpoint {
    /// The endpoint at a path.
    pub(super) fn at(path: &str) -> Option<Self> {
        layout::endpoint_at(path)
    }

    /// Whether a server with these settings has it.
    fn is_offered(self, settings: &Settings) -> bool {
        match self {
            Self::DeviceAuthorization | Self::DeviceVerification => settings.device_flow.is_some(),
            Self::Revocation => settings.revocation,
            Self::UserInfo => settings.userinfo,
            _ => true,
        }
    }

    fn handler(self) -> MethodRouter<Site> {
        match self {
            Self::Authorization => get(authorize::show).post(authorize::decide),
            Self::Package => get(authorize::show_package_login),
            Self::Token => post(token::token),
            Self::DeviceAuthorization => post(device::authorize),
            Self::DeviceVerification => get(device::show).post(device::decide),
            Self::Revocation => post(revocation::revoke),
            Self::UserInfo => get(protected::userinfo).post(protected::userinfo),
            Self::Discovery => get(discovery::metadata),
            Self::Jwks => get(discovery::jwks),
            Self::Api => get(protected::hello),
        }
    }
}

/// A server at one origin: what the handlers share.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) practice: Practice,
    pub(super) origin: Arc<str>,
    pub(super) issuer: Arc<str>,
}

impl Site {
    /// An endpoint's URI; empty where this server has none.
    pub(super) fn uri(&self, endpoint: Endpoint) -> String {
        self.uri_for(endpoint, "")
    }

    /// An endpoint's URI for a tenant.
    pub(super) fn uri_for(&self, endpoint: Endpoint, tenant: &str) -> String {
        let path = self.path(endpoint).map(|path| path.replace(layout::TENANT, tenant));
        path.map_or_else(String::new, |path| format!("{}{path}", self.origin))
    }

    pub(super) fn path(&self, endpoint: Endpoint) -> Option<&'static str> {
        layout::path(self.practice.settings().dialect.layout(), endpoint)
    }

    /// The token endpoint that packages name.
    pub(super) fn package_endpoint(&self) -> String {
        match &self.practice.settings().package.tenant {
            Some(tenant) => {
                format!("{}{}", self.origin, layout::TENANT_TOKEN.replace(layout::TENANT, tenant))
            }
            None => self.uri(Endpoint::Token),
        }
    }
}

pub(super) fn router(practice: Practice, origin: &str) -> Router {
    let origin = origin.trim_end_matches('/');
    let issuer = practice.settings().dialect.issuer(origin);
    let site = Site { practice, origin: Arc::from(origin), issuer: Arc::from(issuer) };
    let settings = site.practice.settings();
    let mut router = Router::new();
    for (endpoint, path) in settings.dialect.layout() {
        if endpoint.is_offered(settings) {
            router = router.route(path, endpoint.handler());
        }
    }
    if let (Dialect::Standard, Some(tenant)) = (&settings.dialect, &settings.package.tenant) {
        let path = layout::TENANT_TOKEN.replace(layout::TENANT, tenant);
        router = router.route(&path, Endpoint::Token.handler());
    }
    router
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(from_fn_with_state(site.clone(), only_known_tenants))
        .layer(from_fn_with_state(site.clone(), script::inject))
        .layer(from_fn_with_state(site.clone(), record))
        .layer(from_fn_with_state(site.clone(), script::before_reading))
        .merge(side::routes())
        .with_state(site)
}

/// Refuses what names a tenant that this directory is not.
async fn only_known_tenants(State(site): State<Site>, request: Request, next: Next) -> Response {
    let dialect = &site.practice.settings().dialect;
    if let (Dialect::Entra(entra), Some(tenant)) = (dialect, layout::tenant_in(request.uri().path()))
        && !entra.knows(tenant)
        && let Some(entry) = request.extensions().get::<Entry>()
    {
        return dialect.refused(&site, entry, entra::unknown_tenant());
    }
    next.run(request).await
}

/// Enters each request in the ledger as it arrives, and its status once it is answered.
async fn record(State(site): State<Site>, request: Request, next: Next) -> Response {
    let practice = &site.practice;
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let entry = entry(practice, &parts, &body);
    let index = practice.state().ledger.arrived(entry.clone());
    practice.shared.changed.send_replace(());
    parts.extensions.insert(entry);
    let mut response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if !fault::is_lost(&response) {
        practice.state().ledger.answered(index, response.status().as_u16());
        practice.shared.changed.send_replace(());
    }
    if let Ok(date) = HeaderValue::from_str(&practice.shared.timeline.http_date()) {
        response.headers_mut().entry(header::DATE).or_insert(date);
    }
    response
}

fn entry(practice: &Practice, parts: &Parts, body: &[u8]) -> Entry {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let is_form = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    Entry {
        at: practice.shared.timeline.now(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        query: Parameters::parse(parts.uri.query().unwrap_or_default().as_bytes()),
        body: body.to_vec(),
        form: if is_form { Parameters::parse(body) } else { Parameters::default() },
        status: None,
    }
}
