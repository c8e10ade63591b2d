//! An answer of OData, page by page.

use std::mem;

use reqwest::{Response, ResponseBuilderExt};
use reqwest_middleware::Error;
use serde::Deserialize;
use url::{Origin, Url};

use super::requests::Requests;

/// The pages of an answer, along `@odata.nextLink`: of a session's `get_pages`.
///
/// The token goes to the origin of the first page. Once a redirect or a link has led elsewhere, that and everything
/// after it is fetched without one: who answers there says what comes next.
pub struct Pages {
    requests: Requests,
    next: Option<String>,
    origin: Option<Origin>,
    /// Somebody of another origin has said what comes next.
    is_astray: bool,
}

impl Pages {
    pub(super) fn new(requests: Requests, url: &str) -> Self {
        let origin = Url::parse(url).ok().map(|url| url.origin());
        Self { requests, next: Some(url.to_owned()), origin, is_astray: false }
    }

    /// The next page, `None` after the last one. An answer that is no success is given too, and is the last.
    ///
    /// The body of a page has been read into memory, where the link to the next one is.
    ///
    /// # Errors
    ///
    /// As a request of the session's. The same page is asked for again then.
    pub async fn next(&mut self) -> Result<Option<Response>, Error> {
        let Some(here) = &self.next else { return Ok(None) };
        let request = if self.is_astray { self.requests.get_bare(here) } else { self.requests.get(here) };
        let response = request.send().await?;
        if !response.status().is_success() {
            self.next = None;
            return Ok(Some(response));
        }
        let (response, link) = read(response).await?;
        self.follow(response.url(), link);
        Ok(Some(response))
    }

    /// Takes note of where the page at this address leads.
    fn follow(&mut self, here: &Url, link: Option<String>) {
        // An address that is none is for the next request to fail on.
        let next = link.map(|link| here.join(&link).map_or(link, String::from));
        let leads_away = next
            .as_deref()
            .and_then(|next| Url::parse(next).ok())
            .is_some_and(|next| self.is_elsewhere(&next));
        self.is_astray |= self.is_elsewhere(here) || leads_away;
        self.next = next;
    }

    fn is_elsewhere(&self, url: &Url) -> bool {
        self.origin.as_ref() != Some(&url.origin())
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

/// Reads a page, and gives it as it was.
async fn read(mut page: Response) -> Result<(Response, Option<String>), Error> {
    let (url, status, version) = (page.url().clone(), page.status(), page.version());
    let headers = mem::take(page.headers_mut());
    let extensions = mem::take(page.extensions_mut());
    let body = page.bytes().await?;
    // What is not JSON is for the caller to stumble over: they read the page anyway.
    let link = serde_json::from_slice::<Page>(&body).ok().and_then(|page| page.next_link);
    let mut same = http::Response::builder().url(url).body(body).map_err(Error::middleware)?;
    *same.status_mut() = status;
    *same.version_mut() = version;
    *same.headers_mut() = headers;
    same.extensions_mut().extend(extensions);
    Ok((same.into(), link))
}
