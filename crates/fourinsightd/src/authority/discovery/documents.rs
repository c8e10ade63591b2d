//! Asks an issuer for its two documents, and takes what they say together. Where both say something, OpenID's counts.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;
use zeroize::Zeroizing;

use super::{is_endpoint, metadata::Metadata};
use crate::{
    authority::{Failure, issuer, json::Object},
    http::{HttpExchange, HttpRequest, HttpResponse, Route},
};

/// How long one document may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The longest document that is read: real ones have a few KiB.
const SIZE_LIMIT: usize = 256 * 1024;

/// What the documents of an issuer say.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) metadata: Metadata,
    /// What is odd about the documents.
    pub(super) warnings: Vec<String>,
    /// Both places gave an answer that will be the same tomorrow.
    pub(super) settled: bool,
}

/// Why there is no document.
#[derive(Clone, Debug)]
pub(super) enum Absent {
    /// The server answered, but with none.
    NotThere(Failure),
    /// It pointed somewhere else, where nobody goes.
    Elsewhere(Failure),
    /// There is one that cannot be believed.
    Broken(Failure),
    /// It did not answer: later it may.
    NoResponse(Failure),
}

impl Absent {
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::NotThere(failure)
            | Self::Elsewhere(failure)
            | Self::Broken(failure)
            | Self::NoResponse(failure) => failure,
        }
    }
}

/// Asks both well-known places at once.
pub(super) async fn ask(
    exchange: &dyn HttpExchange,
    configured: &str,
    route: &Route,
) -> Result<Found, Absent> {
    let [openid, oauth] = places(&issuer::to_ask(configured)).ok_or_else(|| {
        let text = "`issuer` is no https or loopback http URL; correct it in the profile";
        Absent::NotThere(Failure::new("invalid_issuer", text))
    })?;
    let asked =
        tokio::join!(fetch(exchange, configured, openid, route), fetch(exchange, configured, oauth, route));
    together(asked)
}

fn together(asked: (Result<Metadata, Absent>, Result<Metadata, Absent>)) -> Result<Found, Absent> {
    let (metadata, other) = match asked {
        (Ok(openid), Ok(oauth)) if openid.issuer == oauth.issuer => {
            return Ok(Found { metadata: openid.or(oauth), warnings: vec![], settled: true });
        }
        (Ok(openid), Ok(_)) => {
            let failure = Failure::new("issuer_mismatch", "it names another issuer");
            (openid, Absent::Broken(failure))
        }
        (Ok(metadata), Err(absent)) | (Err(absent), Ok(metadata)) => (metadata, absent),
        (Err(openid), Err(oauth)) => return Err(worse(openid, oauth)),
    };
    let (warnings, settled) = match other {
        Absent::NotThere(_) | Absent::Elsewhere(_) => (vec![], true),
        Absent::Broken(failure) => (vec![unused(&failure)], true),
        Absent::NoResponse(failure) => (vec![unused(&failure)], false),
    };
    Ok(Found { metadata, warnings, settled })
}

/// What counts of a document that is of no use beside a good one.
fn unused(failure: &Failure) -> String {
    let what = failure.description.split_once("; ").map_or(&*failure.description, |(what, _)| what);
    format!("one of the server's two metadata documents is not used: {what}")
}

/// Of two reasons the one that tells more.
fn worse(openid: Absent, oauth: Absent) -> Absent {
    match (openid, oauth) {
        (broken @ Absent::Broken(_), _) => broken,
        (silence @ Absent::NoResponse(_), _) | (_, silence @ Absent::NoResponse(_)) => silence,
        (_, broken @ Absent::Broken(_)) => broken,
        (elsewhere @ Absent::Elsewhere(_), _) | (_, elsewhere @ Absent::Elsewhere(_)) => elsewhere,
        (nothing @ Absent::NotThere(_), Absent::NotThere(_)) => nothing,
    }
}

/// OpenID Connect Discovery section 4 appends to the issuer; RFC 8414 section 3.1 inserts before its path.
fn places(issuer: &str) -> Option<[Url; 2]> {
    let base = Url::parse(issuer).ok().filter(|_| is_endpoint(issuer))?;
    let path = base.path().trim_end_matches('/');
    let place = |path: &str| {
        let mut url = base.clone();
        url.set_query(None);
        url.set_path(path);
        url
    };
    Some([
        place(&format!("{path}/.well-known/openid-configuration")),
        place(&format!("/.well-known/oauth-authorization-server{path}")),
    ])
}

async fn fetch(
    exchange: &dyn HttpExchange,
    configured: &str,
    url: Url,
    route: &Route,
) -> Result<Metadata, Absent> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let request = HttpRequest {
        method: Method::GET,
        url: url.clone(),
        headers,
        body: Zeroizing::default(),
        route: route.clone(),
        time_limit: TIME_LIMIT,
        size_limit: SIZE_LIMIT,
    };
    let response = exchange.exchange(request).await;
    let response = response.map_err(|error| {
        if error.too_long {
            let text = format!("the issuer's metadata is longer than {} KiB", SIZE_LIMIT >> 10);
            return Absent::Broken(failed(&text));
        }
        Absent::NoResponse(Failure::no_response(&error))
    })?;
    match response.status {
        200 => read(&response, configured),
        300..=399 => Err(Absent::Elsewhere(redirected(&response, &url))),
        status @ (408 | 429 | 500..) => {
            let text = format!(
                "the issuer's metadata could not be read (status {status}); run the login again later"
            );
            Err(Absent::NoResponse(Failure::new("temporarily_unavailable", &text)))
        }
        status => Err(Absent::NotThere(failed(&format!("the issuer has no metadata (status {status})")))),
    }
}

fn read(response: &HttpResponse, configured: &str) -> Result<Metadata, Absent> {
    let object = std::str::from_utf8(&response.body).ok().and_then(Object::read);
    let Some(object) = object else {
        // Some sites answer every address with a page for people.
        return Err(Absent::NotThere(failed("the issuer's metadata is not JSON")));
    };
    Metadata::read(&object, configured).map_err(Absent::Broken)
}

/// No redirect is followed: whoever answers for the issuer must do so at the issuer.
fn redirected(response: &HttpResponse, from: &Url) -> Failure {
    let location = response.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let target = location.and_then(|location| from.join(location).ok());
    let to = match &target {
        Some(target) if target.origin() == from.origin() => format!("the path {}", target.path()),
        Some(target) => format!("another host, {}", target.host_str().unwrap_or("without a name")),
        None => "nowhere".to_owned(),
    };
    failed(&format!("the issuer's metadata is redirected to {to}, and redirects are not followed"))
}

fn failed(what: &str) -> Failure {
    Failure::new(
        "discovery_failed",
        &format!("{what}; check `issuer`, or write the endpoints in the profile"),
    )
}
