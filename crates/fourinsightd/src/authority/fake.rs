//! A server in memory for tests of this folder: prepared answers out, requests seen in.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use http::{HeaderMap, Method};
use zeroize::Zeroizing;

use super::{Dialect, Registration};
use crate::{
    http::{ExchangeError, ExchangeFuture, HttpExchange, HttpRequest, HttpResponse, Route},
    profile::{ClientAuth, Parameters},
};

/// Answers requests in order with what was prepared.
#[derive(Default)]
pub(super) struct Fake {
    answers: Mutex<VecDeque<Result<HttpResponse, ExchangeError>>>,
    seen: Mutex<Vec<Seen>>,
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) form: Vec<(String, String)>,
    pub(super) time_limit: Duration,
}

impl Fake {
    /// The next answer: a status and a body.
    pub(super) fn answer(self, status: u16, body: &str) -> Self {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        let response = HttpResponse { status, headers: HeaderMap::new(), body };
        self.answers.lock().unwrap().push_back(Ok(response));
        self
    }

    /// The next answer: a redirect.
    pub(super) fn redirect(self, location: &str) -> Self {
        let headers = HeaderMap::from_iter([(http::header::LOCATION, location.parse().unwrap())]);
        let response = HttpResponse { status: 302, headers, body: Zeroizing::default() };
        self.answers.lock().unwrap().push_back(Ok(response));
        self
    }

    /// The next answer: none.
    pub(super) fn fail(self, sent: bool) -> Self {
        let error = ExchangeError { sent, too_long: false, cause: "connection refused".to_owned() };
        self.answers.lock().unwrap().push_back(Err(error));
        self
    }

    /// What was asked so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl HttpExchange for Fake {
    fn exchange(&self, request: HttpRequest) -> ExchangeFuture<'_> {
        self.seen.lock().unwrap().push(Seen {
            method: request.method,
            url: request.url.to_string(),
            headers: request.headers,
            form: url::form_urlencoded::parse(&request.body).into_owned().collect(),
            time_limit: request.time_limit,
        });
        let answer = self.answers.lock().unwrap().pop_front().expect("no more requests than answers");
        let limit = request.size_limit;
        Box::pin(async move {
            answer.and_then(|answer| {
                if answer.body.len() <= limit {
                    return Ok(answer);
                }
                Err(ExchangeError { sent: true, too_long: true, cause: "longer than it may be".to_owned() })
            })
        })
    }
}

/// A public client at `https://id.example.com`.
pub(crate) fn registration() -> Registration {
    let endpoint = |name: &str| format!("https://id.example.com/{name}");
    Registration {
        issuer: Some("https://id.example.com".to_owned()),
        configured_issuer: None,
        authorization_endpoint: Some(endpoint("authorize")),
        token_endpoint: endpoint("token"),
        pinned_endpoint: None,
        device_authorization_endpoint: Some(endpoint("device")),
        revocation_endpoint: Some(endpoint("revoke")),
        userinfo_endpoint: Some(endpoint("userinfo")),
        iss_in_callback: false,
        client_id: "abc".to_owned(),
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
