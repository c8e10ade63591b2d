//! What every request of a session has, and where none goes.

use std::time::Duration;

use reqwest::{
    Request, Response,
    header::{HeaderValue, USER_AGENT},
};
use reqwest_middleware::{Error, Middleware, Next};

use crate::origin::is_private;

/// How long a request may take whose builder says nothing about it.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(100);

/// Why a session does not send a request. Its error is in [`reqwest_middleware::Error::Middleware`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedUrl {
    /// It has `internal` in it.
    #[error("the internal API is for 4insight itself; ask its support where you need it")]
    Internal,
    /// Neither https nor on this machine.
    #[error("the address is not https, so that everyone on the way could read the token; use https")]
    NotSecure,
}

/// Refuses requests that must not be sent, and gives the others a time limit and a name.
pub(super) struct Manners;

#[async_trait::async_trait]
impl Middleware for Manners {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> Result<Response, Error> {
        if let Some(refused) = extensions.get::<RefusedUrl>() {
            return Err(Error::middleware(*refused));
        }
        if !is_private(request.url()) {
            return Err(Error::middleware(RefusedUrl::NotSecure));
        }
        request.timeout_mut().get_or_insert(TIME_LIMIT);
        let name = HeaderValue::from_static(concat!("fourinsight-client/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().entry(USER_AGENT).or_insert(name);
        next.run(request, extensions).await
    }
}
