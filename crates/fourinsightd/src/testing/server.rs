//! The practice server as the daemon meets it in memory: its registration, and the port that ends at its router.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::{Body, to_bytes},
};
use testkit::practice::{Client, Practice, fault::is_lost};
use tower::Service;
use url::Url;
use zeroize::Zeroizing;

use super::ISSUER;
use crate::{
    authority::{Dialect, Registration},
    http::{BODY_LIMIT, ExchangeError, ExchangeFuture, HttpExchange, HttpRequest, HttpResponse, Route},
    profile::{ClientAuth, Parameters},
};

/// The practice server's public client.
pub(crate) fn registration() -> Registration {
    let endpoint = |name: &str| format!("{ISSUER}/{name}");
    Registration {
        issuer: Some(ISSUER.to_owned()),
        configured_issuer: None,
        authorization_endpoint: Some(endpoint("authorize")),
        token_endpoint: endpoint("token"),
        pinned_endpoint: None,
        device_authorization_endpoint: Some(endpoint("device_authorization")),
        revocation_endpoint: Some(endpoint("revoke")),
        userinfo_endpoint: Some(endpoint("userinfo")),
        iss_in_callback: true,
        client_id: Client::public().id,
        client_secret: None,
        assertion: crate::profile::Assertion::default(),
        client_auth: ClientAuth::None.into(),
        dialect: Dialect::default(),
        rotation: crate::profile::Rotation::default(),
        authorize_params: Parameters::new(),
        code_params: Parameters::new(),
        device_params: Parameters::new(),
        device_poll_params: Parameters::new(),
        refresh_params: Parameters::new(),
        revoke_params: Parameters::new(),
        client_capabilities: Vec::new(),
        route: Route::default(),
    }
}

/// Where its logins come back to.
pub(super) const REDIRECT_URI: &str = "http://127.0.0.1:4711/callback";

/// The code verifier of RFC 7636, appendix B, and below its challenge.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Where a login begins.
pub(super) fn authorization_uri(scopes: &[&str], resources: &[&str]) -> String {
    let mut uri = Url::parse(&registration().authorization_endpoint.unwrap()).unwrap();
    uri.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &Client::public().id)
        .append_pair("redirect_uri", REDIRECT_URI)
        .append_pair("scope", &scopes.join(" "))
        .append_pair("code_challenge", CHALLENGE)
        .append_pair("code_challenge_method", "S256")
        .extend_pairs(resources.iter().map(|resource| ("resource", resource)));
    uri.into()
}

/// The port to authorization servers, ending at the practice server's router.
pub(crate) struct InMemory {
    router: Router,
    mishaps: Arc<Mishaps>,
}

/// What befalls exchanges on this side of the server.
#[derive(Default)]
pub(crate) struct Mishaps {
    /// How many of the next ones panic before anything is sent: a defect of the daemon.
    pub(crate) panics_before: AtomicUsize,
    /// How many of the next ones panic once the server has answered.
    pub(crate) panics_after: AtomicUsize,
    /// One of so many is refused before anything is sent; where it is zero, none is.
    pub(crate) refused_one_in: AtomicUsize,
    /// How many there were.
    pub(crate) exchanges: AtomicUsize,
}

impl Mishaps {
    fn panic(which: &AtomicUsize) {
        let left = which.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        assert!(left.is_err(), "a defect that a test asked for");
    }

    fn is_refused(&self) -> bool {
        let number = self.exchanges.fetch_add(1, Ordering::Relaxed);
        number.checked_rem(self.refused_one_in.load(Ordering::Relaxed)) == Some(0)
    }
}

impl InMemory {
    /// Ending at this one.
    pub(crate) fn over(practice: &Practice) -> Self {
        Self { router: practice.router(ISSUER), mishaps: Arc::default() }
    }

    /// The same, with these mishaps.
    pub(crate) fn with(self, mishaps: Arc<Mishaps>) -> Self {
        Self { mishaps, ..self }
    }
}

impl HttpExchange for InMemory {
    fn exchange(&self, request: HttpRequest) -> ExchangeFuture<'_> {
        let failed = |sent, cause: &str| ExchangeError { sent, too_long: false, cause: cause.to_owned() };
        let router = self.router.clone();
        let mishaps = Arc::clone(&self.mishaps);
        Box::pin(async move {
            if mishaps.is_refused() {
                return Err(failed(false, "the connection was refused"));
            }
            Mishaps::panic(&mishaps.panics_before);
            let limit = request.time_limit;
            let exchanged = tokio::time::timeout(limit, exchange(router, request)).await;
            Mishaps::panic(&mishaps.panics_after);
            exchanged
                .map_err(|_| failed(true, "no answer in time"))?
                .ok_or_else(|| failed(true, "the connection closed without an answer"))
        })
    }
}

async fn exchange(mut router: Router, request: HttpRequest) -> Option<HttpResponse> {
    let target = format!("{}?{}", request.url.path(), request.url.query().unwrap_or_default());
    let mut sent = http::Request::new(Body::from(request.body.to_vec()));
    *sent.method_mut() = request.method;
    *sent.uri_mut() = target.parse().unwrap();
    *sent.headers_mut() = request.headers;
    let Ok(response) = router.call(sent).await;
    if is_lost(&response) {
        return None;
    }
    let (parts, body) = response.into_parts();
    let body = Zeroizing::new(to_bytes(body, BODY_LIMIT).await.ok()?.to_vec());
    Some(HttpResponse { status: parts.status.as_u16(), headers: parts.headers, body })
}
