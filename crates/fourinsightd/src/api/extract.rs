//! Reading requests: strict about queries, lenient about body fields, and never repeating what was sent.

use std::time::Duration;

use axum::{
    body::HttpBody as _,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::request::Parts,
};
use fourinsight_ipc::{ErrorBody, ErrorCode, MAX_WAIT_SECONDS, SessionKey};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use zeroize::{Zeroize as _, Zeroizing};

use super::ApiError;
use crate::authority::claims::Claims;

/// The longest request body.
const BODY_LIMIT: usize = 64 * 1024;
/// The longest body that holds another tool's cache: a mebibyte, which JSON may write twice as long.
pub(crate) const CACHE_LIMIT: usize = 2 * 1024 * 1024 + BODY_LIMIT;
/// How long a client may take to send it.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The session key of the path.
pub(crate) struct Key(pub(crate) SessionKey);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let invalid = || ApiError::invalid(fourinsight_ipc::key::InvalidSessionKey.to_string());
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| invalid())?;
        SessionKey::new(&text).map(Self).map_err(|_| invalid())
    }
}

/// The login's id of the path; what cannot be one names no login.
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let id = Path::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id)).map_err(|_| ApiError::no_such_login())
    }
}

/// The profile's name of the path; what is no text names no profile.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let name = Path::from_request_parts(parts, state).await;
        name.map(|Path(name)| Self(name)).map_err(|_| ApiError::no_such_profile())
    }
}

/// A JSON body, within its limits of size and time.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        SizedBody::<T, BODY_LIMIT>::from_request(request, state).await.map(|SizedBody(body)| Self(body))
    }
}

/// The same with a limit of its own.
pub(crate) struct SizedBody<T, const LIMIT: usize>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync, const LIMIT: usize> FromRequest<S> for SizedBody<T, LIMIT> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let too_slow = |_| ApiError::invalid("the request's body did not arrive within ten seconds");
        let read = tokio::time::timeout(BODY_TIME, whole(request.into_body(), LIMIT));
        let bytes = read.await.map_err(too_slow)??;
        let unreadable = |error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            ApiError::invalid(format!(
                "the request's body is not the JSON this call takes (line {line}, column {column})"
            ))
        };
        serde_json::from_slice(&bytes).map(Self).map_err(unreadable)
    }
}

/// All of a body, in one buffer that is wiped afterwards: it may hold a password, or another tool's refresh token.
async fn whole(mut body: axum::body::Body, limit: usize) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let too_long = || {
        let description = format!("the request's body is longer than {} KiB", limit / 1024);
        ApiError(ErrorBody::new(ErrorCode::PayloadTooLarge, description))
    };
    let broken = |_| ApiError::invalid("the request's body did not arrive whole");
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_long());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(too_long());
        }
        if length > bytes.capacity() {
            // A vector that grew by itself would leave what it held behind.
            let mut larger = Zeroizing::new(Vec::with_capacity(length.max(2 * bytes.capacity())));
            larger.extend_from_slice(&bytes);
            bytes = larger;
        }
        bytes.extend_from_slice(&data);
        // As long as the connection reads into the same memory, it is not ours to wipe.
        if let Ok(mut data) = data.try_into_mut() {
            data.zeroize();
        }
    }
    Ok(bytes)
}

/// The query of a request. Unknown parameters are an error, so that a misspelt one does not pass in silence.
#[derive(Default)]
pub(crate) struct Query {
    pub(crate) min_validity: Option<Duration>,
    pub(crate) wait: Option<Duration>,
    pub(crate) scopes: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) claims: Option<Claims>,
    pub(crate) enable_cae: bool,
}

impl Query {
    /// Reads a query in which only these parameters may appear.
    pub(crate) fn read(query: Option<&str>, allowed: &[&str]) -> Result<Self, ApiError> {
        let mut read = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !allowed.contains(&&*name) {
                return Err(ApiError::invalid(match allowed {
                    [] => "this call takes no query parameters".to_owned(),
                    allowed => format!("unknown query parameter; this call takes {}", allowed.join(", ")),
                }));
            }
            match &*name {
                "min_validity" => {
                    read.min_validity = Some(seconds(&value, "min_validity", u64::from(u32::MAX))?);
                }
                "wait" => read.wait = Some(seconds(&value, "wait", MAX_WAIT_SECONDS)?),
                "scope" => read.scopes.extend(value.split_ascii_whitespace().map(str::to_owned)),
                "claims" if value.is_empty() => {}
                "claims" if read.claims.is_some() => {
                    return Err(ApiError::invalid("claims appears twice; join both into one JSON object"));
                }
                "claims" => {
                    let claims = Claims::read(&value);
                    read.claims = Some(claims.map_err(|error| ApiError::invalid(error.to_string()))?);
                }
                "enable_cae" => {
                    read.enable_cae =
                        value.parse().map_err(|_| ApiError::invalid("enable_cae is true or false"))?;
                }
                // Without a value it counts as left out (RFC 6749 section 3.1).
                _ if value.is_empty() => {}
                // With a space in it, it would become several scopes where the server wants resources as scopes.
                _ if !value.bytes().all(|byte| byte.is_ascii_graphic()) => {
                    return Err(ApiError::invalid("a resource is an absolute URI, without spaces"));
                }
                _ => read.resources.push(value.into_owned()),
            }
        }
        Ok(read)
    }
}

fn seconds(value: &str, name: &str, most: u64) -> Result<Duration, ApiError> {
    value
        .parse::<u64>()
        .ok()
        .filter(|seconds| *seconds <= most)
        .map(Duration::from_secs)
        .ok_or_else(|| ApiError::invalid(format!("{name} is whole seconds, at most {most}")))
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use bytes::Bytes;
    use hyper::body::Frame;

    use super::*;

    const ALL: [&str; 6] = ["min_validity", "wait", "scope", "resource", "claims", "enable_cae"];

    /// What is sent in chunks, the last one first.
    struct Parts(Vec<&'static str>);

    impl axum::body::HttpBody for Parts {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))))
        }
    }

    #[tokio::test]
    async fn a_body_in_parts_is_read_whole_up_to_its_limit() {
        const HALF: &str = include_str!("extract.rs").split_at(512).0;

        let read = async |parts: &[&'static str]| {
            whole(axum::body::Body::new(Parts(parts.iter().rev().copied().collect())), 1024).await
        };
        for (parts, expected) in [
            (&[][..], String::new()),
            (&["a", "", "bc", HALF], format!("abc{HALF}")),
            (&[HALF, HALF], HALF.repeat(2)),
        ] {
            let bytes = read(parts).await.unwrap_or_else(|_| unreachable!("it is within the limit"));
            assert_eq!(*bytes, expected.into_bytes());
        }
        let Err(ApiError(error)) = read(&[HALF, HALF, "a"]).await else { panic!("it is too long") };
        assert_eq!(error.error, ErrorCode::PayloadTooLarge);
        let announced = axum::body::Body::from(HALF.repeat(3));
        assert!(whole(announced, 1024).await.is_err());
    }

    #[test]
    fn a_query_is_read_and_scopes_may_come_together_or_apart() {
        let query =
            Query::read(Some("wait=5&scope=a+b&scope=c&resource=https%3A%2F%2Fr%2F&min_validity=90"), &ALL);
        let query = query.unwrap_or_else(|_| unreachable!("the query is right"));
        assert_eq!(
            (query.wait, query.min_validity),
            (Some(Duration::from_secs(5)), Some(Duration::from_secs(90)))
        );
        assert_eq!(query.scopes, ["a", "b", "c"]);
        assert_eq!(query.resources, ["https://r/"]);
    }

    #[test]
    fn claims_are_a_json_object_and_may_be_left_empty() {
        let read =
            |query| Query::read(Some(query), &ALL).unwrap_or_else(|_| unreachable!("the query is right"));
        let query = read("claims=%7B%22a%22%3A+null%7D&enable_cae=true");
        assert_eq!((query.claims.unwrap().as_str(), query.enable_cae), (r#"{"a":null}"#, true));
        let query = read("claims=&enable_cae=false");
        assert_eq!((query.claims, query.enable_cae), (None, false));
    }

    #[test]
    fn unknown_and_malformed_parameters_are_refused_without_being_repeated() {
        for query in [
            "wiat=5&x=s3cr3t",
            "resource=https://s3cr3t/+openid",
            "wait=-1",
            "wait=301",
            "wait=s3cr3t",
            "min_validity=5m",
            "claims=s3cr3t",
            "claims=[]",
            "claims=%7B%7D&claims=%7B%7D",
            "enable_cae=s3cr3t",
        ] {
            let Err(ApiError(error)) = Query::read(Some(query), &ALL) else { panic!("{query} was taken") };
            assert!(!error.error_description.contains("s3cr3t"), "{query}");
        }
    }
}
