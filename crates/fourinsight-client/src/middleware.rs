//! Bearer tokens for `reqwest`, by way of `reqwest-middleware`.

use std::sync::Arc;

use reqwest::{
    Request, Response, StatusCode,
    header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE},
};
use reqwest_middleware::{Error, Middleware, Next};
use url::Url;

use crate::{
    AccessToken, AsyncClient, SessionKey, TokenRequest,
    origin::Guard,
    source::{Source, Wanted},
};

/// Gives every request a fresh bearer token of a session (RFC 6750 section 2.1).
///
/// An answer that says the token is no longer good, 401 unless
/// [told otherwise](Self::expired_statuses), is reported to the daemon with the API's challenge, and the request is
/// repeated once with the next token if its body can be sent twice. What the second try answers is the answer.
///
/// Tokens go to one origin only, and only over TLS or to this machine: to that of the first request, or to
/// [the one that was named](Self::only_for). Requests to other places pass without a token, and so do those with an
/// `Authorization` header of their own. A redirect to another origin is followed without the token. What is answered after
/// a redirect is neither reported nor repeated: nobody can tell which token, if any, came that far.
///
/// Plain HTTP to this machine goes where the client's proxies lead, and the token with it: a client that is used for it is
/// best built with `no_proxy()`.
///
/// ```no_run
/// use fourinsight_client::{AsyncClient, BearerMiddleware, SessionKey};
///
/// # async fn list() -> Result<(), Box<dyn std::error::Error>> {
/// let bearer = BearerMiddleware::new(AsyncClient::new()?, SessionKey::default());
/// let api = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(bearer).build();
/// let things = api.get("https://api.example.com/things").send().await?;
/// # drop(things);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A request fails with [`Error::Middleware`], which holds a [`crate::Error`], when there is no token for it, or when
/// the API refused the one that there was and a person has to sign in before there is another.
#[derive(Clone)]
pub struct BearerMiddleware {
    source: Arc<dyn Source>,
    expired: Vec<StatusCode>,
    guard: Arc<Guard>,
}

impl BearerMiddleware {
    /// Tokens of this session. Clones share the origin that they go to.
    pub fn new(client: AsyncClient, session: SessionKey) -> Self {
        Self::wanting(client, TokenRequest::new(session))
    }

    /// Tokens that meet particular demands.
    pub fn wanting(client: AsyncClient, wanted: TokenRequest) -> Self {
        Self::of(Arc::new(Wanted { client, request: wanted }))
    }

    /// Tokens of this source.
    pub(crate) fn of(source: Arc<dyn Source>) -> Self {
        Self { source, expired: vec![StatusCode::UNAUTHORIZED], guard: Arc::default() }
    }

    /// The statuses by which this API says that a token is no longer good; servers differ.
    #[must_use]
    pub fn expired_statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.expired = statuses.into_iter().collect();
        self
    }

    /// Names the origin that tokens go to, by any URL of it, instead of taking that of the first request.
    #[must_use]
    pub fn only_for(mut self, api: &Url) -> Self {
        self.guard = Guard::of(api).into();
        self
    }

    /// The session's living token.
    pub(crate) async fn token(&self) -> Result<AccessToken, crate::Error> {
        self.source.token().await
    }

    /// Says that the API refused a token. Whether that reaches the daemon changes nothing for this request.
    async fn report(&self, token: &AccessToken, refusal: &Response) {
        let challenges: Vec<_> = refusal.headers().get_all(WWW_AUTHENTICATE).iter().collect();
        let challenges: Vec<_> = challenges.into_iter().filter_map(|value| value.to_str().ok()).collect();
        let _ = match challenges.as_slice() {
            [] => self.source.client().reject(token).await,
            challenges => self.source.client().reject_with(token, &challenges.join(", ")).await,
        };
    }
}

#[async_trait::async_trait]
impl Middleware for BearerMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> Result<Response, Error> {
        if request.headers().contains_key(AUTHORIZATION) || !self.guard.admits(request.url()) {
            return next.run(request, extensions).await;
        }
        let again = request.try_clone();
        let asked = whole(request.url());
        let token = self.token().await.map_err(Error::middleware)?;
        authorize(&mut request, &token)?;
        let response = next.clone().run(request, extensions).await?;
        // Where a redirect has led, it may have led through another origin, which took the token away.
        if !self.expired.contains(&response.status()) || whole(response.url()) != asked {
            return Ok(response);
        }
        self.report(&token, &response).await;
        let Some(mut again) = again else { return Ok(response) };
        match self.token().await {
            Ok(other) if other.id() != token.id() => {
                authorize(&mut again, &other)?;
                next.run(again, extensions).await
            }
            Err(error @ (crate::Error::LoginRequired(_) | crate::Error::InteractionRequired(_))) => {
                Err(Error::middleware(error))
            }
            _ => Ok(response),
        }
    }
}

/// An address without what is never sent.
fn whole(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    url
}

fn authorize(request: &mut Request, token: &AccessToken) -> Result<(), Error> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.secret()))
        .map_err(|_| Error::middleware(crate::Error::Protocol("the token cannot be sent in a header")))?;
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(())
}
