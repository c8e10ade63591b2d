//! An API that takes the living tokens of a practice server.
//!
//! | path | what is there |
//! |---|---|
//! | `/things` | gives what it is given |
//! | `/page?next=URL` | a page of OData that leads there, or is the last one |
//! | `/away?to=URL` | a redirect, for everyone |

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{any, get},
};
use serde_json::json;
use tokio::net::TcpListener;
use url::form_urlencoded::byte_serialize;

use crate::practice::{Practice, Verdict};

/// The API. It serves until its runtime ends.
pub struct Api {
    origin: String,
    state: Arc<Mutex<Inside>>,
}

/// One request to it, redirects left out.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The bearer token, if there was one.
    pub bearer: Option<String>,
    /// The `User-Agent`, if there was one.
    pub user_agent: Option<String>,
    /// The method and the body.
    pub sent: String,
    /// What was answered.
    pub status: u16,
}

impl Api {
    /// Serves on a free port of this machine.
    pub async fn new(practice: &Practice) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(Mutex::new(Inside {
            practice: practice.clone(),
            refusal: StatusCode::UNAUTHORIZED,
            refuses_everything: false,
            refused: HashSet::new(),
            busy: VecDeque::new(),
            seen: Vec::new(),
        }));
        let away = async |Query(query): Query<Vec<(String, String)>>| Redirect::temporary(&query[0].1);
        let router = Router::new()
            .route("/things", any(things))
            .route("/page", get(page))
            .route("/away", get(away))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { origin, state })
    }

    /// The address of a path here.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The address of something here that leads to another address: a page's link, or a redirect.
    pub fn leading(&self, path_and_name: &str, there: &str) -> String {
        let there: String = byte_serialize(there.as_bytes()).collect();
        self.url(&format!("{path_and_name}={there}"))
    }

    /// What was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.inside().seen.clone()
    }

    /// Refuses every token from now on.
    pub fn refuse_everything(&self) {
        self.inside().refuses_everything = true;
    }

    /// Refuses the tokens that it was shown until now.
    pub fn refuse_what_was_seen(&self) {
        let mut inside = self.inside();
        inside.refused = inside.seen.iter().filter_map(|seen| seen.bearer.clone()).collect();
    }

    /// The status for tokens that are refused.
    pub fn answer_refusals_with(&self, status: StatusCode) {
        self.inside().refusal = status;
    }

    /// Answers the next requests so, each with its `Retry-After` if it has one, whatever their token.
    pub fn be_busy(&self, answers: impl IntoIterator<Item = (u16, Option<&'static str>)>) {
        self.inside().busy.extend(answers);
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Inside {
    practice: Practice,
    refusal: StatusCode,
    refuses_everything: bool,
    refused: HashSet<String>,
    busy: VecDeque<(u16, Option<&'static str>)>,
    seen: Vec<Seen>,
}

impl Inside {
    /// What to answer instead of what was asked for, if the API is busy or the token is not good.
    fn refusal(&mut self, method: &str, headers: &HeaderMap, body: &str) -> Option<Response> {
        let field = |name: HeaderName| headers.get(name)?.to_str().ok();
        let bearer = field(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let busy = self.busy.pop_front();
        let busy_status = busy.and_then(|(status, _)| StatusCode::from_u16(status).ok());
        let status = match busy_status {
            Some(status) => status,
            None if bearer.is_some_and(|token| self.takes(token)) => StatusCode::OK,
            None => self.refusal,
        };
        self.seen.push(Seen {
            bearer: bearer.map(str::to_owned),
            user_agent: field(header::USER_AGENT).map(str::to_owned),
            sent: format!("{method} {body}").trim_end().to_owned(),
            status: status.as_u16(),
        });
        match busy {
            Some((_, Some(pause))) => Some((status, [(header::RETRY_AFTER, pause)]).into_response()),
            Some((_, None)) => Some(status.into_response()),
            None if status == StatusCode::OK => None,
            None => {
                Some((status, [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")]).into_response())
            }
        }
    }

    fn takes(&self, token: &str) -> bool {
        self.practice.verdict(token) == Verdict::Live
            && !self.refuses_everything
            && !self.refused.contains(token)
    }
}

type Shared = State<Arc<Mutex<Inside>>>;

async fn things(
    State(state): Shared,
    method: axum::http::Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut inside = state.lock().unwrap_or_else(PoisonError::into_inner);
    let refusal = inside.refusal(method.as_str(), &headers, &String::from_utf8_lossy(&body));
    refusal.unwrap_or_else(|| body.into_response())
}

async fn page(
    State(state): Shared,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let mut inside = state.lock().unwrap_or_else(PoisonError::into_inner);
    let next = query.iter().find(|(name, _)| name == "next").map(|(_, next)| next.as_str());
    let page = match next {
        Some(next) => json!({ "value": ["thing"], "@odata.nextLink": next }),
        None => json!({ "value": ["the last thing"] }),
    };
    inside.refusal("GET", &headers, "").unwrap_or_else(|| Json(page).into_response())
}
