//! The requests of a session, and what each of them goes through.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, RequestBuilder};

use super::{
    manners::{Manners, RefusedUrl},
    repeat::Repeat,
};
use crate::{AccessToken, BearerMiddleware, Error, source::Source};

/// What a caller sends their requests with.
#[expect(clippy::disallowed_types, reason = "the caller's own: their TLS, their proxies")]
pub(super) type Http = reqwest::Client;

/// Sends requests with a token, and without.
#[derive(Clone)]
pub(super) struct Requests {
    http: Http,
    bearer: BearerMiddleware,
    authorized: ClientWithMiddleware,
    bare: ClientWithMiddleware,
}

impl Requests {
    pub(super) fn new(http: Http, source: Arc<dyn Source>) -> Self {
        Self::through(http, BearerMiddleware::of(source))
    }

    /// A busy API is asked again with the same token, before anybody looks at whether it was refused.
    fn through(http: Http, bearer: BearerMiddleware) -> Self {
        let polite = || ClientBuilder::new(http.clone()).with(Manners);
        let authorized = polite().with(bearer.clone()).with(Repeat).build();
        let bare = polite().with(Repeat).build();
        Self { http, bearer, authorized, bare }
    }

    pub(super) fn expired_statuses(self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        Self::through(self.http, self.bearer.expired_statuses(statuses))
    }

    pub(super) async fn token(&self) -> Result<AccessToken, Error> {
        self.bearer.token().await
    }

    pub(super) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.authorized.request(method, url)
    }

    pub(super) fn get(&self, url: &str) -> RequestBuilder {
        unless_internal(url, self.authorized.get(url))
    }

    /// A `GET` that has no token.
    pub(super) fn get_bare(&self, url: &str) -> RequestBuilder {
        unless_internal(url, self.bare.get(url))
    }
}

/// Only what the caller wrote counts: a query that is added to it may hold any word.
fn unless_internal(url: &str, request: RequestBuilder) -> RequestBuilder {
    if url.contains("internal") { request.with_extension(RefusedUrl::Internal) } else { request }
}
