//! The redirect listener: where the browser brings the answer (RFC 8252 section 7.3).
//!
//! It listens on loopback literals only, answers one exact host and path, and says nothing that came from the
//! request. Where the login asked for it, the answer may also come as a form that another site's page posts: that is
//! what this mode is for, so who sent the browser is not judged; `state` is. A request that is not the answer gets a
//! plain refusal and changes nothing. The answer itself is answered with a redirect to a path that holds no code;
//! that path waits for the outcome and shows the page, once. Whoever comes there later is told that it is over.

use std::{
    future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use fourinsight_ipc::{
    ErrorBody, ErrorCode,
    message::{LoginState, LoginStatus},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    attempt::Attempt,
    authorize::AnswerMode,
    callback::{self, Expected},
    page,
    sockets::Listener,
};

/// Connections served at the same time; others wait in the backlog.
const CONNECTIONS: usize = 64;

/// How long a connection may take to send its request's head.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// How long a connection may live: longer than any exchange of a code.
const CONNECTION_TIME: Duration = Duration::from_secs(150);

/// How long connections that are being answered may take when the listener closes.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The largest head: a code is short, but other programs' cookies for this host come with it.
const HEAD_SIZE: usize = 64 * 1024;

/// The largest form that is read, and how long it may take.
const FORM_SIZE: usize = 64 * 1024;
const FORM_TIME: Duration = Duration::from_secs(10);

/// Serves the attempt until `stop` is ready; then closes the sockets, says so, and lets connections that are being
/// answered finish.
pub(super) async fn serve(
    listener: Listener,
    attempt: &Arc<Attempt>,
    stop: impl Future<Output = ()>,
    closed: watch::Sender<bool>,
) {
    let router = Router::new().fallback(respond).with_state(Arc::clone(attempt));
    let connections =
        Connections { router, slots: Arc::new(Semaphore::new(CONNECTIONS)), tasks: Mutex::default() };
    let mut sockets = listener.sockets.into_iter();
    tokio::select! {
        _ = async { tokio::join!(connections.accept(sockets.next()), connections.accept(sockets.next())) } => {}
        () = stop => {}
    }
    closed.send_replace(true);
    let mut tasks = connections.tasks.into_inner().unwrap_or_else(PoisonError::into_inner);
    // What is not done by then is aborted with the set.
    let _ = timeout(LAST_WORDS, async { while tasks.join_next().await.is_some() {} }).await;
}

/// The connections of one listener.
struct Connections {
    router: Router,
    slots: Arc<Semaphore>,
    tasks: Mutex<JoinSet<()>>,
}

impl Connections {
    async fn accept(&self, socket: Option<TcpListener>) {
        let Some(socket) = socket else { return future::pending().await };
        // The semaphore is never closed.
        while let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await {
            match socket.accept().await {
                Ok((stream, _)) => self.start(stream, slot),
                // Out of descriptors: others must close some first.
                Err(error) => {
                    tracing::warn!(%error, "the redirect listener cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn start(&self, stream: TcpStream, slot: OwnedSemaphorePermit) {
        let router = self.router.clone();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            serve_connection(stream, router).await;
            drop(slot);
        });
    }
}

async fn serve_connection(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_SIZE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // Whatever ends a connection early is the other side's affair.
    let _ = timeout(CONNECTION_TIME, connection).await;
}

async fn respond(State(attempt): State<Arc<Attempt>>, request: Request) -> Response {
    let Some(expected) = attempt.awaits.callback() else {
        return refusal(StatusCode::NOT_FOUND, "There is nothing here.\n");
    };
    let redirect_uri = &expected.redirect_uri;
    let uri = request.uri();
    if uri.authority().is_some() || !has_host(request.headers(), redirect_uri.authority()) {
        return refusal(StatusCode::BAD_REQUEST, "This is not the address of this page.\n");
    }
    let is_callback = uri.path() == redirect_uri.path();
    if !is_callback && uri.path() != attempt.page_path {
        return refusal(StatusCode::NOT_FOUND, "There is nothing here.\n");
    }
    let takes_forms = is_callback && expected.mode == AnswerMode::FormPost;
    match *request.method() {
        Method::GET if is_callback => callback(&attempt, expected, uri.query().unwrap_or_default()),
        Method::GET => outcome(&attempt).await,
        Method::POST if takes_forms => form(&attempt, expected, request).await,
        _ => {
            let mut response =
                refusal(StatusCode::METHOD_NOT_ALLOWED, "This page cannot be asked that way.\n");
            let allowed = HeaderValue::from_static(if takes_forms { "GET, POST" } else { "GET" });
            response.headers_mut().insert(header::ALLOW, allowed);
            response
        }
    }
}

/// An answer as a form; only its body counts, never the address.
async fn form(attempt: &Attempt, expected: &Expected, request: Request) -> Response {
    if !is_form(request.headers()) {
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This page takes forms only.\n");
    }
    match timeout(FORM_TIME, to_bytes(request.into_body(), FORM_SIZE)).await {
        Ok(Ok(body)) => match std::str::from_utf8(&body) {
            Ok(parameters) => callback(attempt, expected, parameters),
            Err(_) => refusal(StatusCode::BAD_REQUEST, "This is not what this page waits for.\n"),
        },
        Ok(Err(_)) => refusal(StatusCode::PAYLOAD_TOO_LARGE, "This form is too large, or broke off.\n"),
        Err(_) => refusal(StatusCode::REQUEST_TIMEOUT, "This form took too long.\n"),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let kind = kinds.next().and_then(|kind| kind.to_str().ok()).and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
        && kinds.next().is_none()
}

fn callback(attempt: &Attempt, expected: &Expected, parameters: &str) -> Response {
    let answer = match callback::read(expected, parameters) {
        Ok(answer) => answer,
        Err(why) if why.knew_the_state() => {
            attempt.refuse(why);
            let error = ErrorBody::new(
                ErrorCode::InvalidRequest,
                format!("The answer that this browser brought was not taken: {why}."),
            )
            .hint("sign in at the right server, or check the issuer of the profile");
            return html(StatusCode::BAD_REQUEST, page::failed(&error));
        }
        Err(_) => {
            tracing::debug!("a request that is not the answer of the login was refused");
            return refusal(StatusCode::BAD_REQUEST, "This is not what this page waits for.\n");
        }
    };
    // Whether it is in time or not, the address it came to holds a code, and the browser is to forget it.
    attempt.answer(answer, true);
    let mut response = refusal(StatusCode::SEE_OTHER, "");
    // The path is URL-safe text.
    let location = HeaderValue::from_str(&attempt.page_path);
    response.headers_mut().extend(location.map(|location| (header::LOCATION, location)));
    response
}

async fn outcome(attempt: &Attempt) -> Response {
    let gone = || html(StatusCode::GONE, page::late(&attempt.status()));
    if !attempt.owes_page() {
        return gone();
    }
    let settled = |status: &LoginStatus| status.state != LoginState::Pending || status.confirmation.is_some();
    let status = match attempt.watch().wait_for(settled).await {
        Ok(status) => status.clone(),
        Err(_) => return gone(),
    };
    let page = match &status.confirmation {
        // A question is answered where the login was begun, which is not to be taken for this browser.
        Some(question) => page::question(question),
        None => page::outcome(&status, attempt.shown()),
    };
    // Two browsers may wait; one is answered.
    if attempt.take_page() { html(StatusCode::OK, page) } else { gone() }
}

/// Whether there is exactly one `Host`, and it is ours: a page of another name that leads here is turned away.
fn has_host(headers: &HeaderMap, expected: &str) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    hosts.next().is_some_and(|host| host.as_bytes() == expected.as_bytes()) && hosts.next().is_none()
}

fn refusal(status: StatusCode, text: &'static str) -> Response {
    answer(status, "text/plain; charset=utf-8", Body::from(text))
}

fn html(status: StatusCode, page: String) -> Response {
    answer(status, "text/html; charset=utf-8", Body::from(page))
}

fn answer(status: StatusCode, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = HeaderValue::from_str(&page::POLICY);
    headers.extend(policy.map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    response
}

/// Sent with every answer.
const HEADERS: [(HeaderName, &str); 8] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::PRAGMA, "no-cache"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CONNECTION, "close"),
];
