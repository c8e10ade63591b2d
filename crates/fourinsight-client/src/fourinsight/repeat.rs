//! Asks an API again that was too busy to answer.

use std::time::Duration;

use reqwest::{
    Method, Request, Response, StatusCode,
    header::{DATE, HeaderMap, HeaderName, RETRY_AFTER},
};
use reqwest_middleware::{Error, Middleware, Next};
use tokio::time::sleep;

use super::manners::TIME_LIMIT;

/// Before the second, third and fourth try, where the API names no time of its own.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

const BUSY: [StatusCode; 5] = [
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// Sends a request again after a pause while the API is busy, as far as its body can be sent again.
pub(super) struct Repeat;

#[async_trait::async_trait]
impl Middleware for Repeat {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> Result<Response, Error> {
        if METHODS.contains(request.method()) {
            for usual in PAUSES {
                let Some(copy) = request.try_clone() else { break };
                let answered = next.clone().run(copy, extensions).await;
                match pause(&answered, usual) {
                    Some(pause) => {
                        // The connection is not kept for as long as the pause takes.
                        drop(answered);
                        sleep(pause).await;
                    }
                    None => return answered,
                }
            }
        }
        next.run(request, extensions).await
    }
}

/// How long to wait before another try, if there is to be one.
fn pause(answered: &Result<Response, Error>, usual: Duration) -> Option<Duration> {
    match answered {
        Ok(answer) if BUSY.contains(&answer.status()) => {
            let asked_for = retry_after(answer.headers()).unwrap_or(usual);
            (asked_for <= TIME_LIMIT).then_some(asked_for)
        }
        // Nothing was sent.
        Err(error) if error.is_connect() => Some(usual),
        _ => None,
    }
}

/// What `Retry-After` asks for (RFC 9110 section 10.2.3). A date is held against the answer's own, so that it matters
/// to nobody whether this machine's clock is right.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let field = |name: HeaderName| headers.get(name)?.to_str().ok();
    let wanted = field(RETRY_AFTER)?;
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let (then, now) =
        (httpdate::parse_http_date(wanted).ok()?, httpdate::parse_http_date(field(DATE)?).ok()?);
    Some(then.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_for(fields: &[(HeaderName, &'static str)]) -> Option<Duration> {
        retry_after(&fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect())
    }

    fn answer(status: u16, retry_after: Option<&str>) -> Response {
        let mut answer = http::Response::builder().status(status);
        if let Some(value) = retry_after {
            answer = answer.header(RETRY_AFTER, value);
        }
        answer.body("").unwrap().into()
    }

    #[test]
    fn a_time_is_named_in_seconds_or_as_a_date() {
        assert_eq!(asked_for(&[(RETRY_AFTER, "7")]), Some(Duration::from_secs(7)));
        let then = (RETRY_AFTER, "Sun, 06 Nov 1994 08:49:47 GMT");
        let now = (DATE, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(asked_for(&[then.clone(), now]), Some(Duration::from_secs(10)));
        let later = (DATE, "Sun, 06 Nov 1994 08:49:57 GMT");
        assert_eq!(asked_for(&[then.clone(), later]), Some(Duration::ZERO));
        for nothing in [&[][..], &[then], &[(RETRY_AFTER, "soon")], &[(RETRY_AFTER, "-1")]] {
            assert_eq!(asked_for(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn only_a_busy_api_is_asked_again_and_only_in_reasonable_time() {
        let usual = Duration::from_secs(1);
        for status in [413, 429, 502, 503, 504] {
            assert_eq!(pause(&Ok(answer(status, None)), usual), Some(usual), "{status}");
            assert_eq!(pause(&Ok(answer(status, Some("0"))), usual), Some(Duration::ZERO), "{status}");
        }
        for status in [200, 302, 400, 401, 404, 408, 500, 501] {
            assert_eq!(pause(&Ok(answer(status, Some("0"))), usual), None, "{status}");
        }
        assert_eq!(pause(&Ok(answer(429, Some("100"))), usual), Some(TIME_LIMIT));
        assert_eq!(pause(&Ok(answer(429, Some("101"))), usual), None);
        let failed = Err(Error::middleware(crate::Error::Protocol("x")));
        assert_eq!(pause(&failed, usual), None);
    }
}
