//! Answers scripted by a test: wrong, late, lost, or genuine but held back.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode},
    middleware::Next,
    response::Response,
};
use tokio::sync::watch;

use super::site::{Endpoint, Site};

/// How one request is to be answered.
///
/// Unless it is [`Self::after_committing`], a scripted answer comes *instead of* any processing: the server's
/// state does not change, and nothing the request carries is spent.
#[derive(Clone)]
pub struct Answer {
    outcome: Outcome,
    after_committing: bool,
    delay: Duration,
    gate: Option<Gate>,
}

#[derive(Clone)]
enum Outcome {
    Genuine,
    Scripted { status: StatusCode, headers: Vec<(HeaderName, HeaderValue)>, body: Vec<u8> },
    Lost,
    Hanging,
}

impl Answer {
    /// The answer the server gives by itself; for holding back.
    pub fn genuine() -> Self {
        Self::of(Outcome::Genuine)
    }

    /// This status, with no body yet.
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("a test names a valid status");
        Self::of(Outcome::Scripted { status, headers: Vec::new(), body: Vec::new() })
    }

    /// This status with a JSON body.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::status(status).header("content-type", "application/json").body(body.to_string())
    }

    /// An RFC 6749 section 5.2 error.
    pub fn error(status: u16, error: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error": error, "error_description": "as scripted" }))
    }

    /// The connection closes without an answer.
    pub fn close() -> Self {
        Self::of(Outcome::Lost)
    }

    /// No answer, ever; the connection stays open.
    pub fn hang() -> Self {
        Self::of(Outcome::Hanging)
    }

    /// Adds a header field to a scripted answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Outcome::Scripted { headers, .. } = &mut self.outcome {
            let name = name.parse().expect("a test names a valid header");
            headers.push((name, value.parse().expect("a test gives a valid header value")));
        }
        self
    }

    /// Sets the body of a scripted answer.
    #[must_use]
    pub fn body(mut self, text: impl Into<Vec<u8>>) -> Self {
        if let Outcome::Scripted { body, .. } = &mut self.outcome {
            *body = text.into();
        }
        self
    }

    /// Lets the server process the request first: a rotation is committed, and its genuine answer, unless this
    /// is [`Self::genuine`], is lost.
    #[must_use]
    pub fn after_committing(mut self) -> Self {
        self.after_committing = true;
        self
    }

    /// Waits so long before the answer (before any processing, unless it is [`Self::after_committing`]).
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Waits at a gate, where a delay waits.
    #[must_use]
    pub fn held_by(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    fn of(outcome: Outcome) -> Self {
        Self { outcome, after_committing: false, delay: Duration::ZERO, gate: None }
    }

    async fn pause(&self) {
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }
}

/// Holds requests until the test opens it. A clone is the same gate.
#[derive(Clone)]
pub struct Gate {
    arrivals: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    /// A closed gate.
    #[expect(clippy::new_without_default, reason = "which state would a default gate be in?")]
    pub fn new() -> Self {
        Self { arrivals: watch::Sender::new(0), open: watch::Sender::new(false) }
    }

    /// Waits until so many requests have arrived, counted from the making of the gate.
    pub async fn arrived(&self, count: usize) {
        let mut arrivals = self.arrivals.subscribe();
        let seen = arrivals.wait_for(|arrivals| *arrivals >= count).await;
        seen.expect("the sender lives in self");
    }

    /// How many requests have arrived.
    pub fn arrivals(&self) -> usize {
        *self.arrivals.borrow()
    }

    /// Lets everyone through, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    async fn pass(&self) {
        self.arrivals.send_modify(|arrivals| *arrivals += 1);
        let mut open = self.open.subscribe();
        let opened = open.wait_for(|open| *open).await;
        opened.expect("the sender lives in self");
    }
}

/// Whether this stands for a connection that closed without an answer.
pub fn is_lost<B>(response: &axum::http::Response<B>) -> bool {
    response.extensions().get::<Lost>().is_some()
}

#[derive(Clone)]
struct Lost;

/// Takes the next scripted answer, if there is one for this endpoint.
pub(super) async fn inject(State(site): State<Site>, request: Request, next: Next) -> Response {
    let scripted = Endpoint::at(request.uri().path()).and_then(|endpoint| {
        site.practice.state().script.get_mut(&endpoint).and_then(std::collections::VecDeque::pop_front)
    });
    let Some(answer) = scripted else { return next.run(request).await };
    if answer.after_committing {
        let genuine = next.run(request).await;
        answer.pause().await;
        replaced(answer.outcome).await.unwrap_or(genuine)
    } else {
        answer.pause().await;
        match replaced(answer.outcome).await {
            Some(response) => response,
            None => next.run(request).await,
        }
    }
}

/// The scripted response; `None` for the genuine one.
async fn replaced(outcome: Outcome) -> Option<Response> {
    match outcome {
        Outcome::Genuine => None,
        Outcome::Scripted { status, headers, body } => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            response.headers_mut().extend(headers);
            Some(response)
        }
        Outcome::Lost => {
            let mut response = Response::default();
            response.extensions_mut().insert(Lost);
            Some(response)
        }
        Outcome::Hanging => std::future::pending().await,
    }
}
