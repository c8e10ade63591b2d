//! Answers scripted by a test, or left to the weather: wrong, late, lost, or genuine but held back.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode},
    middleware::Next,
    response::Response,
};
use tokio::sync::watch;

use super::{
    fault::{Fault, Kind, Point},
    ledger::Entry,
    site::{Endpoint, Site},
    weather::Weather,
};

/// How one request is to be answered.
///
/// Unless it is [`Self::after_committing`], a scripted answer comes *instead of* any processing: the server's
/// state does not change, and nothing the request carries is spent.
#[derive(Clone)]
pub struct Answer {
    outcome: Outcome,
    point: Point,
    delay: Duration,
    gate: Option<Gate>,
}

#[derive(Clone)]
enum Outcome {
    Genuine,
    Scripted { status: StatusCode, headers: Vec<(HeaderName, HeaderValue)>, body: Vec<u8> },
    Faulty(Kind),
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
        Fault { point: Point::AfterReading, kind: Kind::Close }.into()
    }

    /// No answer, ever; the connection stays open.
    pub fn hang() -> Self {
        Fault { point: Point::AfterReading, kind: Kind::Hang }.into()
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
        self.point = Point::AfterCommitting;
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
        Self { outcome, point: Point::AfterReading, delay: Duration::ZERO, gate: None }
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

impl From<Fault> for Answer {
    fn from(Fault { point, kind }: Fault) -> Self {
        Self { point, ..Self::of(Outcome::Faulty(kind)) }
    }
}

/// A request that came over a socket: what befalls it before it is read has befallen it.
#[derive(Clone)]
pub(super) struct Read;

/// What stands in front of the server, and keeps requests from it.
pub(super) async fn before_reading(State(site): State<Site>, request: Request, next: Next) -> Response {
    let is_read = request.extensions().get::<Read>().is_some();
    let kind = Endpoint::at(request.uri().path())
        .filter(|_| !is_read)
        .and_then(|endpoint| site.practice.befalls_connection(endpoint));
    match kind {
        Some(Kind::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(kind) => return kind.instead(&site.practice).await,
        None => {}
    }
    next.run(request).await
}

/// Takes the next scripted answer, if there is one for this endpoint.
pub(super) async fn inject(State(site): State<Site>, request: Request, next: Next) -> Response {
    let refresh_token = request
        .extensions()
        .get::<Entry>()
        .and_then(|entry| entry.form.get("refresh_token"))
        .map(str::to_owned);
    let scripted = Endpoint::at(request.uri().path())
        .and_then(|endpoint| site.practice.befalls_request(endpoint, refresh_token.as_deref()));
    let Some(answer) = scripted else { return next.run(request).await };
    if answer.point == Point::AfterReading {
        answer.pause().await;
        match answer.outcome {
            Outcome::Genuine => next.run(request).await,
            Outcome::Faulty(Kind::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                next.run(request).await
            }
            Outcome::Faulty(kind) => kind.instead(&site.practice).await,
            Outcome::Scripted { status, headers, body } => scripted_response(status, headers, body),
        }
    } else {
        let genuine = next.run(request).await;
        answer.pause().await;
        match (answer.outcome, answer.point) {
            (Outcome::Genuine, _) => genuine,
            (Outcome::Scripted { status, headers, body }, _) => scripted_response(status, headers, body),
            (Outcome::Faulty(kind), Point::MidAnswer(length)) => {
                kind.midway(&site.practice, genuine, length).await
            }
            (Outcome::Faulty(kind), _) => kind.after(&site.practice, genuine).await,
        }
    }
}

fn scripted_response(status: StatusCode, headers: Vec<(HeaderName, HeaderValue)>, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().extend(headers);
    response
}

/// What the next requests get.
#[derive(Default)]
pub(super) struct Script {
    next: HashMap<Endpoint, VecDeque<Answer>>,
    weather: Option<Weather>,
}

impl Script {
    pub(super) fn queue(&mut self, endpoint: Endpoint, answers: impl Iterator<Item = Answer>) {
        self.next.entry(endpoint).or_default().extend(answers);
    }

    /// Nothing is scripted any more; the weather stays.
    pub(super) fn clear(&mut self) {
        self.next.clear();
    }

    pub(super) fn set_weather(&mut self, weather: Option<Weather>) {
        self.weather = weather;
    }

    /// What befalls a connection before its request is read.
    pub(super) fn befalls_connection(&mut self, endpoint: Endpoint) -> Option<Kind> {
        let queue = self.next.entry(endpoint).or_default();
        match queue.pop_front_if(|answer| answer.point == Point::BeforeReading) {
            Some(Answer { outcome: Outcome::Faulty(kind), .. }) => Some(kind),
            None if queue.is_empty() && endpoint == Endpoint::Token => {
                self.weather.as_mut()?.before_reading().map(|fault| fault.kind)
            }
            Some(_) | None => None,
        }
    }

    /// How a request that has been read is answered; `None`: honestly.
    pub(super) fn befalls_request(
        &mut self,
        endpoint: Endpoint,
        refresh_token: Option<&str>,
    ) -> Option<Answer> {
        let queue = self.next.entry(endpoint).or_default();
        if let Some(answer) = queue.pop_front_if(|answer| answer.point != Point::BeforeReading) {
            return Some(answer);
        }
        let weather = self.weather.as_mut().filter(|_| queue.is_empty() && endpoint == Endpoint::Token)?;
        weather.once_read(refresh_token).map(Answer::from)
    }
}
