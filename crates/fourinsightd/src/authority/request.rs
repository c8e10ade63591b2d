//! One authenticated form request to the server: what a redemption and a revocation have in common.

use http::{HeaderMap, HeaderValue, Method, header};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use zeroize::Zeroizing;

use super::{Failure, Registration, Retry, client_auth, grant, revoke};
use crate::{
    fault,
    http::{BODY_LIMIT, HttpExchange, HttpRequest, HttpResponse},
    profile::{Parameters, RequestKind},
};

/// The form body of a request, encoded as it grows and wiped when dropped.
#[derive(Default)]
pub(super) struct Form {
    encoded: Zeroizing<String>,
    names: Vec<String>,
}

impl Form {
    /// Adds a parameter. A name may repeat (RFC 8707's `resource`).
    pub(super) fn push(&mut self, name: &str, value: &str) {
        // Grown by hand: a string that grows by itself leaves its old buffer behind unwiped.
        let longest = self.encoded.len() + 2 + 3 * (name.len() + value.len());
        if longest > self.encoded.capacity() {
            let mut larger = Zeroizing::new(String::with_capacity(longest.max(1024)));
            larger.push_str(&self.encoded);
            self.encoded = larger;
        }
        if !self.encoded.is_empty() {
            self.encoded.push('&');
        }
        self.encoded.extend(url::form_urlencoded::byte_serialize(name.as_bytes()));
        self.encoded.push('=');
        self.encoded.extend(url::form_urlencoded::byte_serialize(value.as_bytes()));
        self.names.push(name.to_owned());
    }

    /// Adds a secret parameter.
    pub(super) fn push_secret(&mut self, name: &str, value: &SecretString) {
        self.push(name, value.expose_secret());
    }

    /// Adds the profile's own parameters; what the request says already is not said twice.
    fn push_extra(&mut self, parameters: &Parameters) {
        for (name, value) in parameters {
            if !self.names.contains(name) {
                self.push(name, value);
            }
        }
    }

    fn into_body(mut self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(std::mem::take(&mut *self.encoded).into_bytes())
    }
}

/// Sends the form, signed in as the client, to one of the registration's endpoints. The time is the wall clock's, in
/// Unix seconds: a client assertion says when it was made.
pub(super) async fn post(
    exchange: &dyn HttpExchange,
    registration: &Registration,
    kind: RequestKind,
    endpoint: &str,
    mut form: Form,
    extra: &Parameters,
    unix_now: i64,
) -> Result<HttpResponse, Retry> {
    let url = Url::parse(endpoint).map_err(|_| {
        unsent(Failure::new("invalid_endpoint", "an endpoint of this session is no URL; log in again"))
    })?;
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    client_auth::sign_in(registration, kind, unix_now, &mut headers, &mut form).await.map_err(unsent)?;
    form.push_extra(extra);
    let request = HttpRequest {
        method: Method::POST,
        url,
        headers,
        body: form.into_body(),
        route: registration.route.clone(),
        size_limit: BODY_LIMIT,
        time_limit: match kind {
            RequestKind::Revoke => revoke::TIME_LIMIT,
            RequestKind::Code | RequestKind::Refresh | RequestKind::Device => grant::TIME_LIMIT,
        },
    };
    fault::point("before_post");
    exchange.exchange(request).await.map_err(|error| Retry {
        after: None,
        ambiguous: error.sent,
        refused: false,
        failure: Failure::no_response(&error),
    })
}

/// A failure before anything was sent.
fn unsent(failure: Failure) -> Retry {
    Retry::of(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded_and_extras_never_override() {
        let mut form = Form::default();
        form.push("scope", "a b&c=d/é");
        form.push("resource", "https://one/");
        form.push("resource", "https://two/");
        let extra = [("scope", "evil"), ("audience", "x")];
        form.push_extra(&extra.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let long = "é".repeat(2000);
        form.push("long", &long);
        let body = form.into_body();
        let pairs: Vec<_> = url::form_urlencoded::parse(&body).into_owned().collect();
        assert_eq!(
            pairs,
            [
                ("scope", "a b&c=d/é"),
                ("resource", "https://one/"),
                ("resource", "https://two/"),
                ("audience", "x"),
                ("long", long.as_str()),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
}
