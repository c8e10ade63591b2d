//! The endpoints, the router over them, and the recording of every request before anything judges it.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{
    Practice, authorize, device, discovery, fault,
    ledger::{Entry, Parameters},
    protected, revocation, side, token,
};

/// The longest request body that is read.
const BODY_LIMIT: usize = 1 << 20;

/// What follows the tenant in the path of a tenant's token endpoint.
const TENANT_SUFFIX: &str = "/oauth2/v2.0/token";

/// What a client can talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    const ALL: [Self; 10] = [
        Self::Authorization,
        Self::Package,
        Self::Token,
        Self::DeviceAuthorization,
        Self::DeviceVerification,
        Self::Revocation,
        Self::UserInfo,
        Self::Discovery,
        Self::Jwks,
        Self::Api,
    ];

    /// Its paths; the first is the one in the metadata.
    pub(super) const fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Authorization => &["/authorize"],
            Self::Package => &["/auth"],
            Self::Token => &["/token"],
            Self::DeviceAuthorization => &["/device_authorization"],
            Self::DeviceVerification => &["/device"],
            Self::Revocation => &["/revoke"],
            Self::UserInfo => &["/userinfo"],
            Self::Discovery => {
                &["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
            }
            Self::Jwks => &["/jwks"],
            Self::Api => &["/api/hello"],
        }
    }

    /// The endpoint at a path.
    pub(super) fn at(path: &str) -> Option<Self> {
        if path.strip_suffix(TENANT_SUFFIX).is_some_and(|start| start.rfind('/') == Some(0)) {
            return Some(Self::Token);
        }
        Self::ALL.into_iter().find(|endpoint| endpoint.paths().contains(&path))
    }
}

/// A server under one issuer identifier: what the handlers share.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) practice: Practice,
    pub(super) issuer: Arc<str>,
}

impl Site {
    pub(super) fn uri(&self, endpoint: Endpoint) -> String {
        format!("{}{}", self.issuer, endpoint.paths()[0])
    }

    /// The token endpoint that packages name.
    pub(super) fn package_endpoint(&self) -> String {
        match &self.practice.settings().package.tenant {
            Some(tenant) => format!("{}/{tenant}{TENANT_SUFFIX}", self.issuer),
            None => self.uri(Endpoint::Token),
        }
    }
}

pub(super) fn router(practice: Practice, issuer: &str) -> Router {
    let site = Site { practice, issuer: Arc::from(issuer.trim_end_matches('/')) };
    let settings = site.practice.settings();
    let path = |endpoint: Endpoint| endpoint.paths()[0];
    let mut router = Router::new()
        .route(path(Endpoint::Authorization), get(authorize::show).post(authorize::decide))
        .route(path(Endpoint::Package), get(authorize::show_package_login))
        .route(path(Endpoint::Token), post(token::token))
        .route(path(Endpoint::Jwks), get(discovery::jwks))
        .route(path(Endpoint::Api), get(protected::hello));
    for discovery_path in Endpoint::Discovery.paths() {
        router = router.route(discovery_path, get(discovery::metadata));
    }
    if let Some(tenant) = &settings.package.tenant {
        router = router.route(&format!("/{tenant}{TENANT_SUFFIX}"), post(token::token));
    }
    if settings.device_flow.is_some() {
        router = router
            .route(path(Endpoint::DeviceAuthorization), post(device::authorize))
            .route(path(Endpoint::DeviceVerification), get(device::show).post(device::decide));
    }
    if settings.revocation {
        router = router.route(path(Endpoint::Revocation), post(revocation::revoke));
    }
    if settings.userinfo {
        router = router.route(path(Endpoint::UserInfo), get(protected::userinfo).post(protected::userinfo));
    }
    router
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(from_fn_with_state(site.clone(), fault::inject))
        .layer(from_fn_with_state(site.clone(), record))
        .merge(side::routes())
        .with_state(site)
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
