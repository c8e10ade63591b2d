//! What can befall an exchange, at which point of it: the two are independent of each other.

use std::{io, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Practice,
    faltering::{End, Faltering},
};

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When.
    pub point: Point,
    /// What.
    pub kind: Kind,
}

/// How far an exchange has come when something befalls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// The client has connected. The server never sees the request, and its ledger has no entry of it. With TLS what
    /// befalls the connection does so before the handshake.
    BeforeReading,
    /// The request is in the ledger, and nothing has come of it.
    AfterReading,
    /// The request is processed, a rotation committed; no byte of the answer has left.
    AfterCommitting,
    /// The request is processed, and so many bytes of the answer's body have left. A wrong word about it comes too
    /// late then: it is cut off.
    MidAnswer(usize),
}

/// What goes wrong. Where an answer is altered before there is one, it is a made-up 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It goes on so much later.
    Delay(#[serde(with = "seconds")] Duration),
    /// The connection is reset.
    Reset,
    /// The connection is closed.
    Close,
    /// Nothing more happens, and the connection stays open.
    Hang,
    /// The rest of the answer comes in pieces.
    Drip {
        /// How long each is.
        bytes: usize,
        /// How long the pause between two is.
        #[serde(with = "seconds")]
        every: Duration,
    },
    /// An answer with this status and a page for people; a redirect leads to a place of its own on this server. In
    /// the middle of an answer: the page goes on where the answer stops.
    Status(u16),
    /// 429.
    TooManyRequests(RetryAfter),
    /// A page for people with status 200, as a captive portal has it.
    Html,
    /// The answer says that it is longer than it is.
    LengthTooLong,
    /// The answer says that it is shorter than it is.
    LengthTooShort,
    /// The answer says that it is a page.
    WrongType,
}

/// When to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// So many seconds from now.
    Seconds(u64),
    /// The same as a date.
    Date(u64),
}

/// The points of [`Fault::all`].
const POINTS: [Point; 5] = [
    Point::BeforeReading,
    Point::AfterReading,
    Point::AfterCommitting,
    Point::MidAnswer(0),
    Point::MidAnswer(20),
];

/// The kinds of [`Fault::all`].
const KINDS: [Kind; 17] = [
    Kind::Delay(Duration::from_secs(2)),
    Kind::Reset,
    Kind::Close,
    Kind::Hang,
    Kind::Drip { bytes: 16, every: Duration::from_millis(20) },
    Kind::Status(302),
    Kind::Status(307),
    Kind::Status(403),
    Kind::Status(408),
    Kind::Status(500),
    Kind::Status(503),
    Kind::TooManyRequests(RetryAfter::Seconds(3)),
    Kind::TooManyRequests(RetryAfter::Date(3)),
    Kind::Html,
    Kind::LengthTooLong,
    Kind::LengthTooShort,
    Kind::WrongType,
];

impl Fault {
    /// Every kind at every point.
    pub fn all() -> impl Iterator<Item = Self> {
        POINTS.into_iter().flat_map(|point| KINDS.into_iter().map(move |kind| Self { point, kind }))
    }

    /// Whether the server has processed the request by then.
    pub fn commits(self) -> bool {
        let point_commits = matches!(self.point, Point::AfterCommitting | Point::MidAnswer(_));
        point_commits || matches!(self.kind, Kind::Delay(_))
    }
}

impl Kind {
    /// What comes instead of any processing.
    pub(super) async fn instead(self, practice: &Practice) -> Response {
        let unavailable = (
            StatusCode::SERVICE_UNAVAILABLE,
            axum::Json(json!({ "error": "temporarily_unavailable", "error_description": "as scripted" })),
        );
        self.after(practice, unavailable.into_response()).await
    }

    /// What comes instead of this answer, of which nothing has left yet.
    pub(super) async fn after(self, practice: &Practice, mut answer: Response) -> Response {
        match self {
            Self::Reset => lost(Lost::Reset),
            Self::Close => lost(Lost::Closed),
            Self::Hang => std::future::pending().await,
            Self::Delay(delay) => {
                tokio::time::sleep(delay).await;
                answer
            }
            Self::Drip { bytes, every } => drip(answer, 0, bytes, every).await,
            Self::Status(_) | Self::TooManyRequests(_) | Self::Html => self.page(practice),
            Self::LengthTooLong | Self::LengthTooShort => {
                let (head, body) = whole(answer).await;
                let (said, sent, end) = match self {
                    Self::LengthTooLong => (body.len() + 16, body.len(), End::Cut),
                    _ => (body.len() / 2, body.len() / 2, End::Whole),
                };
                faltering(head, Some(said), Faltering::new([body.slice(..sent)], Duration::ZERO, end))
            }
            Self::WrongType => {
                answer.headers_mut().insert(header::CONTENT_TYPE, PAGE);
                answer
            }
        }
    }

    /// What comes of this answer when so many bytes of its body have left.
    pub(super) async fn midway(self, practice: &Practice, answer: Response, length: usize) -> Response {
        if let Self::Drip { bytes, every } = self {
            return drip(answer, length, bytes, every).await;
        }
        let (head, body) = whole(answer).await;
        let said = body.len();
        let rest = body.slice(length.min(said)..);
        let first = body.slice(..length.min(said));
        let cut = |end| Faltering::new([first.clone()], Duration::ZERO, end);
        match self {
            Self::Reset => {
                let mut answer = faltering(head, Some(said), cut(End::Cut));
                answer.extensions_mut().insert(ResetAtEnd);
                answer
            }
            Self::Hang => faltering(head, Some(said), cut(End::Hang)),
            Self::Delay(delay) => {
                faltering(head, Some(said), Faltering::new([first, rest], delay, End::Whole))
            }
            Self::Status(_) | Self::TooManyRequests(_) | Self::Html => {
                let (_, page) = whole(self.page(practice)).await;
                faltering(head, None, Faltering::new([first, page], Duration::ZERO, End::Whole))
            }
            // The head has left by now: what it says wrongly ends the same way, too early.
            Self::Close
            | Self::LengthTooLong
            | Self::LengthTooShort
            | Self::WrongType
            | Self::Drip { .. } => faltering(head, Some(said), cut(End::Cut)),
        }
    }

    fn page(self, practice: &Practice) -> Response {
        let status = match self {
            Self::Status(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY),
            Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::OK,
        };
        let page = format!("<!doctype html><title>{status}</title><p>Come back later.");
        let mut response = (status, [(header::CONTENT_TYPE, PAGE)], page).into_response();
        if status.is_redirection() {
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/elsewhere"));
        }
        if let Self::TooManyRequests(retry_after) = self {
            let text = match retry_after {
                RetryAfter::Seconds(seconds) => seconds.to_string(),
                RetryAfter::Date(seconds) => practice.shared.timeline.http_date_in(seconds),
            };
            let value = text.parse().expect("digits, or a date");
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}

/// Whether this stands for a connection that ended without an answer.
pub fn is_lost<B>(response: &axum::http::Response<B>) -> bool {
    response.extensions().get::<Lost>().is_some()
}

/// Whether the connection is to be reset when the server is done with it.
pub(super) fn is_reset<B>(response: &axum::http::Response<B>) -> bool {
    let extensions = response.extensions();
    extensions.get::<Lost>() == Some(&Lost::Reset) || extensions.get::<ResetAtEnd>().is_some()
}

/// The error of a service whose answer is lost.
pub(super) fn aborted() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionAborted)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    Closed,
    Reset,
}

#[derive(Clone, Copy)]
struct ResetAtEnd;

const PAGE: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

fn lost(how: Lost) -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(how);
    response
}

/// This answer, the first bytes at once and the rest in pieces.
async fn drip(answer: Response, length: usize, bytes: usize, every: Duration) -> Response {
    let (head, body) = whole(answer).await;
    let first = body.slice(..length.min(body.len()));
    let rest = body.slice(first.len()..);
    let pieces = std::iter::once(first).chain(rest.chunks(bytes.max(1)).map(Bytes::copy_from_slice));
    faltering(head, Some(body.len()), Faltering::new(pieces, every, End::Whole))
}

/// The head of an answer, and its whole body.
async fn whole(answer: Response) -> (axum::http::response::Parts, Bytes) {
    let (head, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("the server's own answers are in memory");
    (head, body)
}

/// An answer with a body that falters, and what it says of its length.
fn faltering(head: axum::http::response::Parts, said: Option<usize>, body: Faltering) -> Response {
    let mut response = Response::from_parts(head, Body::new(body));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    if let Some(said) = said {
        response.headers_mut().insert(header::CONTENT_LENGTH, said.into());
    }
    response
}

/// Durations as seconds, whole or not.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
